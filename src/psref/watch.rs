// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drains that an event loop waits for: an eventfd that releases of the target write to. Readiness is a hint; whoever gets it
//! looks (`drain::poll`). No thread waits anywhere.
//!
//! A watch is a drain that waits, as far as the class's waiter word goes (P4): releases look at that word anyway and only then
//! come here. The program has a descriptor of its own, a duplicate, and closes it when it likes: what the library writes to is
//! never the number of something else.
//!
//! V1. A watch's descriptor, class and target stand as long as `users` is not 0; who counts there may use them. Whoever takes
//!     the last one away closes the descriptor. Watches are type-stable.
//! V2. [`LIVE`] counts for one user, and stands for one entry in the class's waiter word. Whoever takes it away gives both back.

use super::state::ClassState;
use crate::park::{GaveUp, outcome};
use crate::stable::{Pool, Stable};
use crate::sys::errno::Errno;
use crate::sys::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::sys::{clock, eventfd, probe};
use std::ffi::c_int;

struct Watch {
    /// Users, and [`LIVE`] as long as the drain waits.
    users: AtomicU64,
    fd: AtomicU32,
    class: AtomicUsize,
    target: AtomicUsize,
    /// Since when it waits, in nanoseconds of CLOCK_MONOTONIC; 0: nobody has been found to wait for. For statistics.
    since: AtomicU64,
}

const LIVE: u64 = 1 << 32;

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for Watch {
    #[cfg(loom)]
    fn fresh() -> Self {
        Watch {
            users: AtomicU64::new(0),
            fd: AtomicU32::new(0),
            class: AtomicUsize::new(0),
            target: AtomicUsize::new(0),
            since: AtomicU64::new(0),
        }
    }
}

static WATCHES: Pool<Watch> = Pool::new();

impl Watch {
    fn fd(&self) -> c_int {
        self.fd.load(Ordering::Relaxed).cast_signed()
    }

    /// Changes `users` as long as it says [`LIVE`].
    fn change(&self, to: impl Fn(u64) -> u64) -> Option<()> {
        let mut users = self.users.load(Ordering::Relaxed);
        while users & LIVE != 0 {
            // Acquire: what was written before the watch went live.
            match self.users.compare_exchange_weak(users, to(users), Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(()),
                Err(now) => users = now,
            }
        }
        None
    }

    /// Calls `f` if this is a live watch of `class`, and of `target` if there is one given.
    fn with(&'static self, class: &ClassState, target: Option<usize>, f: impl FnOnce(&'static Watch)) {
        if self.change(|users| users + 1).is_none() {
            return;
        }
        // Relaxed: V1; the fields were written before the users that were found.
        let ours = self.class.load(Ordering::Relaxed) == std::ptr::from_ref(class).addr();
        if ours && target.is_none_or(|target| self.target.load(Ordering::Relaxed) == target) {
            f(self);
        }
        self.leave();
    }

    fn leave(&'static self) {
        // AcqRel: whatever users did is over before the descriptor is closed and the watch another's.
        if self.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            eventfd::close(self.fd());
            // SAFETY: taken in `open`; V1: nobody uses it.
            unsafe { WATCHES.give(self) };
        }
    }

    /// Takes back what was raised so far, but not the end: that is told by taking [`LIVE`] away and raising then. A lowering that
    /// comes after the raising finds LIVE gone; one that finds it comes before the raising.
    fn lower(&'static self) {
        eventfd::lower(self.fd());
        if self.users.load(Ordering::SeqCst) & LIVE == 0 {
            eventfd::raise(self.fd());
        }
    }

    /// The drain waits no more; true for the one who ended it (V2).
    fn end(&'static self, class: &ClassState) -> bool {
        if self.change(|users| users & !LIVE).is_none() {
            return false;
        }
        class.watched.fetch_sub(1, Ordering::Relaxed);
        self.leave();
        true
    }

    /// Counts what has ended, by the one who ended it.
    fn count(&self, class: &ClassState, answer: Result<(), GaveUp>) {
        // Relaxed: a number for people.
        let ns = match self.since.load(Ordering::Relaxed) {
            0 => 0,
            since => clock::now().saturating_sub(since),
        };
        if ns != 0 {
            class.drains.waited(ns, answer.is_err());
        }
        let target = self.target.load(Ordering::Relaxed); // V1: the caller is a user
        probe::drain_end(class.address(), target, class.name_address(), ns as usize, outcome(answer));
    }
}

/// A watch of `target`, which counts as a drain that waits from now on; the descriptor is the caller's to close.
pub(super) fn open(class: &ClassState, target: usize) -> Result<c_int, Errno> {
    let watch = WATCHES.take()?;
    let (ours, theirs) = eventfd::pair().inspect_err(|_| {
        // SAFETY: taken above, nobody knows of it.
        unsafe { WATCHES.give(watch) }
    })?;
    watch.fd.store(ours.cast_unsigned(), Ordering::Relaxed);
    watch.class.store(std::ptr::from_ref(class).addr(), Ordering::Relaxed);
    watch.target.store(target, Ordering::Relaxed);
    watch.since.store(0, Ordering::Relaxed);
    // SeqCst: before the waiter word: who finds that finds this.
    class.watched.fetch_add(1, Ordering::SeqCst);
    watch.users.store(LIVE | 1, Ordering::SeqCst);
    class.waiters.enter(target);
    Ok(theirs)
}

fn each(class: &ClassState, target: Option<usize>, f: impl Fn(&'static Watch)) {
    if class.watched.load(Ordering::SeqCst) != 0 {
        WATCHES.iter().for_each(|watch| watch.with(class, target, &f));
    }
}

/// Somebody holds `target`: whoever watches waits from now on, if not since before.
pub(super) fn waits(class: &ClassState, target: usize) {
    each(class, Some(target), |watch| {
        // Relaxed: a number for people.
        let _ = watch.since.compare_exchange(0, clock::now(), Ordering::Relaxed, Ordering::Relaxed);
    });
}

/// A hold of `target` has ended: whoever watches should look. Touches nothing of the target (R4).
pub(super) fn raise(class: &ClassState, target: usize) {
    each(class, Some(target), |watch| eventfd::raise(watch.fd()));
}

/// Somebody looks now, and wants to hear of what happens from here on (R3).
pub(super) fn lower(class: &ClassState, target: usize) {
    each(class, Some(target), Watch::lower);
}

/// The target (of `None`: every target of the class) has drained: nobody watches it any more.
pub(super) fn end(class: &ClassState, target: Option<usize>) {
    each(class, target, |watch| {
        let ended = watch.end(class);
        eventfd::raise(watch.fd()); // now, see `Watch::lower`
        if ended {
            class.waiters.leave();
            // With its class goes a watch whose owner has not asked to the end.
            watch.count(class, target.map(drop).ok_or(GaveUp::TimedOut));
        }
    });
}

/// In a forked child, whose waiter words are cleared: its drains are not its parent's, and an event of both would tell each of
/// the other's releases. Descriptors that vanished threads were writing to stay open.
pub(super) fn in_child(class: &ClassState) {
    each(class, None, |watch| {
        watch.end(class);
    });
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use crate::park::Patience;
    use crate::psref::state::TargetState;
    use crate::psref::{class, drain};
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::FromRawFd;

    const TARGET: usize = 0x7f00_1234_5670;

    #[test]
    fn what_has_drained_is_watched_by_nobody() {
        let class = class::create(b"drained", 0).unwrap();
        // SAFETY: plain atomics, for which zero is a value.
        let mut target: TargetState = unsafe { std::mem::zeroed() };
        // SAFETY: the target outlives all uses of it; the descriptor is new, ours alone.
        unsafe {
            class::init(&raw mut target, class).unwrap();
            drain::drain(&raw const target, class, Patience::FOREVER).unwrap().unwrap();
            let theirs = File::from_raw_fd(drain::open(&raw const target, class).unwrap().unwrap());
            assert!((&theirs).read(&mut [0; 8]).is_ok());
        }
        assert!(!class.waiters.any() && class.watched.load(Ordering::Relaxed) == 0);
        // SAFETY: made above; nobody uses it.
        unsafe { class::destroy(class).unwrap() };
    }

    #[test]
    fn the_end_of_a_drain_is_not_lowered_by_another_who_looks() {
        let class = class::create(b"watched", 0).unwrap();
        // SAFETY: a new descriptor, ours alone.
        let theirs = unsafe { File::from_raw_fd(open(class, TARGET).unwrap()) };
        let is_raised = || (&theirs).read(&mut [0; 8]).is_ok();
        raise(class, TARGET);
        each(class, Some(TARGET), |watch| {
            watch.lower();
            assert!(!is_raised());
            // Another's drain ends between a poll's beginning and its lowering.
            end(class, Some(TARGET));
            watch.lower();
        });
        assert!(is_raised());
        // SAFETY: made above; nobody uses it.
        unsafe { class::destroy(class).unwrap() };
    }
}
