// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of retiring: what a function ends is a cell whose unordered accesses loom reports, a wake-up that is lost
//! is a deadlock. Each model fails with the bugs that it is for planted.
//!
//! Functions only raise a word, for loom reports by panics, which C's calls do not let through; what they stand for
//! follows where the driving thread finds the word raised.

use super::helper::{self, Watch};
use super::state::ALL;
use super::{raw, wait};
use crate::park::Patience;
use crate::psref::raw::{self as hold, ClassState, Hold, TargetState};
use crate::psref::retired::ATTENTION;
use crate::sys::explore::{ASLEEP, Object, RACE, holds, notices};
use crate::sys::plant::{Access, Bug};
use crate::sys::sync::{AtomicPtr, AtomicU8, AtomicU32, Ordering};
use loom::thread;
use std::ffi::c_void;
use std::sync::Arc;

struct Thing {
    class: &'static ClassState,
    target: TargetState,
    published: AtomicU32,
    object: Object,
    /// Functions called.
    called: AtomicU32,
}

impl Thing {
    fn new() -> Arc<Thing> {
        let me = crate::thread::number(); // see `sync_loom::ready`
        assert!(!ALL.is_driven_by(me));
        ATTENTION.moved.word();
        let class = hold::try_class_create(b"model").unwrap();
        let target = TargetState {
            class: AtomicPtr::new(std::ptr::null_mut()),
            draining: AtomicU8::new(0),
            drained: AtomicU8::new(0),
            place: AtomicU32::new(0),
        };
        let (published, called) = (AtomicU32::new(1), AtomicU32::new(0));
        let thing = Arc::new(Thing { class, target, published, object: Object::new(), called });
        // SAFETY: ours alone, and where it stays; its fields are atomics.
        unsafe { hold::try_target_init((&raw const thing.target).cast_mut(), class).unwrap() };
        thing
    }

    fn acquire(&self) -> Option<Hold> {
        let mut hold = Hold::EMPTY;
        // SAFETY: `self` keeps target and class.
        unsafe { hold::try_acquire(&raw mut hold, &raw const self.target, self.class) }.unwrap().then_some(hold)
    }

    fn release(&self, mut hold: Hold) {
        // SAFETY: a live hold, released once.
        unsafe { hold::try_release(&raw mut hold, &raw const self.target, self.class) }.unwrap();
    }

    fn argument(&self) -> *mut c_void {
        (&raw const self.called).cast_mut().cast()
    }

    fn retire(&self) {
        // SAFETY: the thing lives as long as its model.
        unsafe { raw::try_target_retire(&raw const self.target, self.class, true, count, self.argument()) }
            .unwrap()
            .unwrap();
    }

    fn call(&self) {
        // SAFETY: the thing lives as long as its model.
        unsafe { raw::try_call(count, self.argument()) }.unwrap();
    }

    fn called(&self) -> u32 {
        self.called.load(Ordering::Relaxed)
    }

    /// What the helper does, until so many functions were called.
    fn drive_until(&self, calls: u32) {
        let me = crate::thread::number();
        let mut watch = Watch::default();
        loop {
            let seen = ATTENTION.moved.word();
            let (next, _) = helper::pass_for_all(me).expect("nobody else drives");
            if self.called() == calls {
                return;
            }
            let _ = watch.rest(next, seen, &ATTENTION.moved, Patience::FOREVER);
        }
    }
}

unsafe extern "C" fn count(called: *mut c_void) {
    // SAFETY: what `argument` gave.
    unsafe { &*called.cast::<AtomicU32>() }.fetch_add(1, Ordering::Relaxed);
}

/// Somebody reads what is taken out of reach and given up.
fn reader() {
    let thing = Thing::new();
    let reading = Arc::clone(&thing);
    let reader = thread::spawn(move || {
        crate::pserialize::raw::enter();
        if reading.published.load(Ordering::Relaxed) != 0 {
            reading.object.look();
        }
        crate::pserialize::raw::exit(0);
    });
    thing.published.store(0, Ordering::Relaxed);
    thing.call();
    thing.drive_until(1);
    thing.object.end();
    reader.join().unwrap();
}

#[test]
fn a_function_comes_after_the_readers() {
    holds("retire_reader", reader);
}

#[test]
fn a_function_before_the_readers_end_is_noticed() {
    const IGNORED: &[Bug] = &[Bug::ReadersIgnored];
    const FENCES: &[Bug] = &[Bug::NoFence];
    notices("retire_reader", reader, &[IGNORED, FENCES].map(|bugs| (bugs, RACE)));
}

/// Somebody finds a target in a section and holds it past that.
fn visitor() {
    let thing = Thing::new();
    let visiting = Arc::clone(&thing);
    let visitor = thread::spawn(move || {
        crate::pserialize::raw::enter();
        let hold = (visiting.published.load(Ordering::Relaxed) != 0).then(|| visiting.acquire()).flatten();
        crate::pserialize::raw::exit(0);
        if let Some(hold) = hold {
            visiting.object.look();
            visiting.release(hold);
        }
    });
    thing.published.store(0, Ordering::Relaxed);
    thing.retire();
    thing.drive_until(1);
    thing.object.end();
    visitor.join().unwrap();
}

#[test]
fn a_function_comes_after_the_last_hold() {
    holds("retire_visitor", visitor);
}

#[test]
fn a_function_before_the_last_hold_is_noticed() {
    const IGNORED: &[Bug] = &[Bug::HoldersIgnored];
    const FENCES: &[Bug] = &[Bug::NoFence, Bug::Relaxed(Access::Load, "AtomicUsize")];
    notices("retire_visitor", visitor, &[IGNORED, FENCES].map(|bugs| (bugs, RACE)));
}

/// A hold that there is from the start is released while whoever drives looks, or sleeps.
fn holder() {
    let thing = Thing::new();
    let hold = thing.acquire().unwrap();
    thing.retire();
    let holding = Arc::clone(&thing);
    let holder = thread::spawn(move || {
        holding.object.look();
        holding.release(hold);
    });
    thing.drive_until(1);
    thing.object.end();
    holder.join().unwrap();
    // SAFETY: the last use.
    unsafe { hold::try_class_destroy(thing.class) }.unwrap();
}

#[test]
fn the_last_release_wakes_whoever_drives() {
    holds("retire_holder", holder);
}

#[test]
fn a_release_that_nobody_hears_of_is_noticed() {
    const SCAN: &[Bug] = &[Bug::NoSecondScan];
    const COMPARE: &[Bug] = &[Bug::SleepsWithoutCompare];
    notices("retire_holder", holder, &[SCAN, COMPARE].map(|bugs| (bugs, ASLEEP)));
    notices("retire_holder", holder, &[(&[Bug::HoldersIgnored], RACE)]);
}

/// Things are given up while whoever drives looks, or sleeps; and their end is waited for.
fn queue() {
    let thing = Thing::new();
    let driving = Arc::clone(&thing);
    let driver = thread::spawn(move || driving.drive_until(3));
    thing.call();
    thing.call();
    wait::barrier("model", Patience::FOREVER).unwrap();
    assert_eq!(thing.called(), 2, "the barrier came back too early");
    thing.call(); // the end of the driver
    driver.join().unwrap();
}

#[test]
fn whoever_drives_hears_of_everything() {
    holds("retire_queue", queue);
}

#[test]
fn what_nobody_hears_of_is_noticed() {
    fn quiet() {
        let thing = Thing::new();
        let driving = Arc::clone(&thing);
        let driver = thread::spawn(move || driving.drive_until(1));
        thing.call();
        driver.join().unwrap();
    }
    holds("retire_quiet", quiet);
    notices("retire_quiet", quiet, &[(&[Bug::SilentRetire], ASLEEP)]);
    notices("retire_queue", queue, &[(&[Bug::TakenLate], "the barrier came back too early")]);
}
