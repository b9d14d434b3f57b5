// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of psref(9), on the caller's own structures: what the C names are, and what other faces are
//! built from. The `psref_*` functions end the program on misuse as C's do; the others answer it.
#![doc(hidden)]

pub use super::state::{ClassState, Hold, TargetState};
use super::{Misuse, class, drain, hold};
use crate::park::{GaveUp, Patience};
use crate::sys::errno::Errno;
use hold::or_die;
use std::ffi::{CStr, c_char, c_int};

/// What acquire answers once the target drains.
pub const ENOENT: c_int = libc::ENOENT;

/// Creates a class.
pub fn try_class_create(name: &[u8]) -> Result<&'static ClassState, Errno> {
    class::create(name)
}

/// `psref_class_create`: the error goes to the caller, who knows where it belongs. Nothing here depends on the IPL.
///
/// # Safety
/// `name` is null or a terminated string.
pub unsafe fn class_create(name: *const c_char, _ipl: c_int) -> Result<&'static ClassState, Errno> {
    if name.is_null() {
        or_die("psref_class_create", Err(Misuse::Null("name")))
    }
    // SAFETY: the caller's promise.
    class::create(unsafe { CStr::from_ptr(name) }.to_bytes())
}

macro_rules! faces {
    ($($(#[$doc:meta])* $c:literal $name:ident / $try_name:ident ($($arg:ident: $type:ty),*) $(-> $answer:ty)? = $what:path;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers are null, or what psref(9) asks for.
        pub unsafe fn $try_name($($arg: $type),*) -> Result<faces!(@ $($answer)?), Misuse> {
            // SAFETY: passed on.
            unsafe { $what($($arg),*) }
        }
        $(#[$doc])*
        ///
        /// # Safety
        /// Pointers are null, or what psref(9) asks for.
        pub unsafe fn $name($($arg: $type),*) $(-> $answer)? {
            // SAFETY: passed on.
            or_die($c, unsafe { $what($($arg),*) })
        }
    )*};
    (@) => { () };
    (@ $answer:ty) => { $answer };
}

faces! {
    /// Destroys a class.
    "psref_class_destroy" class_destroy / try_class_destroy(class: *const ClassState) = class::destroy;
    /// Makes a target.
    "psref_target_init" target_init / try_target_init(target: *mut TargetState, class: *const ClassState) = class::init;
    /// Drains and poisons a target.
    "psref_target_destroy" target_destroy / try_target_destroy(target: *const TargetState, class: *const ClassState) = drain::destroy;
    /// Drains a target; the inner error says why the wait ended early.
    "psref_target_drain" target_drain / try_target_drain(target: *const TargetState, class: *const ClassState, patience: Patience)
        -> Result<(), GaveUp> = drain::drain;
    /// Copies a hold.
    "psref_copy" copy / try_copy(to: *mut Hold, from: *const Hold, class: *const ClassState) = hold::copy;
    /// Whether the calling thread holds the target.
    "psref_held" held / try_held(target: *const TargetState, class: *const ClassState) -> bool = hold::held;
    /// Acquires without the fast path; false once the target drains.
    "psref_acquire" acquire_slowly / try_acquire(hold: *mut Hold, target: *const TargetState, class: *const ClassState) -> bool = hold::acquire;
    /// Releases without the fast path.
    "psref_release" release_slowly / try_release(hold: *mut Hold, target: *const TargetState, class: *const ClassState) = hold::release;
}

/// `psref_acquire` for Rust: 0 or ENOENT.
///
/// # Safety
/// As of `psref_acquire`.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn acquire(_: *mut Hold, _: *const TargetState, _: *const ClassState) -> c_int {
    crate::__psref_acquire_body!(crate::psref::entry::acquire_slow)
}

/// `psref_release` for Rust.
///
/// # Safety
/// As of `psref_release`.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn release(_: *mut Hold, _: *const TargetState, _: *const ClassState) {
    crate::__psref_release_body!(crate::psref::entry::release_slow, crate::psref::entry::release_wake)
}

#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
pub use super::entry::{acquire_slow as acquire, release_slow as release};
