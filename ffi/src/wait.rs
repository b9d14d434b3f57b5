// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/wait.h>`: what the inline functions of `<psref/kmutex.h>` need of the library.

use psref::kmutex::{Kcondvar, Kmutex, raw};
use std::ffi::{c_char, c_int};

/// A mutex, mutex(9): defined in <psref/kmutex.h>.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct kmutex {
    _opaque: [u8; 0],
}

/// A condition variable, condvar(9): defined in <psref/kmutex.h>.
#[allow(non_camel_case_types)]
pub struct kcondvar {
    _opaque: [u8; 0],
}

/// Ticks a second: what cv_timedwait() counts in.
pub const PSREF_HZ: c_int = 100;

/// mtx_state of a mutex between mutex_init() and mutex_destroy().
pub const PSREF_KMUTEX_LIVE: u32 = 0x4b4d5458;

/// mtx_state of a mutex after mutex_destroy().
pub const PSREF_KMUTEX_DEAD: u32 = 0x6b6d7478;

/// cv_wmesg of a condition variable after cv_destroy(): no string's address.
pub const PSREF_KCONDVAR_DEAD: usize = 1;

const _: () = {
    assert!(PSREF_HZ as u32 == psref::kmutex::HZ);
    assert!(PSREF_KMUTEX_LIVE == psref::kmutex::LIVE && PSREF_KMUTEX_DEAD == psref::kmutex::DEAD);
    assert!(PSREF_KCONDVAR_DEAD == psref::kmutex::DEAD_WMESG);
};

/// Ends the program with a message: `who` was called, and `wrong` is what was wrong with it; the message adds who holds the
/// mutex. A mutex that is NULL, destroyed or never initialised is named as that instead.
///
/// Context: any, signal handlers too. For the functions of <psref/kmutex.h>.
///
/// # Safety
/// `mtx` is NULL or readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kmutex_misuse(who: *const c_char, mtx: *const kmutex, wrong: *const c_char) -> ! {
    // SAFETY: the caller's promise.
    unsafe { raw::mutex_misuse(who, mtx.cast::<Kmutex>(), wrong) }
}

/// The waits of condvar(9): drops the mutex, sleeps and takes the mutex again. No `ticks`: for ever. `who` is the function
/// that diagnostics name.
///
/// Returns 0: woken, or for no reason; EWOULDBLOCK: the time is over; EINTR, if `interruptible`: a signal handler ran,
/// installed with SA_RESTART or without.
///
/// Negative ticks, a mutex that the caller does not hold, and a condition variable that was never initialised or is destroyed
/// are fatal diagnostics.
///
/// Context: sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
///
/// # Safety
/// The condition variable and the mutex live until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kcondvar_wait(
    who: *const c_char,
    cv: *mut kcondvar,
    mtx: *mut kmutex,
    ticks: c_int,
    interruptible: bool,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::wait(who, cv.cast::<Kcondvar>(), mtx.cast::<Kmutex>(), ticks, interruptible) }
}

/// Wakes at most `n` of those who wait; the first ones first, where no real-time priorities say otherwise.
///
/// Context: any; never sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
///
/// # Safety
/// The condition variable lives until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kcondvar_wake(who: *const c_char, cv: *mut kcondvar, n: u32) {
    // SAFETY: the caller's promise.
    unsafe { raw::wake(who, cv.cast::<Kcondvar>(), n) }
}

/// Whether somebody waits whom no wake was meant for. Threads of a process that this one was forked from do not count.
///
/// Context: any; never sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
///
/// # Safety
/// The condition variable is one, and lives until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kcondvar_has_waiters(cv: *const kcondvar) -> bool {
    // SAFETY: the caller's promise.
    unsafe { raw::has_waiters(cv.cast::<Kcondvar>()) }
}

/// Ends the program with a message if threads are inside a wait, woken or not, or if this is no condition variable.
///
/// Context: any; never sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
///
/// # Safety
/// `cv` is NULL or readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kcondvar_check_idle(who: *const c_char, cv: *const kcondvar) {
    // SAFETY: the caller's promise.
    unsafe { raw::check_idle(who, cv.cast::<Kcondvar>()) }
}
