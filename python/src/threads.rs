// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who the calling thread is, and what it acquired and nobody has released yet: a wait for itself would never end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A thread: a number that is never used again, and the kernel's id for people. (In a forked child that id is the parent's.)
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thread {
    pub(crate) number: u64,
    pub(crate) tid: u32,
}

impl PartialEq for Thread {
    fn eq(&self, other: &Thread) -> bool {
        self.number == other.number
    }
}

/// The calling thread.
pub(crate) fn this() -> Thread {
    static BORN: AtomicU64 = AtomicU64::new(0);
    thread_local!(static THIS: Cell<Option<Thread>> = const { Cell::new(None) });
    THIS.get().unwrap_or_else(|| {
        // Relaxed: only has to be unique.
        let fresh = Thread { number: BORN.fetch_add(1, Ordering::Relaxed), tid: psref::thread_id() };
        THIS.set(Some(fresh));
        fresh
    })
}

/// One hold, counted for the thread that acquired it until it is dropped, on whatever thread.
pub(crate) struct Noted(Arc<AtomicUsize>);

impl Drop for Noted {
    fn drop(&mut self) {
        // Relaxed: the thread that acquired asks about itself; it learns of another's release by whatever that one tells it with.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many holds of each object, by address, this thread acquired. An object outlives its holds, so the count at an address that is
/// used again is 0.
#[derive(Default)]
struct Mine {
    counts: HashMap<usize, Arc<AtomicUsize>>,
    /// Entries at which those of nothing are dropped next.
    sweep_at: usize,
}

thread_local!(static MINE: RefCell<Mine> = RefCell::new(Mine::default()));

/// Counts a hold that the calling thread acquired.
pub(crate) fn note(object: usize) -> Noted {
    let counted = MINE.try_with(|mine| {
        let Mine { counts, sweep_at } = &mut *mine.borrow_mut();
        if counts.len() >= *sweep_at {
            counts.retain(|_, count| count.load(Ordering::Relaxed) != 0);
            *sweep_at = (counts.len() * 2).max(64);
        }
        let count = counts.entry(object).or_default();
        count.fetch_add(1, Ordering::Relaxed);
        Arc::clone(count)
    });
    // At the thread's very end nobody asks any more.
    Noted(counted.unwrap_or_else(|_| Arc::new(AtomicUsize::new(1))))
}

/// How many holds of the object the calling thread acquired that are not released.
pub(crate) fn acquired_here(object: usize) -> usize {
    MINE.with(|mine| mine.borrow().counts.get(&object).map_or(0, |count| count.load(Ordering::Relaxed)))
}
