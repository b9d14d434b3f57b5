// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers for people: how often somebody waited, and how long. A few additions where somebody sleeps anyway; fast
//! paths count nothing. What must be exact is not counted here.

use std::sync::atomic::{AtomicU64, Ordering};

/// Spans that waits are sorted by: span i is of 2^i nanoseconds and more, less than twice that; the last is of 9
/// minutes and more.
pub const SPANS: usize = 40;

/// Drains, seals or performs, and the waits of those that had to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// How many began.
    pub begun: u64,
    /// How many slept.
    pub waited: u64,
    /// How many of those gave up: their time was over, or a signal ended the wait.
    pub gave_up: u64,
    /// How long all of them slept, in nanoseconds.
    pub ns: u64,
    /// The longest wait, in nanoseconds.
    pub longest_ns: u64,
    /// How many waits took 2^i nanoseconds and more, and less than twice that; waits of less than 2 ns are in the
    /// first.
    pub spans: [u64; SPANS],
}

impl Waits {
    /// The spans that anything was counted in: from how many nanoseconds on, how many waits.
    pub fn histogram(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.spans.iter().enumerate().filter(|(_, n)| **n != 0).map(|(i, n)| (1 << i, *n))
    }
}

/// Where they are counted. Relaxed throughout: nothing follows from these numbers.
pub(crate) struct Ledger {
    begun: AtomicU64,
    waited: AtomicU64,
    gave_up: AtomicU64,
    ns: AtomicU64,
    longest_ns: AtomicU64,
    spans: [AtomicU64; SPANS],
}

impl Ledger {
    pub(crate) const fn new() -> Self {
        Ledger {
            begun: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            gave_up: AtomicU64::new(0),
            ns: AtomicU64::new(0),
            longest_ns: AtomicU64::new(0),
            spans: [const { AtomicU64::new(0) }; SPANS],
        }
    }

    /// So many begin.
    pub(crate) fn begin(&self, n: usize) {
        self.begun.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// One that slept has ended.
    pub(crate) fn waited(&self, ns: u64, gave_up: bool) {
        self.waited.fetch_add(1, Ordering::Relaxed);
        self.gave_up.fetch_add(u64::from(gave_up), Ordering::Relaxed);
        self.ns.fetch_add(ns, Ordering::Relaxed);
        self.longest_ns.fetch_max(ns, Ordering::Relaxed);
        let span = ns.max(1).ilog2() as usize;
        self.spans[span.min(SPANS - 1)].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Waits {
        let of = |word: &AtomicU64| word.load(Ordering::Relaxed);
        Waits {
            begun: of(&self.begun),
            waited: of(&self.waited),
            gave_up: of(&self.gave_up),
            ns: of(&self.ns),
            longest_ns: of(&self.longest_ns),
            spans: std::array::from_fn(|i| of(&self.spans[i])),
        }
    }

    /// As new, for another's use.
    pub(crate) fn clear(&self) {
        let words = [&self.begun, &self.waited, &self.gave_up, &self.ns, &self.longest_ns];
        words.into_iter().chain(&self.spans).for_each(|word| word.store(0, Ordering::Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_sorted_by_powers_of_two() {
        let ledger = Ledger::new();
        ledger.begin(7);
        for ns in [0, 1, 1023, 1024, 2047, u64::MAX] {
            ledger.waited(ns, ns == 1024);
        }
        let read = ledger.read();
        assert_eq!((read.begun, read.waited, read.gave_up), (7, 6, 1));
        assert_eq!(read.longest_ns, u64::MAX);
        assert_eq!(read.histogram().collect::<Vec<_>>(), [(1, 2), (512, 1), (1024, 2), (1 << (SPANS - 1), 1)]);
        ledger.clear();
        assert_eq!(ledger.read(), Ledger::new().read());
    }
}
