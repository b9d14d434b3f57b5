// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts.

use super::{Count, Held, Wait, World, no_time};
use crate::Mutant;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use psref::LocalCount;
use std::sync::Arc;

impl World {
    pub(super) fn new_count(&mut self) {
        self.born += 1;
        let count = Arc::new(LocalCount::new(self.born).unwrap());
        self.counts.push(Count { count, value: self.born, closed: false });
    }

    pub(super) fn acquire(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Count { ref count, value, closed } = self.counts[which];
        let count = Arc::clone(count);
        let got = self.workers[thread].run(move || count.acquire());
        same!(got.is_ok(), !closed || self.is(Mutant::DrainedCountsAcquire), "acquire");
        if let Ok(guard) = got {
            same!(*guard, value, "the value held");
            self.held.push(Held { guard, value, is_clone: false });
        }
        Ok(())
    }

    pub(super) fn copy(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Held { guard, value, is_clone } = self.held.swap_remove(which);
        let (guard, clone) = self.workers[thread].run(move || {
            let clone = guard.clone();
            (guard, clone)
        });
        self.held.push(Held { guard, value, is_clone });
        let closed = self.counts.iter().any(|count| count.value == value && count.closed);
        same!(true, !(closed && self.is(Mutant::DrainingCountsAreNotCloned)), "clone");
        same!(*clone, value, "the value cloned");
        self.held.push(Held { guard: clone, value, is_clone: true });
        Ok(())
    }

    pub(super) fn release(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Held { guard, value, .. } = self.held.swap_remove(which);
        same!(*guard, value, "the value at the end");
        self.workers[thread].run(move || drop(guard));
        Ok(())
    }

    pub(super) fn drain_now(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let count = Arc::clone(&self.counts[which].count);
        let drained = self.workers[thread].run(move || count.drain_within(no_time()));
        same!(drained.is_ok(), self.holds(self.counts[which].value) == 0, "a drain with no time");
        self.counts[which].closed = drained.is_ok() || !self.is(Mutant::DrainsReopen);
        Ok(())
    }

    pub(super) fn drain(&mut self, thread: usize, which: usize) {
        let Count { ref count, value, .. } = self.counts[which];
        let begun = Arc::clone(count);
        let theirs = Arc::clone(count);
        let ended = self.workers[thread].begin(move || {
            theirs.drain();
            true
        });
        // Its first step: until it is over an acquire elsewhere may still succeed.
        while begun.acquire().is_ok() {
            std::thread::yield_now();
        }
        self.counts[which].closed = true;
        self.waiting.push((thread, Wait::Drain(value, ended)));
    }

    /// By the owner, who alone has it: not while somebody drains.
    pub(super) fn try_drain(&mut self, which: usize) -> Result<(), TestCaseError> {
        let free = self.holds(self.counts[which].value) == 0;
        let Some(count) = Arc::get_mut(&mut self.counts[which].count) else { return Ok(()) };
        let drained = count.try_drain();
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
        same!(Arc::into_inner(count).map(LocalCount::into_inner), Some(value), "the value given back");
        Ok(())
    }
}
