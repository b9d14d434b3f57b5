// SPDX-License-Identifier: MIT OR Apache-2.0
//! Condition variables: condvar(9), by a futex, because a pthread condition cannot answer EINTR.
//!
//! K2. The counts of a condition change with the mutex held, all but those of callers who wake without it, for whom they are
//!     only hints. Every wait counts itself before it reads the sequence word, and both before the mutex is dropped (R3): who
//!     changes what is waited for holds the mutex, so it sees the count, and moves the word that the sleep compares.
//! K3. A waiter touches the condition until its wait returns: to be destroyed it must have nobody inside, woken or not.

use super::{Kmutex, Woken};
use crate::diag;
use crate::sys::sync::{AtomicU32, Ordering};
use crate::sys::{fork, futex};
use crate::vcpu;
use std::ffi::{CStr, c_char};
use std::fmt;
use std::mem::offset_of;

/// `cv_wmesg` after cv_destroy: no string's address.
pub const DEAD_WMESG: usize = 1;
/// Ticks a second, of the waits with a limit.
pub const HZ: u32 = 100;

/// In `waiters`, of a forked child: there were waiters before the fork. All but one are gone at most: that one, whose signal
/// handler forked, may sleep on, so no wake is left out.
const VANISHED: u32 = 1 << 31;

/// `struct kcondvar` of `<psref/kcondvar.h>`.
#[repr(C)]
pub struct Kcondvar {
    /// Moves with every wake.
    sequence: AtomicU32,
    /// Threads inside a wait, those too that were woken and are not back yet; and [`VANISHED`].
    waiters: AtomicU32,
    /// How many of them a wake was meant for.
    woken: AtomicU32,
    /// `forks()` when the last wait began: in a forked child, the threads that are counted did not come along.
    epoch: AtomicU32,
    /// What waits here, for diagnostics. Null: never initialised.
    wmesg: *const c_char,
}

// SAFETY: what `wmesg` points to is never written and outlives the condition (cv_init's contract).
unsafe impl Send for Kcondvar {}
// SAFETY: as above; all else is atomic.
unsafe impl Sync for Kcondvar {}

// The other half of this is in c-tests/kmutex_layout.c.
const _: () = {
    assert!(offset_of!(Kcondvar, sequence) == 0 && offset_of!(Kcondvar, waiters) == 4);
    assert!(offset_of!(Kcondvar, woken) == 8 && offset_of!(Kcondvar, epoch) == 12 && offset_of!(Kcondvar, wmesg) == 16);
    assert!(size_of::<Kcondvar>() == 16 + size_of::<usize>());
};

impl Kcondvar {
    /// As cv_init makes it.
    pub const fn new(wmesg: &'static CStr) -> Self {
        Kcondvar {
            sequence: AtomicU32::new(0),
            waiters: AtomicU32::new(0),
            woken: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
            wmesg: wmesg.as_ptr(),
        }
    }

    /// Drops the mutex, sleeps until woken, until `deadline` (nanoseconds of CLOCK_MONOTONIC) or until a signal handler ran,
    /// and takes the mutex again. May return for no reason.
    pub(crate) fn wait(&self, mutex: &Kmutex, deadline: Option<u64>) -> Woken {
        self.sleep(c"cv_wait", mutex, deadline, true)
    }

    /// Wakes all who wait. The caller holds the mutex that they gave.
    pub(crate) fn broadcast(&self) {
        self.wake(c"cv_broadcast", u32::MAX);
    }

    pub(super) fn sleep(&self, who: &CStr, mutex: &Kmutex, deadline: Option<u64>, interruptible: bool) -> Woken {
        if !self.is_valid() {
            self.misuse(who, format_args!(""));
        }
        if !mutex.is_live() || !mutex.is_owned() {
            mutex.misuse(who, c"waiting without holding the mutex");
        }
        let epoch = self.forget_the_vanished();
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let seen = self.sequence.load(Ordering::SeqCst);
        mutex.exit();
        let woken = vcpu::asleep(&who.to_string_lossy(), || {
            loop {
                match futex::wait(&self.sequence, seen, deadline) {
                    // To go on sleeping is to compare again: a wake meanwhile has moved the word.
                    Woken::Interrupted if !interruptible => {}
                    woken => break woken,
                }
            }
        });
        mutex.enter();
        if forks() == epoch {
            self.leave(woken);
        }
        woken
    }

    /// The counts of a process that this one was forked from are of threads that are not here. Gives the number of forks.
    fn forget_the_vanished(&self) -> u32 {
        let now = forks();
        if self.epoch.swap(now, Ordering::SeqCst) != now && self.waiters.load(Ordering::SeqCst) != 0 {
            self.waiters.store(VANISHED, Ordering::SeqCst);
            self.woken.store(0, Ordering::SeqCst);
        }
        now
    }

    /// With the mutex held again. A wake is used up by one who was woken; one whose time was over leaves it to another, if
    /// there is one.
    fn leave(&self, woken: Woken) {
        let left = (self.waiters.fetch_sub(1, Ordering::SeqCst) - 1) & !VANISHED;
        let used = u32::from(woken == Woken::LookAgain);
        let meant = self.woken.load(Ordering::Relaxed).saturating_sub(used);
        self.woken.store(meant.min(left), Ordering::Relaxed);
    }

    pub(super) fn wake(&self, who: &CStr, n: u32) {
        if !self.is_valid() {
            self.misuse(who, format_args!(""));
        }
        // Nobody counted: nobody sleeps who must see this wake (K2).
        let waiters = self.waiters.load(Ordering::SeqCst);
        if waiters == 0 {
            return;
        }
        let meant = self.woken.load(Ordering::Relaxed).saturating_add(n).min(waiters & !VANISHED);
        self.woken.store(meant, Ordering::Relaxed);
        self.sequence.fetch_add(1, Ordering::SeqCst);
        futex::wake(&self.sequence, n);
    }

    /// Threads inside a wait, and those of them that were woken.
    pub(super) fn inside(&self) -> (u32, u32) {
        if self.epoch.load(Ordering::SeqCst) != forks() {
            return (0, 0);
        }
        let waiters = self.waiters.load(Ordering::SeqCst) & !VANISHED;
        (waiters, self.woken.load(Ordering::Relaxed).min(waiters))
    }

    pub(super) fn is_valid(&self) -> bool {
        !self.wmesg.is_null() && self.wmesg.addr() != DEAD_WMESG
    }

    #[cold]
    pub(super) fn misuse(&self, who: &CStr, wrong: fmt::Arguments<'_>) -> ! {
        let who = who.to_string_lossy();
        if self.wmesg.is_null() {
            diag::fatal(format_args!("{who}: kcondvar {self:p}: never initialised (wmesg is NULL)"));
        }
        if self.wmesg.addr() == DEAD_WMESG {
            diag::fatal(format_args!("{who}: kcondvar {self:p}: already destroyed"));
        }
        // SAFETY: cv_init's contract: a terminated string that outlives the condition.
        let wmesg = unsafe { CStr::from_ptr(self.wmesg) }.to_string_lossy();
        diag::fatal(format_args!("{who}: kcondvar {self:p} (\"{wmesg}\"): {wrong}"))
    }
}

/// How often this process's ancestors forked since one of them first asked; a number that no two of a line have in common.
fn forks() -> u32 {
    static FORKS: AtomicU32 = AtomicU32::new(0);
    static WATCHED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::SeqCst);
    }
    // Two who come first together register it twice: then a fork counts two.
    if WATCHED.load(Ordering::SeqCst) == 0 && fork::in_child(in_child).is_ok() {
        WATCHED.store(1, Ordering::SeqCst);
    }
    FORKS.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;
    use std::cell::Cell;

    struct Shared {
        mutex: Kmutex,
        cv: Kcondvar,
        done: Cell<u32>,
    }

    // SAFETY: `done` is touched with the mutex held.
    unsafe impl Sync for Shared {}

    fn shared() -> Shared {
        Shared { mutex: Kmutex::new(), cv: Kcondvar::new(c"test"), done: Cell::new(0) }
    }

    #[test]
    fn a_broadcast_ends_every_wait() {
        const WAITERS: u32 = 3;
        let shared = shared();
        std::thread::scope(|scope| {
            for _ in 0..WAITERS {
                scope.spawn(|| {
                    let Shared { mutex, cv, done } = &shared;
                    mutex.enter();
                    while done.get() == 0 {
                        assert_ne!(cv.wait(mutex, None), Woken::TimedOut);
                        assert!(mutex.is_owned());
                    }
                    done.set(done.get() + 1);
                    mutex.exit();
                    assert!(!mutex.is_owned());
                });
            }
            loop {
                shared.mutex.enter();
                if shared.cv.inside() == (WAITERS, 0) {
                    break;
                }
                shared.mutex.exit();
                std::thread::yield_now();
            }
            shared.done.set(1);
            shared.cv.broadcast();
            assert_eq!(shared.cv.inside(), (WAITERS, WAITERS));
            shared.mutex.exit();
        });
        assert_eq!(shared.done.get(), 1 + WAITERS);
        assert_eq!(shared.cv.inside(), (0, 0));
    }

    #[test]
    fn a_deadline_ends_a_wait() {
        let Shared { mutex, cv, .. } = &shared();
        mutex.enter();
        let deadline = clock::now() + 20_000_000;
        while cv.wait(mutex, Some(deadline)) != Woken::TimedOut {}
        assert!(clock::now() >= deadline);
        assert!(mutex.is_owned());
        assert_eq!(cv.inside(), (0, 0));
        mutex.exit();
    }

    #[test]
    fn a_wake_meant_for_one_who_gave_up_is_not_counted_for_those_who_come() {
        let Shared { mutex, cv, .. } = &shared();
        mutex.enter();
        // Two inside, one of them meant; the one whose time is over leaves.
        cv.waiters.store(2, Ordering::SeqCst);
        cv.wake(c"test", 1);
        assert_eq!(cv.inside(), (2, 1));
        cv.leave(Woken::TimedOut);
        assert_eq!(cv.inside(), (1, 1));
        cv.leave(Woken::TimedOut);
        assert_eq!(cv.inside(), (0, 0));
        cv.waiters.store(1, Ordering::SeqCst);
        assert_eq!(cv.inside(), (1, 0));
        mutex.exit();
    }

    #[test]
    fn a_wait_in_a_child_does_not_count_those_of_its_parent() {
        let Shared { mutex, cv, .. } = &shared();
        cv.waiters.store(5, Ordering::SeqCst);
        cv.woken.store(1, Ordering::SeqCst);
        cv.epoch.store(forks().wrapping_sub(1), Ordering::SeqCst);
        assert_eq!(cv.inside(), (0, 0));
        mutex.enter();
        while cv.wait(mutex, Some(clock::now())) != Woken::TimedOut {}
        mutex.exit();
        assert_eq!(cv.inside(), (0, 0));
        assert_ne!(cv.waiters.load(Ordering::SeqCst), 0); // wakes are not left out
    }
}
