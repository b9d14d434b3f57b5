// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passive references through the C names beside the oracle: the sequences of ../../tests/oracle.rs.

#[path = "../../tests/common/oracle/holds.rs"]
mod holds;
#[path = "../../tests/common/worker.rs"]
mod worker;

use holds::Face;
use libc::{ENOENT, timespec};
use psref_ffi::psref::*;
use std::cell::UnsafeCell;
use std::sync::Arc;

struct C;

/// A class, which its targets keep.
struct Owned(*mut psref_class);

// SAFETY: classes may be used by all threads at once.
unsafe impl Send for Owned {}
// SAFETY: as above.
unsafe impl Sync for Owned {}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: its targets are destroyed, for they keep it.
        unsafe { psref_class_destroy(self.0) }
    }
}

struct Target {
    target: Box<UnsafeCell<psref_target>>,
    class: Arc<Owned>,
    value: u64,
}

// SAFETY: a target may be used by all threads at once.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Drop for Target {
    fn drop(&mut self) {
        // SAFETY: the last handle; nobody acquires any more.
        unsafe { psref_target_destroy(self.target.get(), self.class.0) }
    }
}

/// What it holds stays until it is released: the target's destruction waits for that.
struct Hold {
    psref: Box<UnsafeCell<psref>>,
    target: *mut psref_target,
    class: Arc<Owned>,
    value: u64,
}

// SAFETY: whoever has the hold may release and copy it.
unsafe impl Send for Hold {}

impl Hold {
    fn empty(target: *mut psref_target, class: &Arc<Owned>, value: u64) -> Hold {
        // SAFETY: pointers, for which zero is a value.
        let psref = Box::new(UnsafeCell::new(unsafe { std::mem::zeroed() }));
        Hold { psref, target, class: Arc::clone(class), value }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: filled by acquire or copy, and released once.
        unsafe { psref_release(self.psref.get(), self.target, self.class.0) }
    }
}

impl Face for C {
    type Class = Arc<Owned>;
    type Target = Target;
    type Hold = Hold;

    fn class() -> Arc<Owned> {
        // SAFETY: a terminated string.
        let class = unsafe { psref_class_create(c"oracle".as_ptr(), 0) };
        assert!(!class.is_null());
        Arc::new(Owned(class))
    }

    fn target(class: &Arc<Owned>, value: u64) -> Target {
        // SAFETY: a pointer and numbers, for which zero is a value; the target is ours alone.
        unsafe {
            let target = Box::new(UnsafeCell::new(std::mem::zeroed()));
            psref_target_init(target.get(), class.0);
            Target { target, class: Arc::clone(class), value }
        }
    }

    fn acquire(target: &Arc<Target>) -> Option<Hold> {
        let at = target.target.get();
        let hold = Hold::empty(at, &target.class, target.value);
        // SAFETY: the handle keeps the target.
        match unsafe { psref_acquire(hold.psref.get(), at, target.class.0) } {
            0 => Some(hold),
            ENOENT => {
                // Nothing is held, so nothing is released; what remains is memory.
                let mut hold = std::mem::ManuallyDrop::new(hold);
                // SAFETY: not dropped otherwise.
                unsafe {
                    std::ptr::drop_in_place(&raw mut hold.psref);
                    std::ptr::drop_in_place(&raw mut hold.class);
                }
                None
            }
            other => panic!("psref_acquire: {other}"),
        }
    }

    fn copy(hold: &Hold) -> Hold {
        let copy = Hold::empty(hold.target, &hold.class, hold.value);
        // SAFETY: held, and not released meanwhile.
        unsafe { psref_copy(copy.psref.get(), hold.psref.get(), hold.class.0) };
        copy
    }

    fn value(hold: &Hold) -> u64 {
        hold.value
    }

    fn is_held_here(target: &Target) -> bool {
        // SAFETY: alive.
        unsafe { psref_held(target.target.get(), target.class.0) }
    }

    fn try_drain(target: &Target) -> bool {
        let no_time = timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: alive.
        match unsafe { psref_target_drain_timed(target.target.get(), target.class.0, &raw const no_time) } {
            0 => true,
            libc::ETIMEDOUT => false,
            other => panic!("psref_target_drain_timed: {other}"),
        }
    }

    fn drain(target: &Target) {
        // SAFETY: alive.
        unsafe { psref_target_drain(target.target.get(), target.class.0) }
    }

    fn into_inner(target: Target) -> u64 {
        target.value // destroyed when it is dropped
    }
}

#[test]
fn random_operations_agree_with_the_oracle() {
    holds::agree::<C>();
}

#[test]
fn every_mutant_of_the_oracle_differs() {
    holds::mutants_differ::<C>();
}
