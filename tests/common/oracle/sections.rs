// SPDX-License-Identifier: MIT OR Apache-2.0
//! Read sections and performs.

use super::super::Mutant;
use super::super::face::Face;
use super::{Perform, Section, Wait, World};
use crate::asleep;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use psref::{GaveUp, InReadSection};
use std::sync::Arc;
use std::time::Duration;

impl<F: Face> World<F> {
    pub(super) fn read(&mut self, thread: usize) {
        self.workers[thread].run(|| F::sections().with_borrow_mut(|reading| reading.push(F::section())));
        match self.sections.iter_mut().find(|section| section.thread == thread) {
            Some(section) => section.depth += 1,
            None => {
                self.born += 1;
                self.sections.push(Section { thread, number: self.born, depth: 1 });
            }
        }
    }

    pub(super) fn end_read(&mut self, thread: usize) {
        let Some(at) = self.sections.iter().position(|section| section.thread == thread) else { return };
        self.workers[thread].run(|| drop(F::sections().with_borrow_mut(Vec::pop)));
        self.sections[at].depth -= 1;
        if self.sections[at].depth == 0 || self.is(Mutant::SectionsDoNotNest) {
            self.sections.swap_remove(at);
        }
    }

    pub(super) fn is_inside(&self, thread: usize) -> bool {
        self.sections.iter().any(|section| section.thread == thread || self.is(Mutant::SectionsAreTheProcesss))
    }

    pub(super) fn is_reading(&self, thread: usize) -> Result<(), TestCaseError> {
        same!(self.workers[thread].run(F::is_reading), self.is_inside(thread), "in a section");
        Ok(())
    }

    pub(super) fn perform_now(&mut self, thread: usize) -> Result<(), TestCaseError> {
        let psz = Arc::clone(&self.psz);
        if F::IS_C && !self.is_inside(thread) && !self.sections.is_empty() {
            if self.is(Mutant::PerformsIgnoreOthers) {
                let ended = self.workers[thread].begin(move || F::perform(&psz, false));
                let ended = ended.recv_timeout(Duration::from_millis(200));
                prop_assert!(ended.is_ok(), "a perform that nothing keeps waiting");
                return Ok(());
            }
            return self.perform(thread);
        }
        // C's has all the time there is; a mutant may be wrong about what keeps it waiting.
        let answer = self.workers[thread].begin(move || F::perform(&psz, true));
        let answer = answer.recv_timeout(Duration::from_secs(5)).unwrap_or(Ok(Err(GaveUp::TimedOut)));
        let expected = if self.is_inside(thread) {
            match self.mutant {
                Mutant::PerformsInsideWait => Ok(Err(GaveUp::TimedOut)),
                _ => Err(InReadSection),
            }
        } else if self.sections.is_empty() || self.is(Mutant::PerformsIgnoreOthers) {
            Ok(Ok(()))
        } else {
            Ok(Err(GaveUp::TimedOut))
        };
        same!(answer, expected, "a perform with no time");
        Ok(())
    }

    pub(super) fn perform(&mut self, thread: usize) -> Result<(), TestCaseError> {
        if self.is_inside(thread) {
            return self.perform_now(thread);
        }
        let psz = Arc::clone(&self.psz);
        let worker = &self.workers[thread];
        let (tells, told) = std::sync::mpsc::channel();
        let ended = worker.begin(move || {
            tells.send(asleep::tid()).unwrap();
            F::perform(&psz, false) == Ok(Ok(()))
        });
        let tid = told.recv().unwrap();
        // What begins later must find it asleep.
        if !self.sections.is_empty() {
            while !asleep::sleeps(tid) {
                std::thread::yield_now();
            }
        }
        let leads = !self.waiting.iter().any(|(_, wait)| matches!(wait, Wait::Perform(_)));
        let old = leads.then(|| self.sections.iter().map(|section| section.number).collect());
        self.waiting.push((thread, Wait::Perform(Perform { tid, old, ended })));
        Ok(())
    }
}
