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
    /// Retired, and its end had begun already: retired twice, or drained before.
    TargetDraining {
        /// The target's address.
        target: usize,
        /// The class given.
        class: ClassName,
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
        /// Where it was acquired, an address of code; 0: not recorded.
        at: usize,
    },
    /// A class destroyed while retired targets of it wait for their end.
    ClassRetires {
        /// The class.
        class: ClassName,
        /// How many there are.
        retired: u64,
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
        /// Where it was acquired, an address of code; 0: not recorded.
        at: usize,
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
    /// Strict: the thread is not bound to a CPU.
    NotBound {
        /// The thread's id.
        tid: u32,
        /// The class given.
        class: ClassName,
    },
    /// Strict: acquired into a psref that holds something.
    Twice {
        /// The psref's address.
        psref: usize,
        /// The target given.
        target: usize,
        /// The class given.
        class: ClassName,
        /// Where it was acquired first, an address of code.
        at: usize,
    },
    /// Strict: released or copied from a psref that holds nothing.
    NotInList {
        /// The psref's address.
        psref: usize,
        /// The target that it names.
        target: usize,
        /// Whether it says itself that it holds nothing.
        empty: bool,
        /// The class given.
        class: ClassName,
    },
    /// Strict: used by another thread than acquired it.
    Transferred {
        /// The psref's address.
        psref: usize,
        /// Id of the thread that acquired it; 0: it has ended.
        from: u32,
        /// Id of the calling thread.
        to: u32,
        /// The class given.
        class: ClassName,
        /// Where it was acquired, an address of code.
        at: usize,
    },
    /// Strict: used by its thread bound to another CPU.
    Migrated {
        /// The psref's address.
        psref: usize,
        /// The CPU at its acquire.
        from: u32,
        /// The CPU now.
        to: u32,
        /// The class given.
        class: ClassName,
        /// Where it was acquired, an address of code.
        at: usize,
    },
    /// Strict: a drain without limit by a thread that holds the target.
    OwnHold {
        /// The target's address.
        target: usize,
        /// The class given.
        class: ClassName,
        /// Where it was acquired, an address of code.
        at: usize,
    },
}

impl Misuse {
    /// Where the hold that it is about was acquired, an address of code; 0: not recorded.
    pub(crate) fn at(&self) -> usize {
        match *self {
            Misuse::ClassInUse { at, .. }
            | Misuse::TargetMismatch { at, .. }
            | Misuse::Twice { at, .. }
            | Misuse::Transferred { at, .. }
            | Misuse::Migrated { at, .. }
            | Misuse::OwnHold { at, .. } => at,
            _ => 0,
        }
    }
}

/// Where a hold was acquired, or how to have it recorded.
struct At(usize);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("; PSREF_STRICT=1 in the environment records where holds are acquired"),
            at => write!(f, "; acquired at {at:#x}"),
        }
    }
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
            Misuse::TargetDraining { target, class } => write!(
                f,
                "psref target {target:#x} of {class} drains already: retired twice, or drained before; expected one whose end nobody \
                 has begun"
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
            Misuse::ClassInUse { class, holds, target, tid, cpu, at } => {
                write!(
                    f,
                    "{class} is in use: {holds} passive reference(s) held, expected none; target {target:#x} is held by "
                )?;
                match tid {
                    0 => write!(f, "a thread that has ended")?,
                    tid => write!(f, "thread {tid}")?,
                }
                write!(f, " (acquired on cpu {cpu}){}", At(at))
            }
            Misuse::ClassRetires { class, retired } => write!(
                f,
                "{class} is in use: {retired} retired target(s) have not come to their end, expected none; psref_retire_barrier \
                 waits for them"
            ),
            Misuse::NotHeld { psref, class } => write!(
                f,
                "psref {psref:#x} holds nothing ({class}): released already, or psref_acquire answered ENOENT"
            ),
            Misuse::TargetMismatch { psref, seen, expected, class, at } => write!(
                f,
                "passive reference target mismatch: {seen:#x} (ref) != {expected:#x} (expected): \
                 psref {psref:#x} released for target {expected:#x}, acquired for {seen:#x} ({class}){}",
                At(at)
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
            Misuse::NotBound { tid, class } => write!(
                f,
                "passive references are CPU-local, but preemption is enabled and the caller is not in a softint or CPU-bound LWP: \
                 thread {tid} ({class}), expected curlwp_bind before"
            ),
            Misuse::Twice { psref, target, class, at } => write!(
                f,
                "The psref is already in the list (acquiring twice?): psref={psref:#x} target={target:#x} ({class}){}",
                At(at)
            ),
            Misuse::NotInList { psref, target, empty, class } => write!(
                f,
                "The psref isn't in the list (releasing unused psref?): psref={psref:#x} target={target:#x} ({class}): {}",
                match empty {
                    true => "it holds nothing: released already, or psref_acquire answered ENOENT",
                    false => {
                        "it has lost its slot, or never had it: never acquired, copied by assignment and the hold released, or \
                         overwritten"
                    }
                }
            ),
            Misuse::Transferred { psref, from, to, class, at } => write!(
                f,
                "passive reference transferred from lwp {from} to lwp {to}: psref {psref:#x} ({class}), expected the thread that \
                 acquired it{}",
                At(at)
            ),
            Misuse::Migrated { psref, from, to, class, at } => write!(
                f,
                "passive reference transferred from CPU {from} to CPU {to}: psref {psref:#x} ({class}), expected the CPU that it was \
                 acquired on{}",
                At(at)
            ),
            Misuse::OwnHold { target, class, at } => write!(
                f,
                "target {target:#x} ({class}) is held by this very thread, which would wait for itself for ever, expected \
                 psref_release before{}",
                At(at)
            ),
        }
    }
}

impl std::error::Error for Misuse {}
