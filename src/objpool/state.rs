// SPDX-License-Identifier: MIT OR Apache-2.0
//! The structures: the head, which is the caller's memory and part of the C ABI, and the pool behind it.

use super::block::Block;
use super::depot::Depots;
use super::layout::Layout;
use super::strict::States;
use crate::percpu::magazine::{self, Magazines};
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering};
use std::ffi::{c_int, c_uint, c_ulong, c_void};

/// `objpool_init_obj_cb`.
pub type InitObject = unsafe extern "C" fn(object: *mut c_void, context: *mut c_void) -> c_int;
/// `objpool_fini_cb`.
pub type Release = unsafe extern "C" fn(head: *mut HeadState, context: *mut c_void) -> c_int;

/// `struct objpool_head`: Linux's fields.
#[repr(C)]
pub struct HeadState {
    /// Bytes of an object, rounded up to whole words.
    pub obj_size: c_int,
    /// Objects, as many as were asked for.
    pub nr_objs: c_int,
    /// Possible CPUs.
    pub nr_possible_cpus: c_int,
    /// Objects that a magazine may hold.
    pub capacity: c_int,
    /// As given to init; nothing depends on it.
    pub gfp: c_uint,
    /// Objects that are not dropped, and one for the pool itself.
    pub(crate) refs: AtomicU32,
    /// 1 once fini was called.
    pub flags: c_ulong,
    /// The pool; null where there is none (any more).
    pub pool: *mut Pool,
    /// Called once, when the pool has ended.
    pub release: Option<Release>,
    /// What the callbacks get.
    pub context: *mut c_void,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<HeadState>() == 56);

/// What the sections read comes first. Nothing of it changes while the pool lives. It lies a constant distance before its
/// magazines, see [`placed`](super::placed): who has it has these.
#[repr(C, align(64))]
pub struct Pool {
    /// CPU ids from here on take the slow path; 0 sends everybody there (strict, atomics).
    pub(crate) limit: u32,
    pub(crate) layout: Layout,
    pub(crate) magazines: Magazines,
    pub(crate) depots: Depots,
    /// Who has which object; strict pools only.
    pub(crate) states: Option<States>,
    /// Where statistics find it; `None` where there was no memory for that.
    #[cfg(not(loom))]
    pub(crate) listing: Option<&'static super::stats::Listing>,
    /// Goes last: the others have runs of it.
    pub(super) _block: Block,
}

/// What happened on a CPU, or as far as its threads can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Counter {
    /// Pops that found the own magazine empty or closed.
    Misses,
    /// Pops that answered NULL.
    Failures,
    /// Batches taken from a depot.
    DepotPops,
    /// Times that objects were returned to depots.
    DepotPushes,
    /// Objects taken from recalled magazines.
    Recalls,
    /// Objects given to depots.
    Deposited,
    /// Objects taken from depots.
    Withdrawn,
}
const _: () = assert!((Counter::Withdrawn as usize) < magazine::COUNTERS);

impl Pool {
    /// Counts. Relaxed: a number for people.
    pub(crate) fn tell(&self, cpu: usize, what: Counter) {
        self.tell_of(cpu, what, 1);
    }

    /// The same, of so many.
    pub(crate) fn tell_of(&self, cpu: usize, what: Counter, n: usize) {
        self.counter(cpu, what).fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Objects that fini popped: nobody has them, and nobody may drop them.
    pub(crate) fn forget(&self, objects: &[usize]) {
        if let Some(states) = &self.states {
            objects.iter().filter_map(|&at| self.layout.number(at)).for_each(|object| states.forget(object));
        }
    }

    pub(crate) fn counter(&self, cpu: usize, what: Counter) -> &'static AtomicU64 {
        self.magazines.counter(cpu, what as usize)
    }
}
