// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strict classes. Their limit is 0 and the slots of their holds are marked, so every acquire and release takes the slow path,
//! which asks here. Notes beside the slots remember where and when (RECORDS); C's classes demand the rules of psref(9) besides
//! (RULES), which Rust's types leave no room to break or do not know: a guard may be sent and moved.
//!
//! K1. A note's `of` is the address of the psref whose hold the slot is, [`MOVABLE`] where it may move; 0 while nobody holds it,
//!     and for a moment after a claim.
//! K2. A record's `holds` is the number of its thread's holds in classes with RULES: nobody else may release them. A handler leaves
//!     it as it found it, or less what it acquired and kept.
//! K3. Nothing here takes a lock or memory: signal handlers come here (R13).

use super::hold::is_held_slot;
use super::misuse::{ClassName, Misuse};
use super::state::{CLASSES, ClassState, Hold, MARK, RULES};
use super::stats;
use crate::diag::{fatal_and, report};
use crate::percpu::slots::{Claimed, Note, Slot};
use crate::symbol::Caller;
use crate::sys::clock;
use crate::sys::sync::Ordering;
use crate::{lwp, thread};

/// `of` where holds may be moved in memory.
const MOVABLE: usize = 1;

/// M1: the thread's CPU.
pub(super) fn bound(class: &ClassState) -> Result<u32, Misuse> {
    lwp::bound_to().ok_or_else(|| Misuse::NotBound { tid: tid_of(thread::number()), class: ClassName::of(class) })
}

fn tid_of(number: u64) -> u32 {
    thread::tid_of(number).unwrap_or(0)
}

fn note_of(class: &ClassState, slot: &Slot) -> Option<&'static Note> {
    class.note(std::ptr::from_ref(slot).addr())
}

/// The slots of this class that the thread with this number holds.
fn held_by(class: &ClassState, number: u64) -> impl Iterator<Item = (&'static Slot, &'static Note)> + '_ {
    class
        .slots()
        .filter(move |(_, slot)| is_held_slot(slot) && slot.holder.load(Ordering::Relaxed) == number)
        .filter_map(|(_, slot)| Some((slot, note_of(class, slot)?)))
}

/// Before `hold` is filled: the thread is bound, and does not hold anything by this very psref.
pub(super) fn may_fill(class: &ClassState, hold: *const Hold, target: usize) -> Result<(), Misuse> {
    if class.strict() != RULES {
        return Ok(());
    }
    bound(class)?;
    let record = thread::record();
    if record.holds.load(Ordering::Relaxed) == 0 {
        return Ok(()); // K2
    }
    let me = thread::number();
    match held_by(class, me).find(|(_, note)| note.of.load(Ordering::Relaxed) == hold.addr()) {
        None => Ok(()),
        Some((_, note)) => Err(Misuse::Twice {
            psref: hold.addr(),
            target,
            class: ClassName::of(class),
            at: note.at.load(Ordering::Relaxed),
        }),
    }
}

/// After a claim: the hold as the strict class wants it, noted and counted.
pub(super) fn filled(class: &ClassState, place: *const Hold, claimed: &Claimed, hold: Hold, at: usize) -> Hold {
    let rules = class.strict() == RULES;
    let cpu = lwp::bound_to().map_or(0, |cpu| cpu as usize + 1);
    if let Some(note) = note_of(class, claimed.slot) {
        note.at.store(at, Ordering::Relaxed);
        note.since.store(clock::now(), Ordering::Relaxed);
        note.extra.store(cpu as u64, Ordering::Relaxed);
        // Release: the rest of the note before its name.
        note.of.store(if rules { place.addr() } else { MOVABLE }, Ordering::Release);
    }
    let lwp = thread::number() as usize;
    if rules {
        thread::record().holds.fetch_add(1, Ordering::Relaxed);
    }
    Hold { slot: hold.slot | MARK, debug: at, lwp, cpu, ..hold }
}

/// Of a psref that is to be released or copied: that its slot may be followed, and is its own. `None`: no rules are demanded.
///
/// # Safety
/// `hold` can be read.
pub(super) unsafe fn listed(class: &ClassState, hold: *const Hold) -> Result<Option<&'static Note>, Misuse> {
    if class.strict() != RULES {
        return Ok(None);
    }
    bound(class)?;
    // SAFETY: the caller's promise.
    let (marked, target) = unsafe { ((*hold).slot, (*hold).target) };
    let not_in_list = Misuse::NotInList { psref: hold.addr(), target, empty: marked == 0, class: ClassName::of(class) };
    let slot = marked & !MARK;
    // Another class's, perhaps: then it is told as that, by what follows.
    let note = class.note(slot).or_else(|| CLASSES.iter().find_map(|c| stats::visit(c, || c.note(slot)).flatten()));
    match note.filter(|note| marked != 0 && note.of.load(Ordering::Relaxed) == hold.addr()) {
        Some(note) => Ok(Some(note)),
        None => Err(not_in_list),
    }
}

/// M5 and M6: a listed hold is where it was acquired.
///
/// # Safety
/// `hold` can be read.
pub(super) unsafe fn stayed(class: &ClassState, hold: *const Hold) -> Result<(), Misuse> {
    if class.strict() != RULES {
        return Ok(());
    }
    // SAFETY: the caller's promise.
    let (lwp, cpu, at) = unsafe { ((*hold).lwp as u64, (*hold).cpu, (*hold).debug) };
    let (psref, me, class_name) = (hold.addr(), thread::number(), ClassName::of(class));
    if lwp != me {
        return Err(Misuse::Transferred { psref, from: tid_of(lwp), to: tid_of(me), class: class_name, at });
    }
    same_cpu(psref, cpu, bound(class)?, class_name, at)
}

fn same_cpu(psref: usize, word: usize, now: u32, class: ClassName, at: usize) -> Result<(), Misuse> {
    match u32::try_from(word.wrapping_sub(1)).unwrap_or(u32::MAX) {
        from if from == now => Ok(()),
        from => Err(Misuse::Migrated { psref, from, to: now, class, at }),
    }
}

/// Before a slot is cleared: nobody's any more.
pub(super) fn forget(class: &ClassState, slot: &Slot) {
    if class.strict() == 0 {
        return;
    }
    if let Some(note) = note_of(class, slot) {
        note.of.store(0, Ordering::Relaxed);
        note.at.store(0, Ordering::Relaxed);
    }
    if class.strict() == RULES {
        thread::record().holds.fetch_sub(1, Ordering::Relaxed);
    }
}

/// M6 for every hold of the thread's: what `psref_held` demands.
pub(super) fn all_stayed(class: &ClassState) -> Result<(), Misuse> {
    if class.strict() != RULES {
        return Ok(());
    }
    let now = bound(class)?;
    held_by(class, thread::number()).try_for_each(|(_, note)| {
        let (of, at) = (note.of.load(Ordering::Relaxed), note.at.load(Ordering::Relaxed));
        match of {
            0 => Ok(()), // a handler that interrupted the claim or the clearing
            _ => same_cpu(of, note.extra.load(Ordering::Relaxed) as usize, now, ClassName::of(class), at),
        }
    })
}

/// Before a drain without limit: that it does not wait for its own thread's hold of one that `is_drained`.
pub(super) fn not_mine(class: &ClassState, is_drained: impl Fn(usize) -> bool) -> Result<(), Misuse> {
    if class.strict() != RULES || thread::record().holds.load(Ordering::Relaxed) == 0 {
        return Ok(());
    }
    let target_of = |slot: &Slot| slot.target.load(Ordering::Relaxed);
    match held_by(class, thread::number()).find(|(slot, _)| is_drained(target_of(slot))) {
        None => Ok(()),
        Some((slot, note)) => Err(Misuse::OwnHold {
            target: target_of(slot),
            class: ClassName::of(class),
            at: note.at.load(Ordering::Relaxed),
        }),
    }
}

/// A target of a strict class was initialised.
pub(super) fn target_born(class: &ClassState) {
    if class.strict() != 0 {
        class.targets.fetch_add(1, Ordering::Relaxed);
    }
}

/// It was drained or destroyed, for the first time.
pub(super) fn target_gone(class: &ClassState) {
    if class.strict() != 0 {
        class.targets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// When a strict class is destroyed: targets nobody waited for. Told and no more: ported code frees unpublished targets on its
/// error paths.
pub(super) fn tell_targets(class: &ClassState) {
    let left = class.targets.load(Ordering::Relaxed).cast_signed();
    if class.strict() != 0 && left > 0 {
        report(format_args!(
            "psref_class_destroy: {}: {left} target(s) neither drained nor destroyed, expected none",
            ClassName::of(class)
        ));
    }
}

/// When a class with rules is created: what NetBSD would end the kernel for.
pub(super) fn tell_ipl(class: &ClassState, ipl: i32) {
    const SOFT: std::ops::RangeInclusive<i32> = 2..=5; // IPL_SOFTCLOCK to IPL_SOFTSERIAL
    if class.strict() == RULES && !SOFT.contains(&ipl) {
        report(format_args!(
            "psref_class_create: {}: Invalid IPL: {ipl}, expected IPL_SOFTCLOCK, IPL_SOFTBIO, IPL_SOFTNET or IPL_SOFTSERIAL; \
             harmless here, a panic in NetBSD",
            ClassName::of(class)
        ));
    }
}

/// For `thread::on_leak`.
pub(super) static ON_LEAK: fn(u64) = at_thread_exit;

fn at_thread_exit(number: u64) {
    leaked("thread exit", number);
}

/// `psref_debug_barrier`: the calling thread holds nothing by C's strict classes, or the program ends.
pub fn barrier() {
    if thread::record_if_any().is_some_and(|record| record.holds.load(Ordering::Relaxed) != 0) {
        leaked("psref_debug_barrier", thread::number());
    }
}

fn leaked(place: &str, number: u64) -> ! {
    // Other classes may be destroyed meanwhile; what outlives a look is memory that stays.
    let mut all = Vec::new();
    for class in CLASSES.iter().filter(|class| class.strict() == RULES) {
        stats::visit(class, || all.extend(held_by(class, number).map(|(slot, note)| (class, slot, note))));
    }
    let lwp = tid_of(number);
    let Some(&(class, slot, note)) = all.first() else {
        fatal_and(format_args!("{place}: psref leaked: lwp({lwp}) counts holds that are nowhere to be found"), || {})
    };
    fatal_and(
        format_args!(
            "{place}: psref leaked: lwp({lwp}) acquired at {:#x}: psref {:#x} holds target {:#x} ({}), {} hold(s) in all, expected \
             none",
            note.at.load(Ordering::Relaxed),
            note.of.load(Ordering::Relaxed),
            slot.target.load(Ordering::Relaxed),
            ClassName::of(class),
            all.len()
        ),
        || {
            for (class, slot, note) in all.iter().take(super::holders::SHOWN) {
                report(format_args!(
                    "  target {:#x} ({}), acquired at {}",
                    slot.target.load(Ordering::Relaxed),
                    ClassName::of(class),
                    Caller(note.at.load(Ordering::Relaxed))
                ));
            }
        },
    )
}
