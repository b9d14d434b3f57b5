// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who holds what: for programs that ask, and for drains that wait long.

use super::hold::{class_of, target_of};
use super::misuse::{ClassName, Misuse};
use super::state::{ClassState, TargetState};
use crate::percpu::{runtime, slots};
use crate::symbol::Caller;
use crate::sys::backend::Backend;
use crate::sys::sync::Ordering;
use crate::sys::{clock, process};
use crate::thread;
use std::fmt::{self, Display};

/// Holds that a report names.
pub(super) const SHOWN: usize = 16;

/// A hold that was seen in a slot.
pub(crate) struct Seen {
    pub(crate) number: u64,
    pub(crate) stripe: usize,
    pub(crate) target: usize,
    /// Where it was acquired, an address of code; 0: not recorded.
    pub(crate) at: usize,
    /// When, in nanoseconds of CLOCK_MONOTONIC; 0: not recorded.
    pub(crate) since: u64,
}

/// The holds of `target` at some moment of the iteration each. Exact for the caller's own while no handler of it interrupts;
/// of others' a hint (R26), good once the target drains and a membarrier is over, but for copies and undone claims.
pub(crate) fn holders(class: &ClassState, target: usize) -> impl Iterator<Item = Seen> + '_ {
    everybody(class).filter(move |seen| seen.target == target)
}

/// The same for all targets of the class.
pub(crate) fn everybody(class: &ClassState) -> impl Iterator<Item = Seen> + '_ {
    class.slots().filter_map(move |(stripe, slot)| {
        // R26: target, holder, target again. Acquire: the holder read is the one written before the target.
        let target = slot.target.load(Ordering::Acquire);
        if !slots::is_hold(target) {
            return None;
        }
        let number = slot.holder.load(Ordering::Acquire);
        let (mut at, mut since) = (0, 0);
        if let Some(note) = class.note(std::ptr::from_ref(slot).addr()) {
            // Acquire: the note before its name.
            let of = note.of.load(Ordering::Acquire);
            let seen = (note.at.load(Ordering::Acquire), note.since.load(Ordering::Acquire));
            if of != 0 && note.of.load(Ordering::Relaxed) == of {
                (at, since) = seen;
            }
        }
        let same = slot.target.load(Ordering::Relaxed) == target;
        same.then_some(Seen { number, stripe, target, at, since })
    })
}

/// Somebody who holds a target, as [`Target::holders`](super::Target::holders) tells it.
///
/// Source: an extension; the kernels have nothing of the kind.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Holder {
    /// Id of the thread that acquired the hold, as the system knows it; `None`: it has ended.
    pub tid: Option<u32>,
    name: [u8; 16],
    name_len: u8,
    /// The CPU that it was acquired on; `None` where that is not known (without restartable sequences).
    pub cpu: Option<u32>,
    /// Address of the code that acquired it returns to; strict classes only.
    pub acquired_at: Option<usize>,
    /// When it was acquired, nanoseconds of CLOCK_MONOTONIC; strict classes only.
    pub since: Option<u64>,
}

impl Holder {
    pub(super) fn of(seen: &Seen) -> Holder {
        let facts = runtime::get();
        let is_cpu = facts.backend() == Backend::Rseq && seen.stripe < facts.cpus();
        let mut name = [0; 16];
        let tid = thread::tid_of(seen.number);
        let name_len = tid.map_or(0, |tid| process::thread_name(tid, &mut name)) as u8;
        Holder {
            tid,
            name,
            name_len,
            cpu: u32::try_from(seen.stripe).ok().filter(|_| is_cpu),
            acquired_at: Some(seen.at).filter(|&at| at != 0),
            since: Some(seen.since).filter(|&since| since != 0),
        }
    }

    /// The thread's name, as far as it is text; empty where it has none or has ended.
    pub fn name(&self) -> &str {
        let bytes = self.name_bytes();
        std::str::from_utf8(bytes)
            .unwrap_or_else(|e| std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default())
    }

    #[doc(hidden)]
    pub fn name_bytes(&self) -> &[u8] {
        &self.name[..usize::from(self.name_len)]
    }
}

impl Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tid {
            Some(tid) => write!(f, "thread {tid}")?,
            None => f.write_str("a thread that has ended")?,
        }
        match self.cpu {
            Some(cpu) => write!(f, ", acquired on cpu {cpu}")?,
            None => f.write_str(", acquired on no cpu that is known")?,
        }
        if self.name_len != 0 {
            write!(f, ", \"{}\"", self.name().escape_default())?;
        }
        if let Some(since) = self.since {
            let tenths = (clock::now().saturating_sub(since) + 50_000_000) / 100_000_000;
            write!(f, ", {}.{} s ago", tenths / 10, tenths % 10)?;
        }
        match self.acquired_at {
            Some(at) => write!(f, ", at {}", Caller(at)),
            None => Ok(()),
        }
    }
}

/// What a report says where nothing is recorded.
pub(super) const HOW: &str = "  (where they were acquired: PSREF_STRICT=1 in the environment records it)";

/// One line for each of `all`, at most [`SHOWN`], by `line`; `also` adds what it knows of a hold. Answers whether it is worth saying
/// [`HOW`] to learn more.
pub(super) fn list(
    class: &ClassState,
    all: impl Iterator<Item = Seen>,
    also: impl Fn(&Seen) -> &'static str,
    with_target: bool,
    line: &mut dyn FnMut(fmt::Arguments<'_>),
) -> bool {
    let mut all = all;
    let mut any = false;
    for seen in all.by_ref().take(SHOWN) {
        any = true;
        let holder = Holder::of(&seen);
        match with_target {
            true => line(format_args!("  target {:#x}: {holder}{}", seen.target, also(&seen))),
            false => line(format_args!("  {holder}{}", also(&seen))),
        }
    }
    match all.count() {
        0 => {}
        more => line(format_args!("  and {more} more")),
    }
    any && class.strict() == 0
}

/// Calls `into` with each holder of a target until it answers false; answers how many there are.
///
/// # Safety
/// `target` is null or readable; `class` is null, or is or was a class.
pub(crate) unsafe fn of_target(
    target: *const TargetState,
    class: *const ClassState,
    into: &mut dyn FnMut(usize, Holder) -> bool,
) -> Result<usize, Misuse> {
    // SAFETY: the caller's promises.
    let class = unsafe {
        let class = class_of(class)?;
        target_of(target, class)?;
        class
    };
    let mut wanted = true;
    Ok(holders(class, target.addr()).enumerate().fold(0, |n, (i, seen)| {
        wanted = wanted && into(i, Holder::of(&seen));
        n + 1
    }))
}

/// What a class has: a line on itself and one a hold.
///
/// # Safety
/// `class` is null, or is or was a class.
pub(crate) unsafe fn of_class(
    class: *const ClassState,
    line: &mut dyn FnMut(fmt::Arguments<'_>),
) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let class = unsafe { class_of(class)? };
    let drains = if class.waiters.any() { ", a drain waits" } else { "" };
    line(format_args!("{}: {} hold(s){drains}", ClassName::of(class), everybody(class).count()));
    if list(class, everybody(class), |_| "", true, line) {
        line(format_args!("{HOW}"));
    }
    Ok(())
}

/// `struct psref_holder`.
#[repr(C)]
pub struct HolderC {
    tid: i32,
    cpu: i32,
    name: [u8; 24],
    acquired_at: usize,
    since: u64,
}

impl From<Holder> for HolderC {
    fn from(holder: Holder) -> HolderC {
        let mut name = [0; 24];
        name[..holder.name_bytes().len()].copy_from_slice(holder.name_bytes());
        HolderC {
            tid: holder.tid.map_or(0, u32::cast_signed),
            cpu: holder.cpu.map_or(-1, u32::cast_signed),
            name,
            acquired_at: holder.acquired_at.unwrap_or(0),
            since: holder.since.unwrap_or(0),
        }
    }
}
