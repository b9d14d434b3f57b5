// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of gates that close on the atomics back end: what is behind the gate is a cell whose unordered accesses loom reports,
//! a lost wake-up is a deadlock. Each model fails with the bugs that it is for planted.
//!
//! The record of a closed gate is recycled: a late-comer that the seal does not wait for finds another device's gate closed.

use super::raw::{self, DeviceState, GateState};
use crate::park::Patience;
use crate::sys::explore::{ASLEEP, Object, RACE, holds, notices};
use crate::sys::plant::{self, Access, Bug};
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Duration;

/// Additions to the cells and the total.
const ADD: &[Bug] = &[Bug::Relaxed(Access::Change, "AtomicU64")];
/// The exchange that closes a cell.
const TAKE: &[Bug] = &[Bug::Relaxed(Access::Swap, "AtomicU64")];
/// The sealer's look at the total.
const LOOK: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU64")];

/// A device with a gate, and what is behind it.
struct Device {
    state: DeviceState,
    object: Object,
}

impl Device {
    fn new() -> Arc<Device> {
        crate::thread::number(); // see `sync_loom::ready`
        let mut state = DeviceState::detached();
        // SAFETY: ours alone; moving it later is harmless, for the library keeps no address of it between calls.
        unsafe { super::state::attach(&raw mut state) }.unwrap().unwrap();
        Arc::new(Device { state, object: Object::new() })
    }

    fn enter(&self) {
        // SAFETY: `self` keeps the device.
        unsafe { super::pass::enter(&raw const self.state) }.unwrap();
    }

    fn exit(&self) {
        // SAFETY: inside.
        unsafe { super::pass::exit(&raw const self.state) }.unwrap();
    }

    /// Passes, or tells that it was turned away.
    fn acquire(&self, patience: Patience) -> bool {
        // SAFETY: `self` keeps the device.
        unsafe { raw::try_acquire(&raw const self.state, patience) }.unwrap().is_ok()
    }

    /// `None`: another closed and sealed it.
    fn close(&self) -> Option<&'static GateState> {
        // SAFETY: `self` keeps the device.
        unsafe { raw::try_close(&raw const self.state, b"model", crate::park::Patience::FOREVER) }.unwrap().ok()
    }

    fn seal(&self, gate: &'static GateState) {
        // SAFETY: `self` keeps the device.
        unsafe { raw::try_seal(&raw const self.state, gate, Patience::FOREVER) }.unwrap().unwrap();
    }

    /// Seals what another closed; false: no close is over.
    fn seal_closed(&self) -> bool {
        // SAFETY: `self` keeps the device.
        unsafe { raw::try_seal_closed(&raw const self.state, Patience::FOREVER) }.is_ok_and(|sealed| sealed.is_ok())
    }

    /// Closes, seals, and ends what was behind it.
    fn end(&self) {
        let gate = self.close().unwrap();
        self.seal(gate);
        self.object.end();
    }

    /// The last use.
    fn detach(&self) {
        // SAFETY: nobody uses it any more.
        unsafe { super::state::detach(&raw const self.state) }.unwrap();
    }

    /// The same for a device whose record another gate gets at once, which is closed and never sealed.
    fn detach_and_close_another(&self) {
        let another = Device::new();
        self.detach();
        assert!(another.close().is_some());
    }
}

/// What keeps a device for one who comes: until acquire has returned, or is about to sleep (R20).
struct Protection {
    ended: Mutex<bool>,
    moved: Condvar,
}

impl Protection {
    fn new() -> Arc<Self> {
        let protection = Arc::new(Protection { ended: Mutex::new(false), moved: Condvar::new() });
        let sleepers = Arc::clone(&protection);
        plant::before_sleep(move || sleepers.end());
        protection
    }

    fn end(&self) {
        *self.ended.lock().unwrap() = true;
        self.moved.notify_all();
    }

    /// What the owner does between seal and detach.
    fn wait_for_end(&self) {
        let mut ended = self.ended.lock().unwrap();
        while !*ended {
            ended = self.moved.wait(ended).unwrap();
        }
        drop(ended);
        plant::before_sleep(|| ());
    }
}

fn also(device: &Arc<Device>, f: impl FnOnce(&Device) + 'static) -> JoinHandle<()> {
    let device = Arc::clone(device);
    thread::spawn(move || f(&device))
}

/// One who is inside, and enters again as a handler would, leaves while another closes and seals.
fn inside() {
    let device = Device::new();
    device.enter();
    let owner = also(&device, Device::end);
    device.enter();
    device.exit();
    device.object.look();
    device.exit();
    owner.join().unwrap();
    device.detach();
}

#[test]
fn a_seal_waits_for_who_is_inside() {
    holds("inside", inside);
}

#[test]
fn a_seal_that_does_not_wait_is_noticed() {
    notices("inside", inside, &[ADD, TAKE, LOOK].map(|bugs| (bugs, RACE)));
    const OPEN: &[Bug] = &[Bug::CellsNotClosed];
    const LATE: &[Bug] = &[Bug::LateAdditionCounts];
    const LEAVE: &[Bug] = &[Bug::SilentLeave];
    const WORD: &[Bug] = &[Bug::WordReadLate];
    const COMPARE: &[Bug] = &[Bug::SleepsWithoutCompare];
    notices("inside", inside, &[OPEN, LATE, LEAVE, WORD, COMPARE].map(|bugs| (bugs, ASLEEP)));
}

/// One who comes passes, or waits until the seal; afterwards the record is another gate's.
fn late_comer() {
    come(Patience::FOREVER);
}

fn come(patience: Patience) {
    let device = Device::new();
    let protection = Protection::new();
    let visitor = {
        let protection = Arc::clone(&protection);
        also(&device, move |device| {
            let passed = device.acquire(patience);
            protection.end();
            if passed {
                device.object.look();
                device.exit();
            }
        })
    };
    device.end();
    protection.wait_for_end();
    device.detach_and_close_another();
    visitor.join().unwrap();
}

#[test]
fn a_late_comer_is_turned_away_by_the_seal() {
    holds("late_comer", late_comer);
}

#[test]
fn a_late_comer_left_behind_is_noticed() {
    const SEAL: &[Bug] = &[Bug::SilentSeal];
    const UNCOUNTED: &[Bug] = &[Bug::Uncounted];
    const WORD: &[Bug] = &[Bug::WordReadLate];
    const LEAVE: &[Bug] = &[Bug::SilentLeave];
    const STATE: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU32")];
    notices("late_comer", late_comer, &[SEAL, UNCOUNTED, WORD, LEAVE, STATE].map(|bugs| (bugs, ASLEEP)));
}

/// Two wait at once.
fn two_late_comers() {
    let device = Device::new();
    let gate = device.close().unwrap();
    let visitors = [0, 1].map(|_| also(&device, |device| assert!(!device.acquire(Patience::FOREVER))));
    device.seal(gate);
    visitors.into_iter().for_each(|visitor| visitor.join().unwrap());
    device.detach();
}

#[test]
fn all_late_comers_are_turned_away() {
    holds("two_late_comers", two_late_comers);
}

#[test]
fn a_second_late_comer_left_behind_is_noticed() {
    notices("two_late_comers", two_late_comers, &[(&[Bug::WakesOne], ASLEEP)]);
}

/// One who does not want to wait; afterwards the record is another gate's.
fn impatient() {
    come(Patience::at_most(Duration::ZERO));
}

#[test]
fn a_late_comer_may_leave() {
    holds("impatient_late_comer", impatient);
}

#[test]
fn a_late_comer_that_leaves_in_silence_is_noticed() {
    notices("impatient_late_comer", impatient, &[(&[Bug::SilentLeave], ASLEEP)]);
}

/// Two close; the slower one waits as a late-comer, and afterwards the record is another gate's.
fn two_closers() {
    let device = Device::new();
    let protection = Protection::new();
    let close = |protection: Arc<Protection>| {
        move |device: &Device| match device.close() {
            Some(gate) => {
                device.seal(gate);
                protection.wait_for_end(); // the other's
                device.detach_and_close_another();
            }
            None => protection.end(),
        }
    };
    let other = also(&device, close(Arc::clone(&protection)));
    close(protection)(&device);
    other.join().unwrap();
}

#[test]
fn one_of_two_closes() {
    holds("two_closers", two_closers);
}

#[test]
fn a_second_closer_left_behind_is_noticed() {
    const SEAL: &[Bug] = &[Bug::SilentSeal];
    const UNCOUNTED: &[Bug] = &[Bug::Uncounted];
    notices("two_closers", two_closers, &[SEAL, UNCOUNTED].map(|bugs| (bugs, ASLEEP)));
}

/// A handler passes while the owner closes.
fn handler() {
    let device = Device::new();
    let passing = also(&device, |device| {
        device.enter();
        device.object.look();
        device.exit();
    });
    let gate = device.close().unwrap();
    passing.join().unwrap(); // R21: unhooked between close and seal
    device.seal(gate);
    device.object.end();
    device.detach();
}

#[test]
fn a_handler_passes_a_gate_that_closes() {
    holds("handler", handler);
}

/// One seals what another is closing, who is inside.
fn another_seals() {
    let device = Device::new();
    device.enter();
    let owner = also(&device, |device| {
        if device.seal_closed() {
            device.object.end();
        }
    });
    device.close().unwrap();
    device.object.look();
    device.exit();
    owner.join().unwrap();
    assert!(device.seal_closed());
    device.detach();
}

#[test]
fn another_who_seals_waits_for_who_is_inside() {
    holds("another_seals", another_seals);
}

#[test]
fn a_gate_shown_closed_before_its_sum_is_noticed() {
    notices("another_seals", another_seals, &[(&[Bug::ShownClosedEarly], RACE)]);
}
