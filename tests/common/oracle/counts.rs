// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts.

use super::super::Mutant;
use super::super::face::Face;
use super::{Count, Held, Wait, World};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::sync::Arc;

impl<F: Face> World<F> {
    /// A count that somebody drains is the drainer's in C.
    fn is_drained_elsewhere(&self, value: u64) -> bool {
        F::IS_C && self.waiting.iter().any(|(_, wait)| matches!(wait, Wait::Drain(v, _) if *v == value))
    }

    pub(super) fn new_count(&mut self) {
        self.born += 1;
        let count = Arc::new(F::count(self.born));
        self.counts.push(Count { count, value: self.born, closed: false });
    }

    pub(super) fn acquire(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Count { ref count, value, closed } = self.counts[which];
        let count = Arc::clone(count);
        let got = self.workers[thread].run(move || F::acquire(&count));
        same!(got.is_some(), !closed || self.is(Mutant::DrainedCountsAcquire), "acquire");
        if let Some(guard) = got {
            same!(F::value(&guard), value, "the value held");
            self.held.push(Held { guard, value, is_clone: false });
        }
        Ok(())
    }

    pub(super) fn copy(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let value = self.held[which].value;
        let closed = self.counts.iter().any(|count| count.value == value && count.closed);
        let Held { guard, value, is_clone } = self.held.swap_remove(which);
        let (guard, clone) = self.workers[thread].run(move || {
            let clone = F::clone(&guard);
            (guard, clone)
        });
        self.held.push(Held { guard, value, is_clone });
        let refused = closed && (F::IS_C || self.is(Mutant::DrainingCountsAreNotCloned));
        same!(clone.is_some(), !refused, "clone");
        if let Some(clone) = clone {
            same!(F::value(&clone), value, "the value cloned");
            self.held.push(Held { guard: clone, value, is_clone: true });
        }
        Ok(())
    }

    pub(super) fn release(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Held { guard, value, .. } = self.held.swap_remove(which);
        same!(F::value(&guard), value, "the value at the end");
        self.workers[thread].run(move || drop(guard));
        Ok(())
    }

    pub(super) fn drain_now(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        if self.is_drained_elsewhere(self.counts[which].value) {
            return Ok(());
        }
        let count = Arc::clone(&self.counts[which].count);
        let drained = self.workers[thread].run(move || F::drain_now(&count));
        same!(drained, self.holds(self.counts[which].value) == 0, "a drain with no time");
        self.counts[which].closed = drained || !self.is(Mutant::DrainsReopen);
        Ok(())
    }

    pub(super) fn drain(&mut self, thread: usize, which: usize) {
        let Count { ref count, value, .. } = self.counts[which];
        if self.is_drained_elsewhere(value) {
            return;
        }
        let begun = Arc::clone(count);
        let theirs = Arc::clone(count);
        let ended = self.workers[thread].begin(move || {
            F::drain(&theirs);
            true
        });
        // Its first step: until it is over an acquire elsewhere may still succeed.
        while F::acquire(&begun).is_some() {
            std::thread::yield_now();
        }
        self.counts[which].closed = true;
        self.waiting.push((thread, Wait::Drain(value, ended)));
    }

    /// By the owner, who alone has it: not while somebody drains.
    pub(super) fn try_drain(&mut self, which: usize) -> Result<(), TestCaseError> {
        let free = self.holds(self.counts[which].value) == 0;
        let Some(count) = Arc::get_mut(&mut self.counts[which].count) else { return Ok(()) };
        let drained = F::try_drain(count);
        same!(drained, free, "trydrain");
        if self.is(Mutant::FailedTrydrainsClose) {
            self.counts[which].closed = true;
        } else if drained {
            self.counts[which].closed = !self.is(Mutant::TrydrainsReopen);
        }
        Ok(())
    }

    pub(super) fn take(&mut self, which: usize) -> Result<(), TestCaseError> {
        let value = self.counts[which].value;
        if self.held.iter().any(|held| held.value == value) {
            return Ok(());
        }
        let count = self.counts.swap_remove(which).count;
        same!(Arc::into_inner(count).map(F::into_inner), Some(value), "the value given back");
        Ok(())
    }
}
