// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is retired: entries, the queue of them, and how many there may be.

use super::raw::Function;
use super::state::{ALL, State};
use crate::psref::retired::{ATTENTION, ClassState, TargetState};
use crate::stable::{Pool, Stable};
use crate::sys::errno::{EAGAIN, Errno};
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::ffi::c_void;
use std::ptr;

/// Things that may be waiting for their end at once, whatever they wait for: 64 bytes each, 8 MiB in all.
pub const BOUND: u64 = 1 << 17;

/// Things that a batch is awaited for, as long as time allows.
pub(super) const BATCH: u64 = 1 << 12;

/// One thing. Type-stable; a fork's child finds all of them by the pool.
pub(super) struct Entry {
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | `FREE` | the pool's, or being filled, or its function runs | whoever retires: `QUEUED` |
    /// | `QUEUED` | waits for its readers and holders | who drives: `READY` |
    /// | `READY` | waits for its function's turn | who drives: `FREE` |
    pub(super) state: AtomicU32,
    /// The batch that it came with, once it is held.
    pub(super) batch: AtomicU64,
    /// The next in the list that it is in.
    pub(super) next: AtomicPtr<Entry>,
    /// The target's class; null: not a target, or one that is ended.
    pub(super) class: AtomicPtr<ClassState>,
    pub(super) target: AtomicPtr<TargetState>,
    function: AtomicUsize,
    argument: AtomicPtr<c_void>,
}

pub(super) const FREE: u32 = 0;
pub(super) const QUEUED: u32 = 1;
pub(super) const READY: u32 = 2;

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for Entry {
    #[cfg(loom)]
    fn fresh() -> Self {
        Entry {
            state: AtomicU32::new(FREE),
            batch: AtomicU64::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
            class: AtomicPtr::new(ptr::null_mut()),
            target: AtomicPtr::new(ptr::null_mut()),
            function: AtomicUsize::new(0),
            argument: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

pub(super) static ENTRIES: Pool<Entry> = Pool::new();

/// One of the pool's, if the pointer is not null.
pub(super) fn at(entry: *mut Entry) -> Option<&'static Entry> {
    // SAFETY: lists hold pointers to the pool's entries, which are type-stable.
    unsafe { entry.as_ref() }
}

impl Entry {
    /// An entry for one thing more; counted. EAGAIN: there are [`BOUND`] of them. ENOMEM: no memory for one.
    pub(super) fn take() -> Result<&'static Entry, Errno> {
        // Relaxed: a count that only says how many; what it counts is published by the queue.
        if ALL.outstanding.fetch_add(1, Ordering::Relaxed) >= BOUND {
            ALL.outstanding.fetch_sub(1, Ordering::Relaxed);
            return Err(EAGAIN);
        }
        ENTRIES.take().inspect_err(|_| {
            ALL.outstanding.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// Gives it back unused.
    pub(super) fn give_up(&'static self) {
        // SAFETY: `take`n, and nobody knows of it.
        unsafe { ENTRIES.give(self) };
        ALL.outstanding.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn fill(
        &self,
        class: *const ClassState,
        target: *const TargetState,
        function: Function,
        argument: *mut c_void,
    ) {
        // Relaxed, but for the last: published by `queue`.
        self.class.store(class.cast_mut(), Ordering::Relaxed);
        self.target.store(target.cast_mut(), Ordering::Relaxed);
        self.function.store(function as usize, Ordering::Relaxed);
        self.argument.store(argument, Ordering::Relaxed);
        self.state.store(QUEUED, Ordering::Release); // with `is_waiting`, which does not come by the queue
    }

    /// Whether the target at this address waits for its holders.
    pub(super) fn is_waiting(target: usize) -> bool {
        // Acquire: the target that it was queued with, or a later one.
        ENTRIES.iter().any(|entry| entry.state.load(Ordering::Acquire) == QUEUED && entry.target().addr() == target)
    }

    /// Puts it into the queue and tells whoever drives, where that may be asleep.
    pub(super) fn queue(&'static self) {
        let first = self.push(&ALL);
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::SilentRetire) {
            return;
        }
        // Who drives looks at a queue that is not empty by itself; a full batch ends the collecting of one.
        if first || ALL.outstanding.load(Ordering::Relaxed).is_multiple_of(BATCH) {
            ATTENTION.moved.advance_and_wake_all();
        }
    }

    /// Whether the queue was empty.
    pub(super) fn push(&'static self, all: &State) -> bool {
        let ours = ptr::from_ref(self).cast_mut();
        let mut head = all.queue.load(Ordering::Relaxed);
        loop {
            self.next.store(head, Ordering::Relaxed);
            // SeqCst: the entry before its address; and before what the caller looks at later (E2).
            match all.queue.compare_exchange_weak(head, ours, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return head.is_null(),
                Err(now) => head = now,
            }
        }
    }

    pub(super) fn class(&self) -> Option<&'static ClassState> {
        // SAFETY: null, or a class that `psref::retired::begin` has accepted; they are type-stable.
        unsafe { self.class.load(Ordering::Relaxed).cast_const().as_ref() }
    }

    pub(super) fn target(&self) -> *const TargetState {
        self.target.load(Ordering::Relaxed)
    }

    /// Gives the entry back; answers what is to be called.
    pub(super) fn free(&'static self) -> (Function, *mut c_void) {
        let (function, argument) = (self.function.load(Ordering::Relaxed), self.argument.load(Ordering::Relaxed));
        self.state.store(FREE, Ordering::Relaxed);
        // SAFETY: in no list any more (E1).
        unsafe { ENTRIES.give(self) };
        // SAFETY: what `fill` stored.
        (unsafe { std::mem::transmute::<*const (), Function>(std::ptr::with_exposed_provenance(function)) }, argument)
    }
}
