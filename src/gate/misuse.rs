// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers' bugs that were noticed: what was seen and what was expected.

use std::fmt;

/// A caller's bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// A null pointer; the name of the argument.
    Null(&'static str),
    /// Use of a device whose gate was detached, or never attached.
    Detached {
        /// The device's address.
        device: usize,
    },
    /// A seal with another gate than the one that was closed on the device.
    NotItsGate {
        /// The device's address.
        device: usize,
        /// The gate given.
        seen: usize,
        /// The gate on the device; 0: it is open.
        expected: usize,
    },
    /// A seal of an open gate, or of one whose close is not over.
    NotClosed {
        /// The device's address.
        device: usize,
    },
    /// A wait for those inside of a gate that was not sealed.
    NotSealed {
        /// The device's address.
        device: usize,
    },
    /// A gate sealed twice.
    SealedTwice {
        /// The device's address.
        device: usize,
    },
    /// A detach while the gate is closed and not sealed, or while threads are inside.
    InUse {
        /// The device's address.
        device: usize,
        /// Who is inside or waits.
        inside: i64,
    },
    /// More exits than entries.
    Negative {
        /// The device's address.
        device: usize,
        /// What is left.
        total: i64,
    },
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Misuse::Null(argument) => write!(f, "{argument} is NULL"),
            Misuse::Detached { device } => {
                write!(f, "device {device:#x} has no gate: detached, or never attached; expected device_gate_attach")
            }
            Misuse::NotItsGate { device, seen, expected: 0 } => {
                write!(
                    f,
                    "device {device:#x}: gate {seen:#x} sealed while the device's gate is open, expected device_gate_close"
                )
            }
            Misuse::NotItsGate { device, seen, expected } => {
                write!(f, "device {device:#x}: gate {seen:#x} sealed, expected its own, {expected:#x}")
            }
            Misuse::NotClosed { device } => {
                write!(
                    f,
                    "device {device:#x}: gate sealed while open or being closed, expected a close that is over first"
                )
            }
            Misuse::NotSealed { device } => write!(f, "device {device:#x}: gate not sealed, expected a seal first"),
            Misuse::SealedTwice { device } => write!(f, "device {device:#x}: gate sealed already, expected one seal"),
            Misuse::InUse { device, inside } => write!(
                f,
                "device {device:#x}: detached with {inside} inside or waiting, expected none, and a sealed gate: device_gate_close \
                 and device_gate_seal come first"
            ),
            Misuse::Negative { device, total } => {
                write!(f, "device {device:#x}: {total} inside, expected 0 or more: more exits than entries")
            }
        }
    }
}

impl std::error::Error for Misuse {}
