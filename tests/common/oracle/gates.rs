// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gates.

use super::super::Mutant;
use super::super::face::Face;
use super::{Door, Inside, State, Wait, World};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use psref::{GaveUp, Refusal};
use std::sync::mpsc::Receiver;
use std::time::Duration;

impl<F: Face> World<F> {
    pub(super) fn new_gate(&mut self) {
        self.born += 1;
        let gate = Box::leak(Box::new(F::gate()));
        self.doors.push(Door { gate, number: self.born, state: State::Open, closer: None });
    }

    pub(super) fn enter(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Door { gate, number, state, .. } = self.doors[which];
        let pass = self.workers[thread].run(move || F::enter(gate));
        same!(true, state == State::Open || !self.is(Mutant::ClosedGatesKeepHandlersOut), "enter");
        self.inside.push(Inside { pass, number, late: state != State::Open });
        Ok(())
    }

    pub(super) fn pass(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Door { gate, number, state, .. } = self.doors[which];
        if state != State::Closed {
            return self.pass_with(thread, which, false);
        }
        let turned_away = move || F::pass(gate, false).err() == Some(Refusal::Sealed);
        let ended = self.workers[thread].begin(turned_away);
        self.waiting.push((thread, Wait::Late(number, ended)));
        Ok(())
    }

    pub(super) fn pass_now(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        if F::IS_C && self.doors[which].state == State::Closed {
            if self.is(Mutant::ClosedGatesPass) {
                let gate = self.doors[which].gate;
                let passed = self.workers[thread].begin(move || F::pass(gate, false).is_ok());
                return only_in_the_mutants_opinion(&passed);
            }
            return self.pass(thread, which);
        }
        self.pass_with(thread, which, true)
    }

    pub(super) fn pass_with(&mut self, thread: usize, which: usize, now: bool) -> Result<(), TestCaseError> {
        let Door { gate, number, state, .. } = self.doors[which];
        let got = self.workers[thread].run(move || F::pass(gate, now));
        let expected = match state {
            State::Open => None,
            State::Closed if self.is(Mutant::ClosedGatesPass) => None,
            State::Closed => Some(Refusal::GaveUp(GaveUp::TimedOut)),
            State::Sealed if self.is(Mutant::SealedGatesMakeWait) => Some(Refusal::GaveUp(GaveUp::TimedOut)),
            State::Sealed => Some(Refusal::Sealed),
        };
        same!(got.as_ref().err().copied(), expected, "acquire of a gate");
        self.inside.extend(got.map(|pass| Inside { pass, number, late: false }));
        Ok(())
    }

    pub(super) fn exit(&mut self, thread: usize, which: usize) {
        let Inside { pass, .. } = self.inside.swap_remove(which);
        self.workers[thread].run(move || drop(pass));
    }

    pub(super) fn close(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Door { gate, number, state, .. } = self.doors[which];
        let close = move || F::close(gate);
        match state {
            State::Open => {
                let closer = self.workers[thread].run(close);
                prop_assert!(closer.is_ok(), "an open gate is not closed");
                let door = &mut self.doors[which];
                (door.closer, door.state) = (closer.ok(), State::Closed);
            }
            State::Closed => {
                let ended = self.workers[thread].begin(move || close().err() == Some(Refusal::Sealed));
                self.waiting.push((thread, Wait::Late(number, ended)));
            }
            State::Sealed => same!(self.workers[thread].run(move || close().err()), Some(Refusal::Sealed), "close"),
        }
        Ok(())
    }

    pub(super) fn seal_now(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Some(closer) = self.doors[which].closer.take() else { return Ok(()) };
        let number = self.doors[which].number;
        if F::IS_C && self.inside.iter().any(|inside| inside.number == number) {
            let free = self.passes(number) == 0;
            let ended = self.workers[thread].begin(move || F::seal(closer));
            self.doors[which].state = if self.is(Mutant::SealsOpen) { State::Open } else { State::Sealed };
            if free {
                return only_in_the_mutants_opinion(&ended);
            }
            self.waiting.push((thread, Wait::Sealed(number, ended)));
            return Ok(());
        }
        let late = self.waiting.iter().any(|(_, wait)| matches!(wait, Wait::Late(n, _) if *n == number));
        let sealed = self.workers[thread].run(move || F::seal(closer));
        // Late-comers leave when they wake up.
        let expected = self.passes(number) == 0;
        prop_assert!(sealed == expected || (late && expected), "seal: {sealed}, expected {expected}");
        self.doors[which].state = if self.is(Mutant::SealsOpen) { State::Open } else { State::Sealed };
        Ok(())
    }

    pub(super) fn wait_sealed(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Door { gate, number, state, .. } = self.doors[which];
        if state == State::Sealed && !F::IS_C {
            let ended = self.workers[thread].begin(move || F::wait_sealed(gate));
            if self.passes(number) == 0 && self.inside.iter().any(|inside| inside.number == number) {
                return only_in_the_mutants_opinion(&ended);
            }
            self.waiting.push((thread, Wait::Sealed(number, ended)));
        }
        Ok(())
    }

    pub(super) fn end_gate(&mut self, which: usize) {
        let number = self.doors[which].number;
        let in_use = |wait: &Wait| matches!(wait, Wait::Late(n, _) | Wait::Sealed(n, _) if *n == number);
        if self.inside.iter().any(|inside| inside.number == number) || self.waiting.iter().any(|(_, wait)| in_use(wait))
        {
            return;
        }
        let door = self.doors.swap_remove(which);
        drop(door.closer);
        // SAFETY: leaked by `new_gate`; nobody is inside, waits or keeps the closed gate.
        drop(unsafe { Box::from_raw(std::ptr::from_ref(door.gate).cast_mut()) });
    }
}

/// What the library goes on waiting for.
fn only_in_the_mutants_opinion(ended: &Receiver<bool>) -> Result<(), TestCaseError> {
    prop_assert!(ended.recv_timeout(Duration::from_millis(200)).is_ok(), "a wait that nothing keeps waiting");
    Ok(())
}
