// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/localcount.h>`: local counts, localcount(9).

use ::psref::localcount::entry::{acquire_slow, release_slow};
use ::psref::localcount::raw::{self, LocalCountState};
use libc::timespec;
use std::ffi::{c_int, c_void};

/// A mutex of `<psref/kmutex.h>`.
#[allow(non_camel_case_types)]
pub struct kmutex {
    _opaque: [u8; 0],
}

/// A condition variable of `<psref/kmutex.h>`.
#[allow(non_camel_case_types)]
pub struct kcondvar {
    _opaque: [u8; 0],
}

/// Counts who holds something. Embed it in the object. Its fields are the library's.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct localcount {
    /// NULL while references may be acquired; never in a strict count.
    pub lc_totalp: *mut i64,
    /// The cells, 8 bytes a CPU.
    pub lc_percpu: *mut c_void,
    /// Reserved.
    pub lc_refcnt: u32,
}

const _: () = {
    assert!(size_of::<localcount>() == size_of::<LocalCountState>());
    assert!(std::mem::offset_of!(localcount, lc_totalp) == ::psref::percpu::entry::COUNT_GUARD);
    assert!(std::mem::offset_of!(localcount, lc_percpu) == ::psref::percpu::entry::COUNT_CELLS);
};

/// Initialises a count of no references.
///
/// Returns 0, or ENOMEM; then nothing is leaked, and use of the count is a fatal diagnostic. (NetBSD's returns nothing: it
/// sleeps until there is memory.)
///
/// Context: may sleep; not in signal handlers. Costs 8 bytes a CPU. Source: localcount(9).
///
/// # Safety
/// The count is the caller's alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn localcount_init(lc: *mut localcount) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::init(lc.cast::<LocalCountState>()) }.map_or_else(|error| error.0, |()| 0)
}

/// Frees what localcount_init() took. Only after localcount_drain(), or localcount_trydrain() that answered true; anything
/// else is a fatal diagnostic.
///
/// Context: any but signal handlers; does not sleep. Source: localcount(9).
///
/// # Safety
/// Nobody uses the count any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn localcount_fini(lc: *mut localcount) {
    // SAFETY: the caller's promise.
    unsafe { raw::fini(lc.cast::<LocalCountState>()) }
}

/// Acquires a reference: until localcount_release() no drain of the count returns.
///
/// Something else keeps the object alive until this returns: a lock or a read section around the look-up that found it. An
/// acquire once a drain has begun is a fatal diagnostic: the caller of the drain has unpublished the object before, and waited for
/// look-ups under way (pserialize_perform()). NULL and a count never initialised are not noticed.
///
/// Context: any, signal handlers too; never sleeps. Source: localcount(9).
///
/// # Safety
/// The count is initialised and the object alive until this returns.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn localcount_acquire(lc: *mut localcount) {
    ::psref::__count_add_body!("1", "", acquire_slow)
}

/// Releases a reference, in whatever thread and on whatever CPU. The object must not be used any more: it may be gone when this
/// returns.
///
/// `cv` and `interlock` are those that localcount_drain() gets. The interlock is taken only while somebody drains, so the
/// caller must not hold it; a cv or interlock of NULL is a fatal diagnostic then, and ignored else.
///
/// Context: any where the interlock may be taken. In signal handlers only where no drain can be under way.
/// Source: localcount(9).
///
/// # Safety
/// The caller has a reference.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn localcount_release(lc: *mut localcount, cv: *mut kcondvar, interlock: *mut kmutex) {
    ::psref::__count_add_body!("-1", "", release_slow)
}

/// Waits until every reference is released. No reference can be acquired any more: the caller has seen to that, and waited for
/// look-ups under way. Final: only localcount_fini() may follow.
///
/// The caller holds the interlock; it is let go meanwhile and held again on return. Without it, for a count that has
/// drained, and with more releases than acquires: a fatal diagnostic.
///
/// A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error and goes on. In a
/// forked child, what threads that did not come along had acquired is never released. Costs one membarrier (two before Linux
/// 6.18, which could lose one).
///
/// Context: may sleep; not in signal handlers, not while having a reference oneself. Source: localcount(9).
///
/// # Safety
/// The object is alive until this returns; every release gets the same cv and interlock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn localcount_drain(lc: *mut localcount, cv: *mut kcondvar, interlock: *mut kmutex) {
    // SAFETY: the caller's promise.
    let _ =
        unsafe { raw::drain(lc.cast::<LocalCountState>(), cv.cast(), interlock.cast(), ::psref::Patience::FOREVER) };
}

/// As localcount_drain(), with a limit to the wait: a span of time, measured by CLOCK_MONOTONIC; signals do not end it. NULL: none;
/// of 0 seconds: looks and does not wait.
///
/// Returns 0: drained. ETIMEDOUT: there are references still; the count stays draining, references may be released and not
/// acquired, and localcount_drain() and this function may be called, but not localcount_fini(). EINVAL: `limit` is negative or has
/// 10^9 nanoseconds or more; nothing is done.
///
/// Context: as of localcount_drain(). An extension.
///
/// # Safety
/// The object is alive until this returns; every release gets the same cv and interlock.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn localcount_drain_timed(
    lc: *mut localcount,
    cv: *mut kcondvar,
    interlock: *mut kmutex,
    limit: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::drain_timed(lc.cast::<LocalCountState>(), cv.cast(), interlock.cast(), limit) }
}

/// Drains the count if there is no reference: for a detach that answers EBUSY. No reference can be acquired meanwhile: the caller
/// has seen to that, and waited for look-ups under way.
///
/// Returns true: drained, final, only localcount_fini() may follow. False: there are references, and nothing was changed: they
/// may be released, new ones acquired, a drain or another trydrain called.
///
/// Context: may sleep; not in signal handlers. Costs one membarrier. Source: localcount_trydrain() as proposed on tech-kern in 2017.
///
/// # Safety
/// The object is alive until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn localcount_trydrain(lc: *mut localcount) -> bool {
    // SAFETY: the caller's promise.
    unsafe { raw::trydrain(lc.cast::<LocalCountState>()) }
}

/// How many references there are, give or take those that are acquired or released meanwhile; 0 for the moment in which a drain
/// begins. For diagnostics. (NetBSD's answers 0 but in kernels that debug.)
///
/// Context: any, signal handlers too; looks at every CPU's cell. Source: localcount(9).
///
/// # Safety
/// The object is alive until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn localcount_debug_refcnt(lc: *const localcount) -> u32 {
    // SAFETY: the caller's promise.
    unsafe { raw::references(lc.cast::<LocalCountState>()) }
}
