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

/// The same of one that was made in strict mode.
pub const PSREF_KMUTEX_STRICT: u32 = 0x4b4d5459;

/// mtx_state of a mutex after mutex_destroy().
pub const PSREF_KMUTEX_DEAD: u32 = 0x6b6d7478;

/// cv_wmesg of a condition variable after cv_destroy(): no string's address.
pub const PSREF_KCONDVAR_DEAD: usize = 1;

const _: () = {
    assert!(PSREF_HZ as u32 == psref::kmutex::HZ);
    assert!(PSREF_KMUTEX_LIVE == psref::kmutex::LIVE && PSREF_KMUTEX_DEAD == psref::kmutex::DEAD);
    assert!(PSREF_KMUTEX_STRICT == psref::kmutex::STRICT);
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

/// mtx_state of a mutex that is made now: PSREF_KMUTEX_LIVE, or in strict mode PSREF_KMUTEX_STRICT.
///
/// Context: any, signal handlers too. For the functions of <psref/kmutex.h>.
#[unsafe(no_mangle)]
pub extern "C" fn psref_kmutex_state() -> u32 {
    raw::live()
}

/// Before a mutex is taken that is not PSREF_KMUTEX_LIVE, or that the caller holds: ends the program with a message,
/// unless it is only strict and may be taken: an adaptive one not inside a read section of the calling thread.
///
/// Context: any. For the functions of <psref/kmutex.h>.
///
/// # Safety
/// `mtx` is NULL or readable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kmutex_may_enter(who: *const c_char, mtx: *const kmutex) {
    // SAFETY: the caller's promise.
    unsafe { raw::may_enter(who, mtx.cast::<Kmutex>()) }
}

/// Waits for a mutex that somebody holds. An adaptive one: without the virtual CPU that the thread may have, which it takes
/// again; with a spin mutex held that is a fatal diagnostic, in strict mode with preemption disabled too.
///
/// Context: sleeps. For the functions of <psref/kmutex.h>. Source: mutex(9).
///
/// # Safety
/// `mtx` was made by mutex_init().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kmutex_lock(who: *const c_char, mtx: *mut kmutex) {
    // SAFETY: the caller's promise.
    unsafe { raw::lock(who, mtx.cast::<Kmutex>()) }
}

/// Before a spin mutex is taken: takes a virtual CPU, as psref_kpreempt_disable() does.
///
/// Context: sleeps where all are taken. For the functions of <psref/kmutex.h>.
#[unsafe(no_mangle)]
pub extern "C" fn psref_kmutex_spin_begin() {
    raw::spin_begin();
}

/// After a spin mutex was given back.
///
/// Context: any; never sleeps. For the functions of <psref/kmutex.h>.
#[unsafe(no_mangle)]
pub extern "C" fn psref_kmutex_spin_end() {
    raw::spin_end();
}

/// Ends the program: no memory for a mutex.
///
/// Context: any. For the functions of <psref/kmutex.h>.
///
/// # Safety
/// `who` is a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kmutex_no_memory(who: *const c_char) -> ! {
    // SAFETY: the caller's promise.
    unsafe { raw::no_memory(who) }
}

/// As psref_kcondvar_wait(), for `*ns` nanoseconds at most, of which it subtracts what has passed.
///
/// Context: sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
///
/// # Safety
/// As of psref_kcondvar_wait(); `ns` is the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_kcondvar_wait_ns(
    who: *const c_char,
    cv: *mut kcondvar,
    mtx: *mut kmutex,
    ns: *mut u64,
    interruptible: bool,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::wait_ns(who, cv.cast::<Kcondvar>(), mtx.cast::<Kmutex>(), ns, interruptible) }
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

/// The mutex that hooks are drained with, and in `*cv` the condition variable: the same in the program and in all of its plug-ins.
///
/// Context: any, signal handlers too; never sleeps. For the functions of <sys/module_hook.h>.
///
/// # Safety
/// `cv` is the caller's to write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_module_hook_interlock(cv: *mut *mut kcondvar) -> *mut kmutex {
    let (mutex, condition) = raw::hooks();
    // SAFETY: the caller's promise.
    unsafe { cv.write(std::ptr::from_ref(condition).cast_mut().cast()) };
    std::ptr::from_ref(mutex).cast_mut().cast()
}
