// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting: until somebody moves a futex word, a deadline passes, or a signal handler runs where the caller wants to know.

use crate::sys::clock;
use crate::sys::errno::Errno;
pub(crate) use crate::sys::futex::{Futex, Woken};
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use std::time::Duration;

/// How long a caller is ready to wait, and whether a signal may end it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// Nanoseconds of CLOCK_MONOTONIC; `None`: for ever.
    deadline: Option<u64>,
    interruptible: bool,
    /// Asked now and then whether to go on.
    enough: Option<fn() -> bool>,
}

/// What goes round the sleeps of [`Patience::wait`]: where a thread gives something up meanwhile.
pub(crate) type Around = fn(&mut dyn FnMut());

/// A static's address, or null.
static AROUND: std::sync::atomic::AtomicPtr<Around> = std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());

/// Has `around` called for every sleep from now on; it calls what it gets, once.
#[cfg(not(loom))]
pub(crate) fn go_round(around: &'static Around) {
    AROUND.store(std::ptr::from_ref(around).cast_mut(), std::sync::atomic::Ordering::Release);
}

/// How often `enough` is asked, in nanoseconds: a signal that comes just before a sleep is noticed that late.
const ASK_EVERY: u64 = 50_000_000;

/// A wait that ended before what it waited for came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// The time was over.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

impl GaveUp {
    /// The system's number for it: ETIMEDOUT or EINTR.
    pub const fn errno(self) -> Errno {
        Errno(match self {
            GaveUp::TimedOut => libc::ETIMEDOUT,
            GaveUp::Interrupted => libc::EINTR,
        })
    }
}

/// For probes: 0, or the error's number.
pub(crate) fn outcome(answer: Result<(), GaveUp>) -> usize {
    answer.map_or_else(|gave_up| gave_up.errno().0 as usize, |()| 0)
}

impl std::fmt::Display for GaveUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            GaveUp::TimedOut => "timed out",
            GaveUp::Interrupted => "interrupted by a signal",
        })
    }
}

impl std::error::Error for GaveUp {}

/// Acquire's refusal: the object drains, or has drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draining;

impl std::fmt::Display for Draining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("it is draining")
    }
}

impl std::error::Error for Draining {}

/// Futex words for things that have none of their own: shared, so every wake-up is spurious until the caller has looked.
#[cfg(not(loom))]
pub(crate) fn bucket(address: usize) -> &'static Futex {
    const BUCKETS: usize = 64;
    /// On a line of its own.
    #[repr(align(64))]
    struct Bucket(Futex);
    static ALL: [Bucket; BUCKETS] = [const { Bucket(Futex::new()) }; BUCKETS];
    &ALL[(address >> 3) % BUCKETS].0
}

impl Patience {
    /// As long as it takes, whatever signals come.
    pub const FOREVER: Patience = Patience { deadline: None, interruptible: false, enough: None };

    /// No longer than `limit` from now.
    pub fn at_most(limit: Duration) -> Patience {
        let ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        // A deadline past the kernel's time is for ever.
        let deadline = clock::now().checked_add(ns).filter(|&end| end < i64::MAX as u64);
        Patience { deadline, ..Patience::FOREVER }
    }

    /// As C says it: no longer than `limit` from now; null: for ever. EINVAL where it is no span of time.
    ///
    /// # Safety
    /// `limit` is null or readable.
    #[doc(hidden)]
    pub unsafe fn of_timespec(limit: *const clock::Timespec) -> Result<Patience, Errno> {
        // SAFETY: the caller's promise.
        Ok(unsafe { clock::span(limit)? }.map_or(Patience::FOREVER, Patience::at_most))
    }

    /// Whether nothing but the end of what is waited for ends the wait.
    pub(crate) fn is_forever(self) -> bool {
        self.deadline.is_none() && !self.interruptible
    }

    /// The same, ended by any handled signal.
    pub fn or_signal(self) -> Patience {
        Patience { interruptible: true, ..self }
    }

    /// The same, asking `enough` at every wake-up, handled signals' too, and twenty times a second; where it answers true, the wait ends as
    /// [`GaveUp::Interrupted`]. For languages whose signal handlers run when they are asked to. It is called by the waiting
    /// thread, between two sleeps. It may use the library, but must not wait for read sections: the thread may be the one that
    /// others' performs wait for.
    pub fn or_when(self, enough: fn() -> bool) -> Patience {
        Patience { enough: Some(enough), ..self }
    }

    /// Sleeps while `word` is `seen`; every `Ok` is spurious until the caller has looked again (R7). Returns at `soon` at the
    /// latest, so that the caller can report.
    pub(crate) fn wait(self, word: &Futex, seen: u32, soon: u64) -> Result<(), GaveUp> {
        #[cfg(any(loom, feature = "inject"))]
        let seen = if plant::planted(Bug::WordReadLate) {
            #[cfg(feature = "inject")]
            crate::sys::inject::pause();
            word.word()
        } else {
            seen
        };
        let mut woken = Woken::LookAgain;
        let mut sleep = || woken = word.wait(seen, Some(self.end(soon)));
        // SAFETY: null, or what was a static in `go_round`.
        match unsafe { AROUND.load(std::sync::atomic::Ordering::Acquire).as_ref() } {
            Some(around) => around(&mut sleep),
            None => sleep(),
        }
        self.judge(woken)
    }

    /// Until when to sleep, at most until `soon`: nanoseconds of CLOCK_MONOTONIC.
    pub(crate) fn end(self, soon: u64) -> u64 {
        let soon = self.enough.map_or(soon, |_| soon.min(clock::now().saturating_add(ASK_EVERY)));
        self.deadline.map_or(soon, |end| end.min(soon))
    }

    /// Whether a sleep that ended so was the last one.
    pub(crate) fn judge(self, woken: Woken) -> Result<(), GaveUp> {
        match woken {
            // A wake-up too: where they come faster than the caller can look, nothing else would ever end the wait.
            Woken::TimedOut | Woken::LookAgain if self.deadline.is_some_and(|end| clock::now() >= end) => {
                Err(GaveUp::TimedOut)
            }
            Woken::Interrupted if self.interruptible => Err(GaveUp::Interrupted),
            _ if self.enough.is_some_and(|enough| enough()) => Err(GaveUp::Interrupted),
            _ => Ok(()),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_ends_a_wait_that_is_woken_all_the_time() {
        let late = Patience::at_most(Duration::ZERO);
        assert_eq!(late.judge(Woken::LookAgain), Err(GaveUp::TimedOut));
        assert_eq!(late.judge(Woken::TimedOut), Err(GaveUp::TimedOut));
        assert_eq!(Patience::FOREVER.judge(Woken::LookAgain), Ok(()));
        assert_eq!(Patience::at_most(Duration::from_secs(1000)).judge(Woken::LookAgain), Ok(()));
    }
}
