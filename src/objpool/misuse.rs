// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers' bugs that were noticed, and what else a pool refuses.

use std::fmt;

/// A caller's bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// A pointer that is no object of the pool, or no pool.
    Foreign,
    /// An object that nobody had popped (strict pools).
    Twice {
        /// Its address.
        object: usize,
    },
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Misuse::Foreign => f.write_str("not an object of this pool"),
            Misuse::Twice { object } => {
                write!(f, "object {object:#x} is in the pool already, or was dropped; expected one that was popped")
            }
        }
    }
}

impl std::error::Error for Misuse {}
