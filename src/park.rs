// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting: until somebody moves a futex word, a deadline passes, or a signal handler runs where the caller wants to know.

use crate::sys::clock;
pub(crate) use crate::sys::futex::{Futex, Woken};
#[cfg(loom)]
use crate::sys::plant::{self, Bug};
use std::time::Duration;

/// How long a caller is ready to wait, and whether a signal may end it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// Nanoseconds of CLOCK_MONOTONIC; `None`: for ever.
    deadline: Option<u64>,
    interruptible: bool,
}

/// A wait that ended before what it waited for came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// The time was over.
    TimedOut,
    /// A signal handler ran.
    Interrupted,
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
    pub const FOREVER: Patience = Patience { deadline: None, interruptible: false };

    /// No longer than `limit` from now.
    pub fn at_most(limit: Duration) -> Patience {
        let ns = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        // A deadline past the kernel's time is for ever.
        let deadline = clock::now().checked_add(ns).filter(|&end| end < i64::MAX as u64);
        Patience { deadline, interruptible: false }
    }

    /// The same, ended by any handled signal.
    pub fn or_signal(self) -> Patience {
        Patience { interruptible: true, ..self }
    }

    /// Sleeps while `word` is `seen`; every `Ok` is spurious until the caller has looked again (R7). Returns at `soon` at the
    /// latest, so that the caller can report.
    pub(crate) fn wait(self, word: &Futex, seen: u32, soon: u64) -> Result<(), GaveUp> {
        #[cfg(loom)]
        let seen = if plant::planted(Bug::WordReadLate) { word.word() } else { seen };
        self.judge(word.wait(seen, Some(self.end(soon))))
    }

    /// Until when to sleep, at most until `soon`: nanoseconds of CLOCK_MONOTONIC.
    pub(crate) fn end(self, soon: u64) -> u64 {
        self.deadline.map_or(soon, |end| end.min(soon))
    }

    /// Whether a sleep that ended so was the last one.
    pub(crate) fn judge(self, woken: Woken) -> Result<(), GaveUp> {
        match woken {
            Woken::TimedOut if self.deadline.is_some_and(|end| clock::now() >= end) => Err(GaveUp::TimedOut),
            Woken::Interrupted if self.interruptible => Err(GaveUp::Interrupted),
            _ => Ok(()),
        }
    }
}
