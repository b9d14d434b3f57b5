// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all who retire, drive and wait share.

use super::entry::Entry;
use crate::park::Futex;
use crate::sys::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::ptr;

pub(super) struct State {
    /// Entries that were queued, the newest first.
    pub(super) queue: AtomicPtr<Entry>,
    /// Entries whose function has not returned.
    pub(super) outstanding: AtomicU64,
    /// Batches so far; counted before the queue is emptied (E2).
    pub(super) taken: AtomicU64,
    /// So many batches are at their end: nothing of them is waited for any more.
    pub(super) finished: AtomicU64,
    /// Somebody waits for so many: empty ones are taken up to it.
    pub(super) wanted: AtomicU64,
    /// The number of the thread that drives; 0: nobody does. | 0 -> who drives | who drives, or a fork -> 0 |
    pub(super) driver: AtomicU64,
    /// 1: somebody found another thread driving, and waits until that one tells.
    pub(super) passed_over: AtomicU32,
    /// Whoever drives has these in hand: the batch that waits for its readers, and since which grace period; the
    /// entries whose targets are held, and how many releases there had been when they were last looked at.
    pub(super) batch: AtomicPtr<Entry>,
    pub(super) grace: AtomicU64,
    /// When that batch was taken: nanoseconds of CLOCK_MONOTONIC.
    pub(super) since: AtomicU64,
    pub(super) held: AtomicPtr<Entry>,
    pub(super) looked: AtomicU64,
    /// How many are held.
    pub(super) holding: AtomicU64,
    /// Whether there is a thread that drives (see `helper`).
    pub(super) helper: AtomicU32,
    /// Its number.
    pub(super) helper_is: AtomicU64,
    /// Moves when batches are finished, and when somebody stops driving.
    pub(super) turned: Futex,
}

macro_rules! state {
    () => {
        State {
            queue: AtomicPtr::new(ptr::null_mut()),
            outstanding: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            driver: AtomicU64::new(0),
            passed_over: AtomicU32::new(0),
            batch: AtomicPtr::new(ptr::null_mut()),
            grace: AtomicU64::new(0),
            since: AtomicU64::new(0),
            held: AtomicPtr::new(ptr::null_mut()),
            looked: AtomicU64::new(0),
            holding: AtomicU64::new(0),
            helper: AtomicU32::new(0),
            helper_is: AtomicU64::new(0),
            turned: Futex::new(),
        }
    };
}

#[cfg(not(loom))]
pub(super) static ALL: State = state!();
#[cfg(loom)]
loom::lazy_static! { pub(super) static ref ALL: State = state!(); }

impl State {
    /// Lets the calling thread drive, if nobody does.
    pub(super) fn drive(&self, me: u64) -> bool {
        // SeqCst in the other case too: see `helper::pass`.
        self.driver.compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Whether the calling thread drives already: it is in a function that was retired.
    pub(super) fn is_driven_by(&self, me: u64) -> bool {
        self.driver.load(Ordering::Relaxed) == me // the thread's own store, or another's number
    }
}
