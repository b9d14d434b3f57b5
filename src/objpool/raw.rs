// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of Linux's `<linux/objpool.h>`, on the caller's own head: what the C names are, and what other
//! faces are built from.
#![doc(hidden)]

use super::life::NotMade;
pub use super::life::{OBJECTS_MAX, SIZE_MAX};
use super::state::{Counter, Pool};
pub use super::state::{HeadState, InitObject, Release};
use super::{Misuse, life, pop, push};
use crate::diag::fatal;
use crate::percpu::runtime;
use crate::sys::errno::Errno;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
use crate::sys::inline;
use crate::sys::sync::Ordering;
use std::ffi::{c_int, c_uint, c_void};

/// `objpool_init`: 0, -EINVAL, -ENOMEM, or what `each` answered.
///
/// # Safety
/// `head` is null or the caller's alone to write; the functions can be called with `context`.
#[allow(clippy::too_many_arguments, reason = "Linux's")]
pub unsafe fn init(
    head: *mut HeadState,
    objects: c_int,
    size: c_int,
    gfp: c_uint,
    context: *mut c_void,
    each: Option<InitObject>,
    release: Option<Release>,
) -> c_int {
    // SAFETY: passed on.
    match unsafe { life::init(head, objects, size, gfp, context, each, release) } {
        Ok(()) => 0,
        Err(NotMade::Refused(Errno(e))) => -e,
        Err(NotMade::ByObject(answer)) => answer,
    }
}

/// # Safety
/// `head` is null, or was given to [`init`], and its pool is not freed while the result is used.
#[inline]
unsafe fn pool_of<'a>(head: *const HeadState) -> Option<&'a Pool> {
    // SAFETY: the caller's promise.
    unsafe { head.as_ref()?.pool() }
}

/// `objpool_pop` without the fast path.
///
/// # Safety
/// `head` is null, or was given to [`init`].
pub unsafe fn pop_slowly(head: *mut HeadState) -> *mut c_void {
    // SAFETY: the caller's promise.
    let object = unsafe { pool_of(head) }.and_then(pop::one);
    object.map_or(std::ptr::null_mut(), std::ptr::with_exposed_provenance_mut)
}

/// 0, or -EINVAL; a double push ends the program, where it is noticed.
fn answer(function: &str, result: Result<(), Misuse>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(Misuse::Foreign) => -libc::EINVAL,
        Err(misuse) => fatal(format_args!("{function}: {misuse}")),
    }
}

/// `objpool_push` without the fast path.
///
/// # Safety
/// `head` is null, or was given to [`init`]; an object of it was popped and is not used any more.
pub unsafe fn push_slowly(object: *mut c_void, head: *mut HeadState) -> c_int {
    // SAFETY: passed on.
    answer("objpool_push", unsafe { try_push(object, head) })
}

/// The same, answering misuse.
///
/// # Safety
/// As of [`push_slowly`].
pub unsafe fn try_push(object: *mut c_void, head: *mut HeadState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let pool = unsafe { pool_of(head) }.ok_or(Misuse::Foreign)?;
    push::push(pool, &[object.addr()])
}

/// `objpool_pop_bulk` without the fast path: how many.
///
/// # Safety
/// As of [`pop_slowly`]; `objects` has room for `n`.
pub unsafe fn pop_bulk(head: *mut HeadState, objects: *mut *mut c_void, n: usize) -> usize {
    // SAFETY: the caller's promise.
    match unsafe { pool_of(head) } {
        Some(pool) if n > 0 && !objects.is_null() => {
            // SAFETY: the caller's promise; an address is a pointer's size.
            let popped = pop::pop(pool, unsafe { std::slice::from_raw_parts_mut(objects.cast::<usize>(), n) });
            for i in 0..popped {
                // What was written are numbers, and the caller reads pointers. No instruction comes of it.
                // SAFETY: as above; written by the pop.
                unsafe { *objects.add(i) = std::ptr::with_exposed_provenance_mut(*objects.cast::<usize>().add(i)) };
            }
            popped
        }
        _ => 0,
    }
}

/// `objpool_push_bulk` without the fast path: 0, or -EINVAL and nothing was given.
///
/// # Safety
/// As of [`push_slowly`]; `objects` has `n`.
pub unsafe fn push_bulk(objects: *const *mut c_void, n: usize, head: *mut HeadState) -> c_int {
    // SAFETY: the caller's promise.
    let Some(pool) = (unsafe { pool_of(head) }) else { return -libc::EINVAL };
    if n == 0 {
        return 0;
    }
    if objects.is_null() {
        return -libc::EINVAL;
    }
    // SAFETY: the caller's promise; an address is a pointer's size.
    answer("objpool_push_bulk", push::push(pool, unsafe { std::slice::from_raw_parts(objects.cast::<usize>(), n) }))
}

/// `objpool_drop`: 0 freed the pool, -EAGAIN, -EINVAL.
///
/// # Safety
/// `head` is null, or was given to [`init`]; the object is not used any more.
pub unsafe fn drop_object(object: *mut c_void, head: *mut HeadState) -> c_int {
    // SAFETY: passed on.
    match unsafe { life::drop_object(object.addr(), head) } {
        Ok(true) => 0,
        Ok(false) => -libc::EAGAIN,
        Err(misuse) => answer("objpool_drop", Err(misuse)),
    }
}

/// `objpool_fini`.
///
/// # Safety
/// `head` is null, or was given to [`init`]; nobody pops or pushes any more.
pub unsafe fn fini(head: *mut HeadState) {
    // SAFETY: passed on.
    unsafe { life::fini(head) }
}

/// `objpool_free`.
///
/// # Safety
/// `head` is null, or was given to [`init`]; nobody uses the pool or its objects any more.
pub unsafe fn free(head: *mut HeadState) {
    // SAFETY: passed on.
    unsafe { life::free(head) }
}

/// `struct objpool_stats`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the C header has the words")]
pub struct Statistics {
    pub misses: u64,
    pub failures: u64,
    pub depot_pops: u64,
    pub depot_pushes: u64,
    pub recalls: u64,
}

/// `objpool_stats`: of one CPU, or of all with -1; 0 or -EINVAL.
///
/// # Safety
/// `head` is null, or was given to [`init`]; `out` is null or can be written.
pub unsafe fn statistics(head: *const HeadState, cpu: c_int, out: *mut Statistics) -> c_int {
    // SAFETY: the caller's promises.
    let (Some(pool), Some(out)) = (unsafe { pool_of(head) }, unsafe { out.as_mut() }) else { return -libc::EINVAL };
    let cpus = runtime::get().cpus(); // known since the pool was made
    let which = match usize::try_from(cpu) {
        Ok(cpu) if cpu < cpus => cpu..cpu + 1,
        Err(_) if cpu == -1 => 0..cpus,
        _ => return -libc::EINVAL,
    };
    let sum = |what| which.clone().map(|cpu| pool.counter(cpu, what).load(Ordering::Relaxed)).sum();
    *out = Statistics {
        misses: sum(Counter::Misses),
        failures: sum(Counter::Failures),
        depot_pops: sum(Counter::DepotPops),
        depot_pushes: sum(Counter::DepotPushes),
        recalls: sum(Counter::Recalls),
    };
    0
}

/// The first CPU's magazine.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
fn magazines(pool: &Pool) -> usize {
    std::ptr::from_ref(pool).addr() + super::entry::POOL_MAGAZINE
}

/// `objpool_pop` for Rust. The plain case is inlined.
///
/// # Safety
/// `head` was given to [`init`].
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline]
pub unsafe fn pop(head: *mut HeadState) -> *mut c_void {
    // SAFETY: the caller's promise; the pool has a magazine in every stripe below its limit.
    let object =
        unsafe { pool_of(head) }.map_or(0, |pool| unsafe { inline::take(magazines(pool), &raw const pool.limit) });
    match object {
        // SAFETY: passed on.
        0 => unsafe { pop_called(head) },
        object => std::ptr::with_exposed_provenance_mut(object),
    }
}

/// The same as a function.
///
/// # Safety
/// As of [`pop`].
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn pop_called(_: *mut HeadState) -> *mut c_void {
    crate::__objpool_pop_body!(crate::objpool::entry::pop_slow)
}

/// `objpool_push` for Rust. The plain case is inlined.
///
/// # Safety
/// `head` was given to [`init`]; an object of it was popped and is not used any more.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline]
pub unsafe fn push(object: *mut c_void, head: *mut HeadState) -> c_int {
    // SAFETY: the caller's promise.
    let given = unsafe { pool_of(head) }.is_some_and(|pool| {
        pool.layout.is_plainly_object(object.expose_provenance())
            // SAFETY: the pool has a magazine in every stripe below its limit.
            && unsafe { inline::give(object.addr(), magazines(pool), &raw const pool.limit) }
    });
    // SAFETY: passed on.
    if given { 0 } else { unsafe { push_called(object, head) } }
}

/// The same as a function.
///
/// # Safety
/// As of [`push`].
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub unsafe extern "C" fn push_called(_: *mut c_void, _: *mut HeadState) -> c_int {
    crate::__objpool_push_body!(crate::objpool::entry::push_slow)
}

#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
pub use super::entry::{pop_slow as pop, push_slow as push};
