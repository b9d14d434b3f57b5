// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of localcount(9), on the caller's own structures: what the C names are, and what other faces are
//! built from. The plain functions end the program on misuse as C's do; the `try_` ones answer it.
#![doc(hidden)]

pub use super::state::LocalCountState;
use super::{Misuse, drain, hold, state};
pub use crate::kmutex::{Kcondvar, Kmutex};
use crate::park::{GaveUp, Patience};
pub use crate::sys::clock::Timespec;
use crate::sys::errno::Errno;
use hold::or_die;
use std::ffi::c_int;

macro_rules! faces {
    ($($(#[$doc:meta])* $c:literal $name:ident / $try_name:ident ($($arg:ident: $type:ty),*) $(-> $answer:ty)? = $what:path;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers are null, or what localcount(9) asks for.
        pub unsafe fn $try_name($($arg: $type),*) -> Result<faces!(@ $($answer)?), Misuse> {
            // SAFETY: passed on.
            unsafe { $what($($arg),*) }
        }
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers are null, or what localcount(9) asks for.
        pub unsafe fn $name($($arg: $type),*) $(-> $answer)? {
            // SAFETY: passed on.
            or_die($c, unsafe { $what($($arg),*) })
        }
    )*};
    (@) => { () };
    (@ $answer:ty) => { $answer };
}

faces! {
    /// Makes a count.
    "localcount_init" init / try_init(lc: *mut LocalCountState) -> Result<(), Errno> = state::init;
    /// Ends a drained count.
    "localcount_fini" fini / try_fini(lc: *const LocalCountState) = state::fini;
    /// Acquires without the fast path.
    "localcount_acquire" acquire_slowly / try_acquire(lc: *const LocalCountState) = hold::acquire;
    /// Releases without the fast path.
    "localcount_release" release_slowly / try_release(lc: *const LocalCountState, cv: *const Kcondvar, interlock: *const Kmutex) = hold::release;
    /// Releases where drains wait by themselves.
    "LocalCount" release_alone_slowly / try_release_alone(lc: *const LocalCountState) = hold::release_alone;
    /// Acquires once more what the caller holds.
    "LocalCount" acquire_again / try_acquire_again(lc: *const LocalCountState) = hold::acquire_again;
    /// Drains under an interlock; the inner error says why the wait ended early.
    "localcount_drain" drain / try_drain(lc: *const LocalCountState, cv: *const Kcondvar, interlock: *const Kmutex, patience: Patience)
        -> Result<(), GaveUp> = drain::drain;
    /// Drains without an interlock.
    "LocalCount" drain_alone / try_drain_alone(lc: *const LocalCountState, patience: Patience) -> Result<(), GaveUp> = drain::drain_alone;
    /// Drains if nobody holds it.
    "localcount_trydrain" trydrain / try_trydrain(lc: *const LocalCountState) -> bool = drain::trydrain;
    /// How many references there are.
    "localcount_debug_refcnt" references / try_references(lc: *const LocalCountState) -> u32 = drain::references;
}

/// `localcount_drain_timed`: 0, ETIMEDOUT or EINVAL.
///
/// # Safety
/// As of `localcount_drain`; `limit` is null or readable.
pub unsafe fn drain_timed(
    lc: *const LocalCountState,
    cv: *const Kcondvar,
    interlock: *const Kmutex,
    limit: *const Timespec,
) -> c_int {
    // SAFETY: passed on.
    let drained = unsafe {
        match Patience::of_timespec(limit) {
            Ok(patience) => or_die("localcount_drain_timed", drain::drain(lc, cv, interlock, patience)),
            Err(error) => return error.0,
        }
    };
    drained.map_or_else(|gave_up| gave_up.errno().0, |()| 0)
}

/// `localcount_acquire` for Rust: 0, or 1 once a drain has begun. The plain case is inlined.
///
/// # Safety
/// `lc` was initialised and is readable until this returns (R1).
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
pub unsafe fn acquire(lc: *const LocalCountState) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { if (*lc).counted.add_plainly::<1>() { 0 } else { acquire_called(lc) } }
}

/// The same as a function.
///
/// # Safety
/// As of [`acquire`].
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn acquire_called(_: *const LocalCountState) -> i32 {
    crate::__count_add_body!("1", "xor eax, eax", crate::localcount::entry::try_acquire_slow)
}

/// The release of the Rust face. The plain case is inlined.
///
/// # Safety
/// `lc` is held by the caller.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
pub unsafe fn release_alone(lc: *const LocalCountState) {
    // SAFETY: the caller's promise.
    unsafe {
        if !(*lc).counted.add_plainly::<-1>() {
            release_alone_called(lc);
        }
    }
}

/// The same as a function.
///
/// # Safety
/// As of [`release_alone`].
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn release_alone_called(_: *const LocalCountState) {
    crate::__count_add_body!("-1", "", crate::localcount::entry::release_alone_slow)
}

#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
pub use super::entry::{release_alone_slow as release_alone, try_acquire_slow as acquire};
