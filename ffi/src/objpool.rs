// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/objpool.h>`: object pools, Linux's objpool.

use ::psref::objpool::entry::{pop_bulk_slow, pop_slow, push_bulk_slow, push_slow};
use ::psref::objpool::raw::{self, HeadState, Statistics};
use std::ffi::{c_int, c_uint, c_ulong, c_void};

/// Called for every object as a pool is made. Anything but 0 ends objpool_init(), which answers it.
#[allow(non_camel_case_types)]
pub type objpool_init_obj_cb = Option<unsafe extern "C" fn(obj: *mut c_void, context: *mut c_void) -> c_int>;

/// Called once when a pool has ended; the head is the caller's again and may be freed. What it answers is ignored.
#[allow(non_camel_case_types)]
pub type objpool_fini_cb = Option<unsafe extern "C" fn(head: *mut objpool_head, context: *mut c_void) -> c_int>;

/// Where the objects of a pool are when nobody has them. Opaque.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct objpool_slot {
    _opaque: [u8; 0],
}

/// A pool: the caller's memory. Its fields may be read, and are written by the library alone.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct objpool_head {
    /// Bytes of an object, rounded up to whole words.
    pub obj_size: c_int,
    /// Objects, as many as were asked for.
    pub nr_objs: c_int,
    /// Possible CPUs.
    pub nr_possible_cpus: c_int,
    /// Objects that a CPU's magazine may hold.
    pub capacity: c_int,
    /// As given to objpool_init(); nothing depends on it.
    pub gfp: c_uint,
    /// Objects that were not dropped, and one for the pool itself.
    pub r#ref: u32,
    /// The library's.
    pub flags: c_ulong,
    /// The library's; NULL once the pool has ended.
    pub cpu_slots: *mut *mut objpool_slot,
    /// As given to objpool_init().
    pub release: objpool_fini_cb,
    /// As given to objpool_init().
    pub context: *mut c_void,
}

/// What happened where the own CPU's magazine did not do; of one CPU, or of all.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct objpool_stats {
    /// Pops that found the own magazine empty, or recalled.
    pub misses: u64,
    /// Pops that answered NULL.
    pub failures: u64,
    /// Batches taken from depots.
    pub depot_pops: u64,
    /// Times that objects were returned to depots.
    pub depot_pushes: u64,
    /// Objects taken out of recalled magazines.
    pub recalls: u64,
}

const _: () = {
    assert!(size_of::<objpool_head>() == size_of::<HeadState>());
    assert!(size_of::<objpool_stats>() == size_of::<Statistics>());
    assert!(std::mem::offset_of!(objpool_head, cpu_slots) == ::psref::objpool::entry::HEAD_POOL);
};

/// Makes a pool of `nr_objs` zeroed objects (1 to OBJPOOL_NR_OBJECT_MAX) of `object_size` bytes (1 to OBJPOOL_OBJECT_SIZE_MAX), all of
/// them in it. `objinit`, if any, is called once for every object. Any `gfp` is accepted.
///
/// Each object has a home CPU and lies on its NUMA node. Beyond the objects a pool takes 4 bytes an object and, on every CPU
/// that uses it, some KiB.
///
/// Returns 0; -EINVAL outside of these bounds; -ENOMEM; or what `objinit` answered. After an error nothing is leaked, `release` was not
/// called, and objpool_fini() and objpool_free() do nothing.
///
/// Context: may sleep; not in signal handlers. Source: `<linux/objpool.h>`.
///
/// # Safety
/// The head is the caller's alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn objpool_init(
    head: *mut objpool_head,
    nr_objs: c_int,
    object_size: c_int,
    gfp: c_uint,
    context: *mut c_void,
    objinit: objpool_init_obj_cb,
    release: objpool_fini_cb,
) -> c_int {
    // SAFETY: the caller's promise. The callback's first argument is the same head under another type.
    unsafe {
        let release = std::mem::transmute::<objpool_fini_cb, Option<raw::Release>>(release);
        raw::init(head.cast::<HeadState>(), nr_objs, object_size, gfp, context, objinit, release)
    }
}

/// Takes an object out of a pool. What its last user wrote to it is still there.
///
/// Returns the object, or NULL when none was found: where each place was looked at, every object was in somebody's hands, on its way
/// from one place to another, or had been given back in a place already looked at. A pool that has ended answers NULL.
///
/// Context: any, signal handlers too; never sleeps. Source: `<linux/objpool.h>`.
///
/// # Safety
/// The head was given to objpool_init(), and the pool is not ended meanwhile.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn objpool_pop(head: *mut objpool_head) -> *mut c_void {
    ::psref::__objpool_pop_body!(pop_slow)
}

/// Gives an object back, on whatever CPU and in whatever thread.
///
/// Returns 0, or -EINVAL for a pointer that is no object of the pool. The same object pushed twice is not noticed, unless the pool was made
/// with PSREF_STRICT=1 in the environment: then it is a fatal diagnostic.
///
/// Context: any, signal handlers too; never sleeps. Source: `<linux/objpool.h>`.
///
/// # Safety
/// The head was given to objpool_init(), and the pool is not ended meanwhile; the object was popped and is not used any more.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn objpool_push(obj: *mut c_void, head: *mut objpool_head) -> c_int {
    ::psref::__objpool_push_body!(push_slow)
}

/// Takes up to `n` objects at once: cheaper than one by one. An extension.
///
/// Returns how many are in `objs`; fewer than `n` when no more are free.
///
/// Context: as of objpool_pop().
///
/// # Safety
/// As of objpool_pop(); `objs` has room for `n`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn objpool_pop_bulk(head: *mut objpool_head, objs: *mut *mut c_void, n: usize) -> usize {
    ::psref::__objpool_pop_bulk_body!(pop_bulk_slow)
}

/// Gives `n` objects back at once. An extension.
///
/// Returns 0; or -EINVAL where any of them is no object of the pool, and then none was given back.
///
/// Context: as of objpool_push().
///
/// # Safety
/// As of objpool_push(), for each of them.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn objpool_push_bulk(objs: *const *mut c_void, n: usize, head: *mut objpool_head) -> c_int {
    ::psref::__objpool_push_bulk_body!(push_bulk_slow)
}

/// An object that was popped and is not given back any more. After objpool_fini() the last one ends the pool.
///
/// Returns 0 where this ended the pool, -EAGAIN where objects are left, -EINVAL for a pointer that is no object of it.
///
/// Context: not in signal handlers. Source: `<linux/objpool.h>`.
///
/// # Safety
/// The head was given to objpool_init(); the object was popped, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn objpool_drop(obj: *mut c_void, head: *mut objpool_head) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::drop_object(obj, head.cast::<HeadState>()) }
}

/// Ends a pool: at once where nobody has an object of it, else with the last objpool_drop(). A pool that has ended, or was
/// never made because objpool_init() failed, is left alone.
///
/// Context: may sleep; not in signal handlers. Source: `<linux/objpool.h>`.
///
/// # Safety
/// Nobody pops or pushes any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn objpool_fini(head: *mut objpool_head) {
    // SAFETY: the caller's promise.
    unsafe { raw::fini(head.cast::<HeadState>()) }
}

/// Ends a pool now, whoever has objects of it. One that has ended is left alone.
///
/// Context: may sleep; not in signal handlers. Source: `<linux/objpool.h>`.
///
/// # Safety
/// Nobody uses the pool or its objects any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn objpool_free(head: *mut objpool_head) {
    // SAFETY: the caller's promise.
    unsafe { raw::free(head.cast::<HeadState>()) }
}

/// What happened on a CPU, or with `cpu` -1 on all, since the pool was made: for those who size it. An extension.
///
/// Returns 0, or -EINVAL for NULL, a pool that has ended, and a CPU that is not possible.
///
/// Context: any, signal handlers too.
///
/// # Safety
/// The head was given to objpool_init(), and the pool is not ended meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn objpool_stats(head: *const objpool_head, cpu: c_int, stats: *mut objpool_stats) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::statistics(head.cast::<HeadState>(), cpu, stats.cast::<Statistics>()) }
}
