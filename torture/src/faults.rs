// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is done to the threads meanwhile. Each kind is counted, and may be left out.

use clap::ValueEnum;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[repr(usize)]
pub enum Fault {
    /// Pauses inside the sections, of changing length (test builds)
    Delays,
    /// Signals to everybody, whose handlers use the primitives
    Signals,
    /// Threads move between CPUs; now and then all run on one
    Affinity,
    /// Forked children that use what they have inherited
    Fork,
    /// Membarriers all the time
    Membarrier,
    /// Membarrier is refused in the middle of a part of the run, by a seccomp filter
    Refused,
    /// Single threads without rseq
    Rseq,
    /// The whole process stops, and continues
    Stop,
    /// libpsref.so is loaded, used by threads that live on, and closed
    Unload,
}

/// All of them.
pub const ALL: [Fault; 9] = [
    Fault::Delays,
    Fault::Signals,
    Fault::Affinity,
    Fault::Fork,
    Fault::Membarrier,
    Fault::Refused,
    Fault::Rseq,
    Fault::Stop,
    Fault::Unload,
];

static COUNTS: [AtomicU64; ALL.len()] = [const { AtomicU64::new(0) }; ALL.len()];

impl Fault {
    /// Counts one.
    pub fn count(self) {
        COUNTS[self as usize].fetch_add(1, Relaxed);
    }

    /// How many there were.
    pub fn counted(self) -> u64 {
        COUNTS[self as usize].load(Relaxed)
    }

    /// What the table calls it.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
