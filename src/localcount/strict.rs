// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strict counts: what a count's acquires and releases add up to is known at every moment, so that a release too many is told
//! by whoever makes it; and every use names one condition and one interlock.
//!
//! Its guard holds the address of one of these for as long as it lives, which sends everybody to the slow path; the state that
//! others keep in the guard is here instead, and so are the cells.
//!
//! X1. `references` is no less than what is held: counted up before an acquire counts, down before a release does. A fork
//!     between a release's two steps would break it in the child, where that release never makes the second; so there it
//!     is raised to what the cells hold.

use super::misuse::Misuse;
#[cfg(not(loom))]
use super::state::{CLOSING, DRAINED};
use crate::kmutex::{Kcondvar, Kmutex};
use crate::percpu::count::Counted;
use crate::stable::{Pool, Stable};
use crate::sys::errno::Errno;
use crate::sys::sync::{AtomicU64, AtomicUsize, Ordering};

/// What a strict count has besides.
pub(crate) struct Strict {
    pub(super) counted: Counted,
    references: AtomicU64,
    /// The first condition and interlock that it was used with; 0: none yet.
    cv: AtomicUsize,
    interlock: AtomicUsize,
}

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for Strict {
    #[cfg(loom)]
    fn fresh() -> Self {
        Strict {
            counted: Counted { guard: AtomicUsize::new(0), cells: AtomicUsize::new(0) },
            references: AtomicU64::new(0),
            cv: AtomicUsize::new(0),
            interlock: AtomicUsize::new(0),
        }
    }
}

static ALL: Pool<Strict> = Pool::new();

/// The one that a guard leads to, if it leads to one.
#[cfg(not(loom))]
pub(super) fn at(guard: usize) -> Option<&'static Strict> {
    let place: *const Strict = std::ptr::with_exposed_provenance(guard);
    // SAFETY: one of the pool's; they are type-stable.
    ALL.contains(place).then(|| unsafe { &*place })
}

/// Models have no strict counts.
#[cfg(loom)]
pub(super) fn at(_: usize) -> Option<&'static Strict> {
    None
}

#[cfg(not(loom))]
static IN_CHILD: fn(u64) = in_child;

/// Before there is any.
#[cfg(not(loom))]
fn see_to_forks() {
    crate::thread::on_fork(&IN_CHILD);
}

#[cfg(loom)]
fn see_to_forks() {}

/// X1 in a forked child. Raised only: this very thread, whose signal handler forked, may be between an acquire's two steps.
/// Nothing is known of one that is being closed: its drain did not come along either, unless it is this thread's.
#[cfg(not(loom))]
fn in_child(_: u64) {
    for strict in ALL.iter() {
        let held = match (strict.counted.guard.load(Ordering::Relaxed), strict.counted.cells()) {
            (0, Some(_)) => strict.counted.sum(),
            (CLOSING | DRAINED, _) | (_, None) => 0,
            (_, Some(cells)) => cells.total(),
        };
        strict.references.fetch_max(held.max(0).cast_unsigned(), Ordering::Relaxed);
    }
}

impl Strict {
    /// One with open cells.
    pub(super) fn open() -> Result<&'static Strict, Errno> {
        see_to_forks();
        let strict = ALL.take()?;
        for word in [&strict.cv, &strict.interlock] {
            word.store(0, Ordering::Relaxed);
        }
        strict.references.store(0, Ordering::Relaxed);
        strict.counted.open().inspect_err(|_| {
            // SAFETY: taken above, nobody knows of it.
            unsafe { ALL.give(strict) }
        })?;
        Ok(strict)
    }

    /// Gives it back, with its cells.
    ///
    /// # Safety
    /// Nobody uses the count any more.
    pub(super) unsafe fn free(&'static self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.counted.free();
            ALL.give(self);
        }
    }

    /// What a guard that leads here holds.
    pub(super) fn address(&'static self) -> usize {
        std::ptr::from_ref(self).expose_provenance()
    }

    /// Before an acquire counts.
    pub(super) fn up(&self, localcount: usize) -> Result<(), Misuse> {
        // NetBSD's own limit: its count has 32 bits.
        match self.references.fetch_add(1, Ordering::Relaxed) >= u64::from(u32::MAX) {
            true => Err(Misuse::Overflow { localcount }),
            false => Ok(()),
        }
    }

    /// Before a release counts, and after an acquire that did not.
    pub(super) fn down(&self, localcount: usize) -> Result<(), Misuse> {
        let mut seen = self.references.load(Ordering::Relaxed);
        loop {
            let left = seen.checked_sub(1).ok_or(Misuse::Underflow { localcount })?;
            match self.references.compare_exchange(seen, left, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }

    /// The condition and the interlock are those of before.
    pub(super) fn same(&self, localcount: usize, cv: &Kcondvar, interlock: &Kmutex) -> Result<(), Misuse> {
        let of = |word: &AtomicUsize, seen: usize, what| match word.compare_exchange(
            0,
            seen,
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            Err(expected) if expected != seen => Err(Misuse::Other { localcount, what, seen, expected }),
            _ => Ok(()),
        };
        of(&self.cv, std::ptr::from_ref(cv).addr(), "condition")?;
        of(&self.interlock, std::ptr::from_ref(interlock).addr(), "interlock")
    }
}
