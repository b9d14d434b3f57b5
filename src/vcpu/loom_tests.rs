// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of taking, waiting for and giving back virtual CPUs: what each protects is a cell whose unordered accesses loom reports, a
//! lost wake-up is a deadlock. Each model fails with the bugs that it is for planted.

use super::state::{Got, Vcpus};
use crate::sys::explore::{ASLEEP, RACE, holds, notices};
use crate::sys::plant::{Access, Bug};
use crate::thread::{self, record};
use loom::cell::UnsafeCell;
use loom::thread::spawn;
use std::sync::Arc;

/// As many as the process has in models; those here make their own.
pub(super) const CPUS: usize = 1;

/// Virtual CPUs, and what each protects.
struct Machine {
    cpus: Vcpus,
    cells: Vec<UnsafeCell<u32>>,
}

// SAFETY: whether the cells are used in order is what loom watches.
unsafe impl Send for Machine {}
// SAFETY: as above.
unsafe impl Sync for Machine {}

impl Machine {
    fn new(cpus: usize) -> Arc<Machine> {
        thread::number(); // see `sync_loom::ready`
        let cells = (0..cpus).map(|_| UnsafeCell::new(0)).collect();
        Arc::new(Machine { cpus: Vcpus::new(cpus), cells })
    }

    /// What one does who has a virtual CPU; then it is given back.
    fn use_and_give(&self, cpu: usize) {
        // SAFETY: the virtual CPU is this thread's; loom sees who else is at the cell.
        self.cells[cpu].with_mut(|cell| unsafe { *cell += 1 });
        self.cpus.give(thread::number(), cpu);
    }

    fn any(&self, first: usize) {
        let (cpu, got) = self.cpus.take_any(&record().kernel, thread::number(), first);
        assert_eq!(got, Got::Taken);
        self.use_and_give(cpu);
    }

    fn this(&self, cpu: usize) {
        assert_eq!(self.cpus.take_this(&record().kernel, thread::number(), cpu), Got::Taken);
        self.use_and_give(cpu);
    }

    /// Runs both threads, and looks whether anything is lost.
    fn with(self: Arc<Machine>, one: fn(&Machine), two: fn(&Machine), three: fn(&Machine), uses: u32) {
        let threads = [one, two].map(|run| {
            let machine = Arc::clone(&self);
            spawn(move || run(&machine))
        });
        three(&self);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        // SAFETY: all threads have ended.
        let sum: u32 = self.cells.iter().map(|cell| cell.with(|cell| unsafe { *cell })).sum();
        assert_eq!(sum, uses);
    }
}

/// Accesses to owner words.
const OWNER: &[Bug] = &[Bug::Relaxed(Access::Change, "AtomicU64")];
/// The look at those who wait.
const WAITERS: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU32")];

fn two_and_one() {
    Machine::new(1).with(|m| m.any(0), |_| (), |m| m.any(0), 2);
}

#[test]
fn whoever_has_one_is_alone_and_nobody_sleeps_on() {
    holds("two_and_one", two_and_one);
    notices(
        "two_and_one",
        two_and_one,
        &[
            (OWNER, RACE),
            (WAITERS, ASLEEP),
            (&[Bug::SilentGive], ASLEEP),
            (&[Bug::WordReadLate], ASLEEP),
            (&[Bug::SleepsWithoutCompare], ASLEEP),
        ],
    );
}

fn three_and_one() {
    Machine::new(1).with(|m| m.any(0), |m| m.any(0), |m| m.any(0), 3);
}

#[test]
fn all_who_wait_are_woken() {
    holds("three_and_one", three_and_one);
    notices("three_and_one", three_and_one, &[(OWNER, RACE), (&[Bug::SilentGive], ASLEEP)]);
}

fn one_wants_this_very_one() {
    Machine::new(2).with(|m| m.this(0), |m| m.any(0), |m| m.any(1), 3);
}

#[test]
fn one_that_waits_for_its_own_gets_it_beside_those_who_take_any() {
    holds("one_wants_this_very_one", one_wants_this_very_one);
    notices(
        "one_wants_this_very_one",
        one_wants_this_very_one,
        // Of two who sleep, one for this one and one for any, the wrong one may be woken.
        &[(&[Bug::SilentGive], ASLEEP)],
    );
}

fn two_want_this_very_one() {
    Machine::new(1).with(|m| m.this(0), |m| m.this(0), |m| m.any(0), 3);
}

#[test]
fn several_wait_for_the_same() {
    holds("two_want_this_very_one", two_want_this_very_one);
    notices(
        "two_want_this_very_one",
        two_want_this_very_one,
        &[(&[Bug::WakesOne], ASLEEP), (&[Bug::SilentGive], ASLEEP), (&[Bug::WordReadLate], ASLEEP)],
    );
}
