// SPDX-License-Identifier: MIT OR Apache-2.0
//! Limits to waits, as C gives them.

use arbitrary::Arbitrary;
use libc::{EINVAL, ETIMEDOUT, c_int, timespec};

/// Some that matter, and any.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Limit {
    Null,
    Zero,
    Nanoseconds(u16),
    Negative,
    NegativeNanoseconds,
    TooManyNanoseconds,
    Any(i64, i64),
}

impl Limit {
    /// None: NULL, no limit.
    pub fn timespec(self) -> Option<timespec> {
        let (tv_sec, tv_nsec) = match self {
            Limit::Null => return None,
            Limit::Zero => (0, 0),
            Limit::Nanoseconds(n) => (0, i64::from(n)),
            Limit::Negative => (-1, 999_999_999),
            Limit::NegativeNanoseconds => (1, -1),
            Limit::TooManyNanoseconds => (0, 1_000_000_000),
            Limit::Any(seconds, nanoseconds) => (seconds, nanoseconds),
        };
        Some(timespec { tv_sec, tv_nsec })
    }

    /// What a wait answers that something keeps waiting, or nothing does. None: it would take too long for a test.
    pub fn answer(self, kept: bool) -> Option<c_int> {
        match self.timespec() {
            Some(t) if t.tv_sec < 0 || !(0..1_000_000_000).contains(&t.tv_nsec) => Some(EINVAL),
            _ if !kept => Some(0),
            Some(t) if t.tv_sec == 0 && t.tv_nsec < 1_000_000 => Some(ETIMEDOUT),
            _ => None,
        }
    }
}
