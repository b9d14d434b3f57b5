// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers' bugs that were noticed: what was seen and what was expected.

use std::fmt;

/// A caller's bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// A null pointer.
    Null,
    /// An acquire once a drain has begun.
    Draining {
        /// The count's address.
        localcount: usize,
    },
    /// A drain by two threads at once.
    DrainedTwice {
        /// The count's address.
        localcount: usize,
    },
    /// Use after a drain that ended.
    Drained {
        /// The count's address.
        localcount: usize,
    },
    /// Use after fini, or of one whose init failed.
    Finished {
        /// The count's address.
        localcount: usize,
    },
    /// fini without a drain.
    NotDrained {
        /// The count's address.
        localcount: usize,
        /// What its cells add up to.
        holds: i64,
    },
    /// More releases than acquires.
    Negative {
        /// The count's address.
        localcount: usize,
        /// What is left.
        total: i64,
    },
    /// A drain without the interlock, or a null interlock or condition.
    Interlock {
        /// The count's address.
        localcount: usize,
        /// The interlock's address.
        interlock: usize,
    },
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Misuse::Null => f.write_str("localcount is NULL"),
            Misuse::Draining { localcount } => {
                write!(
                    f,
                    "localcount {localcount:#x} is draining: acquired, expected to be unpublished before the drain"
                )
            }
            Misuse::DrainedTwice { localcount } => {
                write!(f, "localcount {localcount:#x} is being drained by another thread, expected one drain at a time")
            }
            Misuse::Drained { localcount } => {
                write!(f, "localcount {localcount:#x} has drained: used, expected nothing but localcount_fini")
            }
            Misuse::Finished { localcount } => {
                write!(f, "localcount {localcount:#x} is finished or was never initialised, expected localcount_init")
            }
            Misuse::NotDrained { localcount, holds } => write!(
                f,
                "localcount {localcount:#x} was not drained ({holds} references), expected localcount_drain or a successful \
                 localcount_trydrain before localcount_fini"
            ),
            Misuse::Negative { localcount, total } => write!(
                f,
                "negatively referenced localcount: {localcount:#x}, {total}, expected 0 or more: released more often than acquired"
            ),
            Misuse::Interlock { localcount, interlock } => write!(
                f,
                "localcount {localcount:#x}: interlock {interlock:#x} is not held by the caller, expected held, and a condition"
            ),
        }
    }
}

impl std::error::Error for Misuse {}
