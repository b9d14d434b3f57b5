// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the inline functions of `<psref/kmutex.h>` call. `who` is the function's name.

use super::{HZ, Kcondvar, Kmutex, LIVE, STRICT, Woken, begin_spin, end_spin};
use crate::sys::clock;
use crate::{diag, strict};
use std::ffi::{CStr, c_char, c_int};

const TICK: u64 = 1_000_000_000 / HZ as u64;

/// What hooks of `<sys/module_hook.h>` are drained by. Here, and not in the programs that have hooks: a plug-in does not see the
/// data of a program that was linked without `-rdynamic`, and a drain in the one would sleep through releases in the other.
static HOOKS: (Kmutex, Kcondvar) = (Kmutex::new(), Kcondvar::new(c"modhook"));

/// That mutex and condition variable.
pub fn hooks() -> &'static (Kmutex, Kcondvar) {
    &HOOKS
}

/// Ends the program: `wrong` is what the caller did, if the mutex is one at all.
///
/// # Safety
/// Strings are terminated; `mutex` is null or readable.
#[cold]
pub unsafe fn mutex_misuse(who: *const c_char, mutex: *const Kmutex, wrong: *const c_char) -> ! {
    // SAFETY: the caller's promise.
    let (who, mutex, wrong) = unsafe { (CStr::from_ptr(who), mutex.as_ref(), CStr::from_ptr(wrong)) };
    match mutex {
        Some(mutex) => mutex.misuse(who, wrong),
        None => null(who, "mutex"),
    }
}

/// `mtx_state` of what is made now.
pub fn live() -> u32 {
    if strict::is_on() { STRICT } else { LIVE }
}

/// Before a mutex is taken that is not plainly free to be: ends the program unless it is only strict, and its rules
/// are kept.
///
/// # Safety
/// `who` is terminated; `mutex` is null or readable.
pub unsafe fn may_enter(who: *const c_char, mutex: *const Kmutex) {
    // SAFETY: the caller's promise.
    let (who, mutex) = unsafe { (CStr::from_ptr(who), mutex.as_ref()) };
    mutex.unwrap_or_else(|| null(who, "mutex")).may_enter(who);
}

/// The waits: 0, EWOULDBLOCK or EINTR. No ticks: for ever.
///
/// # Safety
/// `who` is terminated; the others are null or made by cv_init and mutex_init.
pub unsafe fn wait(
    who: *const c_char,
    cv: *const Kcondvar,
    mutex: *const Kmutex,
    ticks: c_int,
    interruptible: bool,
) -> c_int {
    // SAFETY: the caller's promise.
    let (who, cv, mutex) = unsafe { (CStr::from_ptr(who), cv.as_ref(), mutex.as_ref()) };
    let cv = cv.unwrap_or_else(|| null(who, "condition variable"));
    let mutex = mutex.unwrap_or_else(|| null(who, "mutex"));
    strict::assert_sleepable(&who.to_string_lossy());
    let deadline = match u64::try_from(ticks) {
        Ok(0) => None,
        Ok(ticks) => Some(clock::now() + ticks * TICK),
        Err(_) => cv.misuse(who, format_args!("negative ticks: {ticks}; expected 0, for ever, or more")),
    };
    match cv.sleep(who, mutex, deadline, interruptible) {
        Woken::LookAgain => 0,
        Woken::TimedOut => libc::EWOULDBLOCK,
        Woken::Interrupted => libc::EINTR,
    }
}

/// The waits for so many nanoseconds at most, of which what has passed is subtracted: 0, EWOULDBLOCK or EINTR.
///
/// # Safety
/// As of [`wait`]; `left` is the caller's.
pub unsafe fn wait_ns(
    who: *const c_char,
    cv: *const Kcondvar,
    mutex: *const Kmutex,
    left: *mut u64,
    interruptible: bool,
) -> c_int {
    // SAFETY: the caller's promise.
    let (who, cv, mutex, left) = unsafe { (CStr::from_ptr(who), cv.as_ref(), mutex.as_ref(), &mut *left) };
    let cv = cv.unwrap_or_else(|| null(who, "condition variable"));
    let mutex = mutex.unwrap_or_else(|| null(who, "mutex"));
    strict::assert_sleepable(&who.to_string_lossy());
    let deadline = clock::now().saturating_add(*left);
    let woken = cv.sleep(who, mutex, Some(deadline.min(i64::MAX as u64)), interruptible);
    *left = deadline.saturating_sub(clock::now());
    match woken {
        Woken::LookAgain => 0,
        Woken::TimedOut => libc::EWOULDBLOCK,
        Woken::Interrupted => libc::EINTR,
    }
}

/// A mutex that somebody has: waits for it.
///
/// # Safety
/// `who` is terminated, and mutex_init made the mutex.
pub unsafe fn lock(who: *const c_char, mutex: *const Kmutex) {
    // SAFETY: the caller's promise.
    let (who, mutex) = unsafe { (CStr::from_ptr(who), &*mutex) };
    mutex.lock_slow(&who.to_string_lossy());
}

/// Before a spin mutex is taken.
pub fn spin_begin() {
    begin_spin();
}

/// After a spin mutex was given back.
pub fn spin_end() {
    end_spin();
}

/// Ends the program.
///
/// # Safety
/// `who` is terminated.
#[cold]
pub unsafe fn no_memory(who: *const c_char) -> ! {
    // SAFETY: the caller's promise.
    let who = unsafe { CStr::from_ptr(who) }.to_string_lossy();
    diag::fatal(format_args!(
        "{who}: no memory for a mutex, and its callers do not look; mutex_obj_tryalloc can answer that"
    ))
}

/// Wakes at most `n`.
///
/// # Safety
/// `who` is terminated; `cv` is null or made by cv_init.
pub unsafe fn wake(who: *const c_char, cv: *const Kcondvar, n: u32) {
    // SAFETY: the caller's promise.
    let (who, cv) = unsafe { (CStr::from_ptr(who), cv.as_ref()) };
    cv.unwrap_or_else(|| null(who, "condition variable")).wake(who, n);
}

/// Whether somebody waits whom no wake was meant for.
///
/// # Safety
/// `cv` was made by cv_init.
pub unsafe fn has_waiters(cv: *const Kcondvar) -> bool {
    // SAFETY: the caller's promise.
    let (inside, woken) = unsafe { &*cv }.inside();
    inside > woken
}

/// Ends the program unless the condition is one, and nobody is inside (K3).
///
/// # Safety
/// `who` is terminated; `cv` is null or made by cv_init.
pub unsafe fn check_idle(who: *const c_char, cv: *const Kcondvar) {
    // SAFETY: the caller's promise.
    let (who, cv) = unsafe { (CStr::from_ptr(who), cv.as_ref()) };
    let cv = cv.unwrap_or_else(|| null(who, "condition variable"));
    let (inside, woken) = cv.inside();
    if !cv.is_valid() || inside != 0 {
        cv.misuse(who, format_args!("{inside} in a wait, {woken} of them woken but not back yet; expected nobody"));
    }
}

#[cold]
fn null(who: &CStr, what: &str) -> ! {
    diag::fatal(format_args!("{}: the {what} is NULL", who.to_string_lossy()))
}
