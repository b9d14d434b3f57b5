// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers' bugs that were noticed: what was seen and what was expected. In C they end the program; the Rust and Python faces
//! can make an error of them. Wording of the kernel's own diagnostics where the kernel has one.

use super::state::{ClassState, NAME_MAX};
use std::fmt;

/// A caller's bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// A null pointer; the name of the argument.
    Null(&'static str),
    /// The target was destroyed, or never initialised.
    TargetDestroyed {
        /// The target's address.
        target: usize,
        /// The class given.
        class: ClassName,
    },
    /// The target belongs to another class.
    ClassMismatch {
        /// The target's address.
        target: usize,
        /// The class it was initialised for.
        seen: ClassName,
        /// The class given.
        expected: ClassName,
    },
    /// The target was moved after its initialisation; holds name its old address.
    TargetMoved {
        /// The target's address now.
        target: usize,
        /// The class given.
        class: ClassName,
    },
    /// The class was destroyed.
    ClassDestroyed {
        /// The class's address.
        class: usize,
        /// Its name, if it ever was a class.
        name: Option<ClassName>,
    },
    /// A class destroyed while something in it is held or being drained.
    ClassInUse {
        /// The class.
        class: ClassName,
        /// How many holds there are.
        holds: usize,
        /// One held target's address.
        target: usize,
        /// Thread id of its holder, 0 if that thread has ended.
        tid: u32,
        /// The stripe the hold lies in: a CPU's id.
        cpu: usize,
    },
    /// The psref holds nothing: released already, or its acquire answered ENOENT.
    NotHeld {
        /// The psref's address.
        psref: usize,
        /// The class given.
        class: ClassName,
    },
    /// The psref holds another target.
    TargetMismatch {
        /// The psref's address.
        psref: usize,
        /// The target it was acquired for.
        seen: usize,
        /// The target given.
        expected: usize,
        /// The class given.
        class: ClassName,
    },
    /// The psref's slot belongs to another hold: the psref was copied by assignment and released through the other copy, or
    /// overwritten.
    SlotLost {
        /// The psref's address.
        psref: usize,
        /// What the slot holds.
        seen: usize,
        /// The target given.
        expected: usize,
        /// The class given.
        class: ClassName,
    },
    /// A psref copied to itself.
    CopyToSelf {
        /// The psref's address.
        psref: usize,
        /// The class given.
        class: ClassName,
    },
    /// No memory for one more block of slots; acquire and copy cannot fail.
    NoMemory {
        /// The class given.
        class: ClassName,
    },
}

/// A class's name, kept beside its life.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ClassName {
    address: usize,
    bytes: [u8; NAME_MAX],
}

impl ClassName {
    pub(crate) fn of(class: &ClassState) -> Self {
        ClassName { address: std::ptr::from_ref(class).addr(), bytes: class.name() }
    }

    /// The name, up to where it is no UTF-8.
    pub fn as_str(&self) -> &str {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(NAME_MAX);
        let text = &self.bytes[..end];
        std::str::from_utf8(text).unwrap_or_else(|e| std::str::from_utf8(&text[..e.valid_up_to()]).unwrap_or_default())
    }
}

impl fmt::Display for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "class \"{}\"", self.as_str())
    }
}

impl fmt::Debug for ClassName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Misuse::Null(argument) => write!(f, "{argument} is NULL"),
            Misuse::TargetDestroyed { target, class } => write!(
                f,
                "psref target already destroyed: {target:#x} (or never initialised; expected a target of {class})"
            ),
            Misuse::ClassMismatch { target, seen, expected } => write!(
                f,
                "mismatched psref target class: {:#x} (ref) != {:#x} (expected): target {target:#x} is of {seen}, used with {expected}",
                seen.address, expected.address
            ),
            Misuse::TargetMoved { target, class } => write!(
                f,
                "psref target {target:#x} of {class} was initialised at another address: copied or moved since, expected in place"
            ),
            Misuse::ClassDestroyed { class, name: Some(name) } => {
                write!(f, "psref class already destroyed: {class:#x}, {name}")
            }
            Misuse::ClassDestroyed { class, name: None } => {
                write!(f, "no psref class: {class:#x}, expected what psref_class_create returned")
            }
            Misuse::ClassInUse { class, holds, target, tid, cpu } => {
                write!(
                    f,
                    "{class} is in use: {holds} passive reference(s) held, expected none; target {target:#x} is held by "
                )?;
                match tid {
                    0 => write!(f, "a thread that has ended")?,
                    tid => write!(f, "thread {tid}")?,
                }
                write!(f, " (acquired on cpu {cpu})")
            }
            Misuse::NotHeld { psref, class } => write!(
                f,
                "psref {psref:#x} holds nothing ({class}): released already, or psref_acquire answered ENOENT"
            ),
            Misuse::TargetMismatch { psref, seen, expected, class } => write!(
                f,
                "passive reference target mismatch: {seen:#x} (ref) != {expected:#x} (expected): \
                 psref {psref:#x} released for target {expected:#x}, acquired for {seen:#x} ({class})"
            ),
            Misuse::SlotLost { psref, seen, expected, class } => write!(
                f,
                "psref {psref:#x} of target {expected:#x} ({class}) has lost its slot, which holds {seen:#x}: \
                 the structure was copied by assignment and the hold released, or overwritten"
            ),
            Misuse::CopyToSelf { psref, class } => {
                write!(f, "can't copy passive reference to itself: {psref:#x} ({class})")
            }
            Misuse::NoMemory { class } => write!(
                f,
                "no memory for one more block of slots ({class}): more holds at once on one CPU than the class has room for"
            ),
        }
    }
}

impl std::error::Error for Misuse {}
