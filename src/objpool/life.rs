// SPDX-License-Identifier: MIT OR Apache-2.0
//! Birth and death of a pool.

use super::Misuse;
use super::block::Block;
use super::depot::Depots;
use super::layout::Layout;
use super::placed::Placed;
use super::state::{HeadState, InitObject, Pool, Release};
#[cfg(not(loom))]
use super::stats::Listing;
use super::strict::States;
use super::{near, pop};
use crate::percpu::magazine::{LARGEST, Magazines};
use crate::percpu::runtime;
use crate::sys::backend::Backend;
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{AtomicU32, Ordering};
use crate::thread;
use std::ffi::{c_int, c_uint, c_ulong, c_void};
use std::ptr;

/// Most objects of a pool.
pub const OBJECTS_MAX: c_int = 1 << 24;
/// Largest object.
pub const SIZE_MAX: c_int = 1 << 16;
const EINVAL: Errno = Errno(libc::EINVAL);
/// In a head's flags: fini was called.
const FINISHED: c_ulong = 1;

/// Why a pool was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotMade {
    Refused(Errno),
    /// What the object's initialisation answered.
    ByObject(c_int),
}

impl HeadState {
    pub(crate) fn empty() -> HeadState {
        HeadState {
            obj_size: 0,
            nr_objs: 0,
            nr_possible_cpus: 0,
            capacity: 0,
            gfp: 0,
            refs: AtomicU32::new(0),
            flags: 0,
            pool: ptr::null_mut(),
            release: None,
            context: ptr::null_mut(),
        }
    }

    /// The pool behind it.
    ///
    /// # Safety
    /// The pool is not freed while the result is used.
    #[inline]
    pub(crate) unsafe fn pool<'a>(&self) -> Option<&'a Pool> {
        // SAFETY: null, or made by `init`.
        unsafe { self.pool.as_ref() }
    }
}

/// Makes a pool of `objects` zeroed objects of `size` bytes, all of them in it, each shown to `each` once. After an error the
/// head is empty: fini and free do nothing.
///
/// # Safety
/// `head` is null or the caller's alone to write; the functions do what `objpool_init` says.
#[allow(clippy::too_many_arguments, reason = "Linux's")]
pub(crate) unsafe fn init(
    head: *mut HeadState,
    objects: c_int,
    size: c_int,
    gfp: c_uint,
    context: *mut c_void,
    each: Option<InitObject>,
    release: Option<Release>,
) -> Result<(), NotMade> {
    crate::strict::assert_sleepable("objpool_init");
    // SAFETY: the caller's promise.
    if head.is_null() {
        return Err(NotMade::Refused(EINVAL));
    }
    // SAFETY: the caller's promise.
    unsafe { head.write(HeadState::empty()) };
    if !(1..=OBJECTS_MAX).contains(&objects) || !(1..=SIZE_MAX).contains(&size) {
        return Err(NotMade::Refused(EINVAL));
    }
    // The kernel has more words for it: EAGAIN where memory is locked, EINVAL under some emulators.
    let pool = make(objects as usize, size as usize).map_err(|_| NotMade::Refused(ENOMEM))?;
    // As `each` may look at it; without the pool, which is not ready.
    let filled = HeadState {
        obj_size: pool.layout.stride as c_int,
        nr_objs: objects,
        nr_possible_cpus: c_int::try_from(runtime::get().cpus()).unwrap_or(c_int::MAX),
        capacity: pool.magazines.capacity() as c_int,
        gfp,
        refs: AtomicU32::new(objects as u32 + 1),
        flags: 0,
        pool: ptr::null_mut(),
        release,
        context,
    };
    // SAFETY: the caller's promise.
    unsafe { head.write(filled) };
    for object in 0..objects as usize {
        let Some(each) = each else { break };
        let at: *mut c_void = ptr::with_exposed_provenance_mut(pool.layout.address(object));
        // SAFETY: the caller's promise; the object is nobody else's yet.
        let answer = unsafe { each(at, context) };
        if answer != 0 {
            // SAFETY: the caller's promise, and nobody knows of the pool.
            unsafe {
                head.write(HeadState::empty());
                end(pool);
            }
            return Err(NotMade::ByObject(answer));
        }
    }
    pool.depots.fill(&pool.layout, pool.magazines);
    #[cfg(not(loom))]
    let pool = {
        let mut pool = pool;
        pool.listing = Listing::enter(head.addr(), objects as usize, &pool);
        pool
    };
    // SAFETY: the caller's promise.
    unsafe { (*head).pool = pool.into_raw() };
    Ok(())
}

fn make(objects: usize, size: usize) -> Result<Placed, Errno> {
    let facts = runtime::try_get()?;
    thread::prepare()?;
    near::prepare()?;
    let mut block = Block::new(objects)?;
    let states = States::wanted(objects, &mut block)?;
    let layout = Layout::new(objects, size, &mut block)?;
    let depots = Depots::new(objects, &mut block)?;
    // Together the magazines should not keep most of a pool from the CPUs that need it.
    let magazines = Magazines::new((objects / facts.cpus()).clamp(8, LARGEST))?;
    let sections = facts.backend() == Backend::Rseq && states.is_none();
    let limit = if sections { facts.cpus() } else { 0 };
    Ok(Placed::new(Pool {
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
        layout,
        magazines,
        depots,
        states,
        #[cfg(not(loom))]
        listing: None,
        _block: block,
    }))
}

/// # Safety
/// Nobody uses the pool or its objects any more.
unsafe fn end(pool: Placed) {
    #[cfg(not(loom))]
    if let Some(listing) = pool.listing {
        listing.leave();
    }
    // SAFETY: the caller's promise.
    unsafe { pool.end() };
}

/// Ends the pool now, whoever has objects of it: `objpool_free`.
///
/// # Safety
/// `head` is null, or was given to `init`; nobody uses the pool or its objects any more.
pub(crate) unsafe fn free(head: *mut HeadState) {
    crate::strict::assert_sleepable("objpool_free");
    // SAFETY: the caller's promise.
    let Some(state) = (unsafe { head.as_mut() }) else { return };
    if state.pool.is_null() {
        return;
    }
    // SAFETY: made by `init`, and from here on nobody finds it.
    unsafe { end(Placed::from_raw(ptr::replace(&raw mut state.pool, ptr::null_mut()))) };
    // The callback may free the head: nothing of it is touched after this.
    if let Some(release) = state.release.take() {
        let context = state.context;
        // SAFETY: the caller of `init` gave both.
        unsafe { release(head, context) };
    }
}

/// Takes all objects that are in the pool out of it, for good, and ends it with the last: `objpool_fini`.
///
/// # Safety
/// `head` is null, or was given to `init`; nobody pops or pushes any more.
pub(crate) unsafe fn fini(head: *mut HeadState) {
    crate::strict::assert_sleepable("objpool_fini");
    // SAFETY: the caller's promise.
    let Some(state) = (unsafe { head.as_mut() }) else { return };
    // SAFETY: the caller's promise.
    let Some(pool) = (unsafe { state.pool() }) else { return };
    if state.flags & FINISHED != 0 {
        return; // the pool's own reference is given back already
    }
    state.flags |= FINISHED;
    let mut out = [0; LARGEST];
    let mut gone = 1;
    loop {
        match pop::pop(pool, &mut out) {
            0 => break,
            n => {
                pool.forget(&out[..n]);
                gone += n as u32;
            }
        }
    }
    // AcqRel: what droppers did before; and only the last one ends the pool.
    if state.refs.fetch_sub(gone, Ordering::AcqRel) == gone {
        // SAFETY: nobody has an object any more.
        unsafe { free(head) };
    }
}

/// An object that is not given back, after fini: true ended the pool.
///
/// # Safety
/// `head` is null, or was given to `init`; `object` was popped and is not used any more.
pub(crate) unsafe fn drop_object(object: usize, head: *mut HeadState) -> Result<bool, Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { head.as_ref() }.ok_or(Misuse::Foreign)?;
    // SAFETY: the object is part of the pool until it is dropped here.
    let pool = unsafe { state.pool() }.ok_or(Misuse::Foreign)?;
    let number = pool.layout.number(object).ok_or(Misuse::Foreign)?;
    if let Some(states) = &pool.states
        && !states.give(number, true)
    {
        return Err(Misuse::Twice { object });
    }
    if state.refs.fetch_sub(1, Ordering::AcqRel) != 1 {
        return Ok(false);
    }
    // SAFETY: the last object, after fini.
    unsafe { free(head) };
    Ok(true)
}
