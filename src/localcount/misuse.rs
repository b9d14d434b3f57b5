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
    /// Strict: a release that nobody had acquired.
    Underflow {
        /// The count's address.
        localcount: usize,
    },
    /// Strict: 2^32 references.
    Overflow {
        /// The count's address.
        localcount: usize,
    },
    /// Strict: a release by who holds the interlock, and would wait for himself where a drain is under way.
    NotOwnable {
        /// The count's address.
        localcount: usize,
        /// The interlock's address.
        interlock: usize,
    },
    /// Strict: not the condition or the interlock that it was used with before.
    Other {
        /// The count's address.
        localcount: usize,
        /// "condition" or "interlock".
        what: &'static str,
        /// Its address.
        seen: usize,
        /// The one's before.
        expected: usize,
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
            Misuse::Underflow { localcount } => {
                write!(
                    f,
                    "counter underflow: localcount {localcount:#x} is released, and nobody holds it, expected an acquire before"
                )
            }
            Misuse::Overflow { localcount } => {
                write!(
                    f,
                    "counter overflow: localcount {localcount:#x} has 2^32 references, expected fewer: is a release missing?"
                )
            }
            Misuse::NotOwnable { localcount, interlock } => write!(
                f,
                "mutex_ownable(interlock): localcount {localcount:#x} is released by a thread that holds the interlock {interlock:#x}, \
                 expected one that could take it"
            ),
            Misuse::Other { localcount, what, seen, expected } => write!(
                f,
                "localcount {localcount:#x} is used with the {what} {seen:#x}, expected {expected:#x}, as before"
            ),
        }
    }
}

impl std::error::Error for Misuse {}
