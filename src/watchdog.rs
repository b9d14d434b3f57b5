// SPDX-License-Identifier: MIT OR Apache-2.0
//! A wait that takes long is told of, again and again, and goes on: what hangs silently is found last.

use crate::sys::{clock, process};
use std::sync::atomic::{AtomicU64, Ordering};

/// Says when to report.
pub(crate) struct Watchdog {
    began: u64,
    every: u64,
    next: u64,
    reports: u32,
}

const SECOND: u64 = 1_000_000_000;

impl Watchdog {
    pub(crate) fn new() -> Self {
        let began = clock::now();
        let every = patience_of_the_environment();
        Watchdog { began, every, next: began.saturating_add(every), reports: 0 }
    }

    /// When the waiter should look at the clock again: nanoseconds of CLOCK_MONOTONIC.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Nanoseconds waited so far.
    pub(crate) fn waited(&self) -> u64 {
        clock::now().saturating_sub(self.began)
    }

    /// Whether the report that is due is the wait's first: what need be said once is said there.
    pub(crate) fn is_first(&self) -> bool {
        self.reports == 1
    }

    /// Seconds waited so far, if a report is due.
    #[cold]
    pub(crate) fn due(&mut self) -> Option<u64> {
        let now = clock::now();
        if now < self.next {
            return None;
        }
        self.next = now.saturating_add(self.every);
        self.reports = self.reports.saturating_add(1);
        Some((now - self.began) / SECOND)
    }
}

/// `PSREF_DRAIN_WARN` seconds, 10 unless told; in nanoseconds.
fn patience_of_the_environment() -> u64 {
    static READ: AtomicU64 = AtomicU64::new(0);
    match READ.load(Ordering::Relaxed) {
        0 => {
            let seconds = process::environment(c"PSREF_DRAIN_WARN", |text| text.parse::<f64>().ok());
            let ns = (seconds.filter(|s| *s > 0.0).unwrap_or(10.0) * SECOND as f64) as u64;
            READ.store(ns.max(1), Ordering::Relaxed); // two who read at once read the same
            ns.max(1)
        }
        ns => ns,
    }
}
