// SPDX-License-Identifier: MIT OR Apache-2.0
//! The slow routines that the exported fast paths leave for. Not for users.
#![doc(hidden)]

use super::hold;
pub use super::state::LocalCountState;
pub use crate::kmutex::{Kcondvar, Kmutex};

/// Where the acquire fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `localcount_acquire`.
pub unsafe extern "C" fn acquire_slow(lc: *const LocalCountState) {
    // SAFETY: passed on.
    hold::or_die("localcount_acquire", unsafe { hold::acquire(lc) });
}

/// Where the release fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `localcount_release`.
pub unsafe extern "C" fn release_slow(lc: *const LocalCountState, cv: *const Kcondvar, interlock: *const Kmutex) {
    // SAFETY: passed on.
    hold::or_die("localcount_release", unsafe { hold::release(lc, cv, interlock) });
}

/// Where the Rust face's acquire goes: 0, or 1 once a drain has begun.
///
/// # Safety
/// As of `localcount_acquire`.
pub unsafe extern "C" fn try_acquire_slow(lc: *const LocalCountState) -> i32 {
    // SAFETY: passed on.
    i32::from(unsafe { hold::acquire(lc) }.is_err())
}

/// Where the Rust face's release goes.
///
/// # Safety
/// As of `localcount_release`.
pub unsafe extern "C" fn release_alone_slow(lc: *const LocalCountState) {
    // SAFETY: passed on.
    hold::or_die("LocalCount", unsafe { hold::release_alone(lc) });
}
