// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the exported fast paths are expanded from: offsets, constants and the slow routines they leave for. Not for users.
#![doc(hidden)]

use super::{hold, raw};
use crate::percpu::slots::SLOT_SHIFT;
pub use crate::sys::STRIPE_SHIFT;
use std::ffi::c_int;
use std::mem::offset_of;

pub use super::state::{ClassState, HOME_SLOTS, Hold, TargetState};

pub const TARGET_CLASS: usize = offset_of!(TargetState, class);
pub const TARGET_DRAINING: usize = offset_of!(TargetState, draining);
pub const CLASS_SLOTS: usize = offset_of!(ClassState, slots);
pub const CLASS_LIMIT: usize = offset_of!(ClassState, limit);
pub const CLASS_WAITERS: usize = offset_of!(ClassState, waiters);
pub const PSREF_SLOT: usize = offset_of!(Hold, slot);
pub const PSREF_TARGET: usize = offset_of!(Hold, target);
/// Of a hold's address plus eight times its thread's number: which slot of the home block is its home, times eight. Without
/// the number, holds in the same place of different threads' stacks would all have one home.
pub const HOME_MASK: usize = (HOME_SLOTS - 1) << HOLD_SHIFT;
/// log2 of a hold's alignment.
const HOLD_SHIFT: u32 = 3;
/// Bytes of a slot; of a class, on every CPU that holds lie on; and of a class itself.
pub const SLOT_BYTES: usize = 1 << SLOT_SHIFT;
pub const HOME_BYTES: usize = HOME_SLOTS * SLOT_BYTES;
#[cfg(not(loom))]
pub const CLASS_BYTES: usize = crate::stable::Pool::<ClassState>::BYTES;
const _: () = assert!(SLOT_SHIFT == HOLD_SHIFT + 1, "the sections scale by 2");

/// Where the acquire fast path goes whenever the case is not plain: adds whom it returns to.
///
/// # Safety
/// As of `psref_acquire`.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn acquire_slow(_: *mut Hold, _: *const TargetState, _: *const ClassState) -> c_int {
    crate::__with_caller!("rcx", acquire_from)
}

/// Without sections there is nobody who would tell whom it returns to.
///
/// # Safety
/// As of `psref_acquire`.
#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
pub unsafe extern "C" fn acquire_slow(hold: *mut Hold, target: *const TargetState, class: *const ClassState) -> c_int {
    // SAFETY: passed on.
    unsafe { acquire_from(hold, target, class, 0) }
}

unsafe extern "C" fn acquire_from(
    hold: *mut Hold,
    target: *const TargetState,
    class: *const ClassState,
    at: usize,
) -> c_int {
    // SAFETY: passed on.
    match hold::or_die("psref_acquire", unsafe { hold::acquire(hold, target, class, at) }) {
        true => 0,
        false => raw::ENOENT,
    }
}

/// What `psref_copy` leaves for, with whom it returns to.
///
/// # Safety
/// As of `psref_copy`.
pub unsafe extern "C" fn copy_from(to: *mut Hold, from: *const Hold, class: *const ClassState, at: usize) {
    // SAFETY: passed on.
    hold::or_die("psref_copy", unsafe { hold::copy(to, from, class, at) });
}

/// Where the release fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `psref_release`.
pub unsafe extern "C" fn release_slow(hold: *mut Hold, target: *const TargetState, class: *const ClassState) {
    // SAFETY: passed on.
    hold::or_die("psref_release", unsafe { hold::release(hold, target, class) });
}

/// Where the release fast path goes when some drain of the class waits; the slot is cleared already.
///
/// # Safety
/// `class` is or was a class; the target is a number here (R4).
pub unsafe extern "C" fn release_wake(_: *mut Hold, target: usize, class: *const ClassState) {
    // SAFETY: classes are type-stable (P3).
    hold::wake(unsafe { &*class }, target);
}
