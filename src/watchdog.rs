// SPDX-License-Identifier: MIT OR Apache-2.0
//! A wait that takes long is told of, again and again, and goes on: what hangs silently is found last. Whoever finds nothing to
//! wait for has looked at no clock.

use crate::sys::{clock, process};
use std::sync::atomic::{AtomicU64, Ordering};

/// Says when to report. Asked before each sleep; the first time, the wait begins.
#[derive(Default)]
pub(crate) struct Watchdog {
    /// When; 0: it has not.
    began: u64,
    every: u64,
    next: u64,
    reports: u32,
}

pub(crate) const SECOND: u64 = 1_000_000_000;

impl Watchdog {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// When the waiter should look at the clock again: nanoseconds of CLOCK_MONOTONIC. After [`due`](Self::due).
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Nanoseconds waited so far, if there was anything to wait for.
    pub(crate) fn waited(&self) -> Option<u64> {
        (self.began != 0).then(|| clock::now().saturating_sub(self.began))
    }

    /// Whether the report that is due is the wait's first: what need be said once is said there.
    pub(crate) fn is_first(&self) -> bool {
        self.reports == 1
    }

    /// Seconds waited so far, if a report is due.
    #[cold]
    pub(crate) fn due(&mut self) -> Option<u64> {
        let now = clock::now();
        if self.began == 0 {
            self.began = now.max(1);
            self.every = patience_of_the_environment();
            self.next = now.saturating_add(self.every);
        }
        if now < self.next {
            return None;
        }
        self.next = now.saturating_add(self.every);
        self.reports = self.reports.saturating_add(1);
        Some(now.saturating_sub(self.began) / SECOND)
    }
}

/// After how many nanoseconds a wait is told of.
pub(crate) fn patience() -> u64 {
    patience_of_the_environment()
}

/// `PSREF_DRAIN_WARN` seconds, 10 unless told; in nanoseconds.
fn patience_of_the_environment() -> u64 {
    static READ: AtomicU64 = AtomicU64::new(0);
    match READ.load(Ordering::Relaxed) {
        0 => {
            let told = process::environment(c"PSREF_DRAIN_WARN", nanoseconds).filter(|&ns| ns > 0);
            let ns = told.unwrap_or(10 * SECOND);
            READ.store(ns, Ordering::Relaxed); // two who read at once read the same
            ns
        }
        ns => ns,
    }
}

/// Of seconds as a decimal number. By hand: the library would use floating-point numbers for nothing else, at 25 kilobytes.
fn nanoseconds(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let mut ns = 0_u64;
    for byte in whole.bytes() {
        ns = ns.saturating_mul(10).saturating_add(digit(byte)? * SECOND);
    }
    let mut worth = SECOND / 10;
    for byte in fraction.bytes() {
        ns = ns.saturating_add(digit(byte)? * worth);
        worth /= 10;
    }
    Some(ns)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::nanoseconds;

    #[test]
    fn seconds_are_decimal_numbers() {
        let ns = |seconds| nanoseconds(seconds);
        assert_eq!(
            [ns("10"), ns("0.1"), ns("2.5"), ns("3600")].map(Option::unwrap),
            [10_000_000_000, 100_000_000, 2_500_000_000, 3_600_000_000_000]
        );
        assert_eq!([ns(".5"), ns("7."), ns("0")].map(Option::unwrap), [500_000_000, 7_000_000_000, 0]);
        assert_eq!(ns("0.00000000123"), Some(1));
        assert_eq!(ns("99999999999999999999"), Some(u64::MAX));
        for not in ["", ".", "-1", "+1", "1e3", "ten", "1.2.3", " 1"] {
            assert_eq!(ns(not), None, "{not:?}");
        }
    }
}
