// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of psref(9), on the caller's own structures: what the C names are, and what other faces are
//! built from. The `psref_*` functions end the program on misuse as C's do; the others answer it.
#![doc(hidden)]

pub use super::holders::{Holder, HolderC};
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
use super::plain;
pub use super::state::{ClassState, Hold, TargetState};
use super::state::{RECORDS, RULES};
pub use super::strict::barrier as debug_barrier;
use super::{Misuse, class, drain, hold, holders, many, strict};
use crate::park::{GaveUp, Patience};
pub use crate::sys::clock::Timespec;
use crate::sys::errno::Errno;
use crate::sys::process::uncancelled;
use crate::sys::stream;
pub use crate::sys::stream::FILE;
use hold::or_die;
use std::ffi::{CStr, c_char, c_int};
use std::fmt::Arguments;

/// What acquire answers once the target drains.
pub const ENOENT: c_int = libc::ENOENT;

/// Creates a class. A strict one remembers, and demands nothing.
pub fn try_class_create(name: &[u8]) -> Result<&'static ClassState, Errno> {
    class::create(name, RECORDS)
}

/// `psref_class_create`: the error goes to the caller, who knows where it belongs. Nothing here depends on the IPL; strict mode
/// tells what NetBSD would not take.
///
/// # Safety
/// `name` is null or a terminated string.
pub unsafe fn class_create(name: *const c_char, ipl: c_int) -> Result<&'static ClassState, Errno> {
    if name.is_null() {
        or_die("psref_class_create", Err(Misuse::Null("name")))
    }
    // SAFETY: the caller's promise.
    let class = class::create(unsafe { CStr::from_ptr(name) }.to_bytes(), RULES)?;
    strict::tell_ipl(class, ipl);
    Ok(class)
}

/// For faces that do not know whom they return to.
///
/// # Safety
/// As of `hold::acquire`.
unsafe fn acquire_from_nowhere(
    hold: *mut Hold,
    target: *const TargetState,
    class: *const ClassState,
) -> Result<bool, Misuse> {
    // SAFETY: passed on.
    unsafe { hold::acquire(hold, target, class, 0) }
}

/// The same.
///
/// # Safety
/// As of `hold::copy`.
unsafe fn copy_from_nowhere(to: *mut Hold, from: *const Hold, class: *const ClassState) -> Result<(), Misuse> {
    // SAFETY: passed on.
    unsafe { hold::copy(to, from, class, 0) }
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
    /// Drains and poisons many.
    "psref_target_destroy_many" target_destroy_many / try_target_destroy_many(targets: *const *const TargetState, n: usize,
        class: *const ClassState) = many::destroy;
    /// Whether a target has drained; stops new holds.
    "psref_target_drain_poll" target_drain_poll / try_target_drain_poll(target: *const TargetState, class: *const ClassState)
        -> bool = drain::poll;
    /// A descriptor that tells when to poll.
    "psref_target_drain_fd" target_drain_fd / try_target_drain_fd(target: *const TargetState, class: *const ClassState)
        -> Result<c_int, Errno> = drain::open;
    /// Who holds a target: calls `into` with each, until it answers false; answers how many there are.
    "psref_holders" target_holders / try_target_holders(target: *const TargetState, class: *const ClassState,
        into: &mut dyn FnMut(usize, Holder) -> bool) -> usize = holders::of_target;
    /// What a class has, a line at a time.
    "psref_class_report" class_report / try_class_report(class: *const ClassState, line: &mut dyn FnMut(Arguments<'_>))
        = holders::of_class;
    /// Copies a hold.
    "psref_copy" copy_slowly / try_copy(to: *mut Hold, from: *const Hold, class: *const ClassState) = copy_from_nowhere;
    /// Whether the calling thread holds the target.
    "psref_held" held / try_held(target: *const TargetState, class: *const ClassState) -> bool = hold::held;
    /// Acquires without the fast path; false once the target drains.
    "psref_acquire" acquire_slowly / try_acquire(hold: *mut Hold, target: *const TargetState, class: *const ClassState) -> bool = acquire_from_nowhere;
    /// Releases without the fast path.
    "psref_release" release_slowly / try_release(hold: *mut Hold, target: *const TargetState, class: *const ClassState) = hold::release;
}

/// `psref_target_drain_timed`: 0, ETIMEDOUT or EINVAL.
///
/// # Safety
/// As of `psref_target_drain`; `limit` is null or readable.
pub unsafe fn target_drain_timed(
    target: *const TargetState,
    class: *const ClassState,
    limit: *const Timespec,
) -> c_int {
    // SAFETY: passed on.
    let drained = unsafe {
        match Patience::of_timespec(limit) {
            Ok(patience) => or_die("psref_target_drain_timed", drain::drain(target, class, patience)),
            Err(error) => return error.0,
        }
    };
    drained.map_or_else(|gave_up| gave_up.errno().0, |()| 0)
}

/// `psref_holders`: how many there are; the first `n` to `buf`.
///
/// # Safety
/// As of `psref_holders`: `buf` has room for `n`.
pub unsafe fn holders_into(target: *const TargetState, class: *const ClassState, buf: *mut HolderC, n: usize) -> usize {
    if buf.is_null() && n != 0 {
        or_die("psref_holders", Err(Misuse::Null("buf")))
    }
    let mut into = |i, holder| {
        if i < n {
            // SAFETY: the caller's promise.
            unsafe { buf.add(i).write(HolderC::from(holder)) };
        }
        i + 1 < n
    };
    // SAFETY: passed on.
    uncancelled(|| unsafe { target_holders(target, class, &mut into) })
}

/// `psref_class_report`: the report's lines to a stream.
///
/// # Safety
/// As of `psref_class_report`: `stream` is an open one.
pub unsafe fn class_report_to(class: *const ClassState, stream: *mut FILE) {
    if stream.is_null() {
        or_die("psref_class_report", Err(Misuse::Null("stream")))
    }
    let mut line = |line: Arguments<'_>| {
        // SAFETY: the caller's promise.
        unsafe { stream::write(stream, format!("{line}\n").as_bytes()) }
    };
    // SAFETY: passed on.
    uncancelled(|| unsafe { class_report(class, &mut line) })
}

/// `psref_acquire` for Rust: 0 or ENOENT. The plain case is inlined.
///
/// # Safety
/// As of `psref_acquire`; none of them is null.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
pub unsafe fn acquire(hold: *mut Hold, target: *const TargetState, class: *const ClassState) -> c_int {
    // SAFETY: passed on.
    unsafe { if plain::acquire(hold, target, class) { 0 } else { acquire_called(hold, target, class) } }
}

/// The same as a function.
///
/// # Safety
/// As of `psref_acquire`.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn acquire_called(_: *mut Hold, _: *const TargetState, _: *const ClassState) -> c_int {
    crate::__psref_acquire_body!(crate::psref::entry::acquire_slow)
}

/// `psref_release` for Rust. The plain case is inlined.
///
/// # Safety
/// As of `psref_release`; none of them is null.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
pub unsafe fn release(hold: *mut Hold, target: *const TargetState, class: *const ClassState) {
    // SAFETY: passed on.
    unsafe {
        if !plain::release(hold, target, class) {
            release_called(hold, target, class);
        }
    }
}

/// The same as a function.
///
/// # Safety
/// As of `psref_release`.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn release_called(_: *mut Hold, _: *const TargetState, _: *const ClassState) {
    crate::__psref_release_body!(crate::psref::entry::release_slow, crate::psref::entry::release_wake)
}

/// `psref_copy` for Rust.
///
/// # Safety
/// As of `psref_copy`.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn copy(_: *mut Hold, _: *const Hold, _: *const ClassState) {
    crate::__with_caller!("rcx", crate::psref::entry::copy_from)
}

#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
pub use self::copy_slowly as copy;
#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
pub use super::entry::{acquire_slow as acquire, release_slow as release};
