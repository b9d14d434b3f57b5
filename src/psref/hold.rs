// SPDX-License-Identifier: MIT OR Apache-2.0
//! Acquire, release, copy, held: the slow paths, which are whole implementations of their own, and what the fast paths leave
//! out. No lock, no malloc: signal handlers come here too (R13).

use super::holders::holders;
use super::misuse::{ClassName, Misuse};
use super::state::{CLASSES, ClassState, Hold, MARK, RULES, TargetState};
use super::{retired, strict, watch};
use crate::diag::{fatal, fatal_and, report};
use crate::percpu::slots::{self, Claimed, Refused, Slot, TOMBSTONE};
use crate::symbol::Caller;
use crate::sys::atomic;
use crate::sys::errno;
#[cfg(feature = "inject")]
use crate::sys::plant::{self, Bug};
use crate::sys::signals;
use crate::sys::sync::{AtomicU8, Ordering, compiler_fence};
use crate::thread;

/// The C face's answer to a misuse.
pub(crate) fn or_die<T>(function: &str, answer: Result<T, Misuse>) -> T {
    answer.unwrap_or_else(|misuse| match misuse.at() {
        0 => fatal(format_args!("{function}: {misuse}")),
        at => fatal_and(format_args!("{function}: {misuse}"), || report(format_args!("  acquired at {}", Caller(at)))),
    })
}

/// A class that may be used.
///
/// # Safety
/// None is needed: what is no class is noticed.
pub(super) unsafe fn class_of<'a>(class: *const ClassState) -> Result<&'a ClassState, Misuse> {
    if class.is_null() {
        return Err(Misuse::Null("class"));
    }
    if !CLASSES.contains(class) {
        return Err(Misuse::ClassDestroyed { class: class.addr(), name: None });
    }
    // SAFETY: one of the pool's; they are type-stable.
    let state = unsafe { &*class };
    if state.is_live() {
        Ok(state)
    } else {
        Err(Misuse::ClassDestroyed { class: class.addr(), name: Some(ClassName::of(state)) })
    }
}

/// A target that may be used with `class`.
///
/// # Safety
/// `target` is null or readable.
pub(super) unsafe fn target_of<'a>(target: *const TargetState, class: &ClassState) -> Result<&'a TargetState, Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { target.as_ref() }.ok_or(Misuse::Null("target"))?;
    let seen = state.class.load(Ordering::Acquire).cast_const();
    if !std::ptr::eq(seen, class) {
        return Err(if CLASSES.contains(seen) {
            // SAFETY: one of the pool's; they are type-stable.
            let seen = ClassName::of(unsafe { &*seen });
            Misuse::ClassMismatch { target: target.addr(), seen, expected: ClassName::of(class) }
        } else {
            // Null after destroy; anything at all in memory that was freed or never initialised.
            Misuse::TargetDestroyed { target: target.addr(), class: ClassName::of(class) }
        });
    }
    if !state.is_in_place() {
        return Err(Misuse::TargetMoved { target: target.addr(), class: ClassName::of(class) });
    }
    Ok(state)
}

/// A target that may be used with `class`, which may be used.
///
/// # Safety
/// `target` is null or readable; `class` is null, or is or was a class.
#[inline]
pub(super) unsafe fn both_of<'a>(
    target: *const TargetState,
    class: *const ClassState,
) -> Result<(&'a ClassState, &'a TargetState), Misuse> {
    // SAFETY: the caller's promise.
    if let Some(state) = unsafe { target.as_ref() }
        && !class.is_null()
        && std::ptr::eq(state.class.load(Ordering::Acquire), class)
        && state.is_in_place()
    {
        // SAFETY: `init` has found it to be one of the pool's, as fast paths rely on too; they are type-stable.
        let class = unsafe { &*class };
        if class.is_live() {
            return Ok((class, state));
        }
    }
    // SAFETY: passed on.
    unsafe { both_by_parts(target, class) }
}

#[cold]
unsafe fn both_by_parts<'a>(
    target: *const TargetState,
    class: *const ClassState,
) -> Result<(&'a ClassState, &'a TargetState), Misuse> {
    // SAFETY: the caller's promises.
    unsafe {
        let class = class_of(class)?;
        Ok((class, target_of(target, class)?))
    }
}

fn check_hold(hold: *mut Hold) -> Result<(), Misuse> {
    if hold.is_null() { Err(Misuse::Null("psref")) } else { Ok(()) }
}

/// Acquires; false: the target is draining, and the hold is empty. `at`: where from, for strict classes.
///
/// # Safety
/// `hold` is null or the caller's to write; `target` is null or readable until this returns (R1); `class` is null, or is or was
/// a class.
pub(crate) unsafe fn acquire(
    hold: *mut Hold,
    target: *const TargetState,
    class: *const ClassState,
    at: usize,
) -> Result<bool, Misuse> {
    check_hold(hold)?;
    // SAFETY: the caller's promises.
    let (class, state) = unsafe {
        let class = class_of(class)?;
        if target.is_null() {
            return Err(Misuse::Null("target"));
        }
        strict::may_fill(class, hold, target.addr())?;
        (class, target_of(target, class)?)
    };
    class.slow.add();
    let claimed = claim(class, hold, target.addr(), Some(&state.draining))?;
    // SAFETY: the caller's to write.
    unsafe { *hold = claimed.as_ref().map_or(Hold::EMPTY, |claimed| filled(class, hold, claimed, target, at)) };
    Ok(claimed.is_some())
}

fn filled(class: &ClassState, place: *const Hold, claimed: &Claimed, target: *const TargetState, at: usize) -> Hold {
    let slot = std::ptr::from_ref(claimed.slot).expose_provenance();
    let mark = if claimed.by_exchange { MARK } else { 0 };
    let hold = Hold { slot: slot | mark, target: target.expose_provenance(), ..Hold::EMPTY };
    if class.strict() != 0 { strict::filled(class, place, claimed, hold, at) } else { hold }
}

/// Claims a slot somewhere, making room where there is none. `None`: the guard was set.
fn claim(
    class: &ClassState,
    hold: *const Hold,
    target: usize,
    guard: Option<&AtomicU8>,
) -> Result<Option<Claimed>, Misuse> {
    let _errno = errno::Preserve::new();
    #[cfg(feature = "inject")]
    crate::sys::inject::at_slow_path();
    let holder = thread::number();
    let home = (hold.addr() >> 3).wrapping_add(holder as usize); // as the fast path hashes
    loop {
        for block in class.blocks() {
            match block.claim(target, holder, guard, home, || wake(class, target)) {
                Ok(claimed) => return Ok(Some(claimed)),
                Err(Refused::Guarded) => return Ok(None),
                Err(Refused::Full) => {}
            }
        }
        class.grow().map_err(|_| Misuse::NoMemory { class: ClassName::of(class) })?;
    }
}

/// Releases.
///
/// # Safety
/// `hold` is null, or was filled by acquire or copy and not changed since but by release; `target` is null or what was
/// acquired; `class` is null, or is or was a class.
pub(crate) unsafe fn release(
    hold: *mut Hold,
    target: *const TargetState,
    class: *const ClassState,
) -> Result<(), Misuse> {
    check_hold(hold)?;
    // SAFETY: the caller's promise.
    let class = unsafe { class_of(class)? };
    if target.is_null() {
        return Err(Misuse::Null("target"));
    }
    // SAFETY: the caller's promise.
    let note = unsafe { strict::listed(class, hold)? };
    // SAFETY: the caller's promise.
    let (marked, acquired) = unsafe { ((*hold).slot, (*hold).target) };
    if marked == 0 {
        return Err(Misuse::NotHeld { psref: hold.addr(), class: ClassName::of(class) });
    }
    if acquired != target.addr() {
        return Err(Misuse::TargetMismatch {
            psref: hold.addr(),
            seen: acquired,
            expected: target.addr(),
            class: ClassName::of(class),
            at: note.map_or(0, |note| note.at.load(Ordering::Relaxed)),
        });
    }
    let slot = slot_of(marked);
    match slot.target.load(Ordering::Relaxed) {
        seen if seen == acquired => {
            // SAFETY: the slot says that the hold is live, so it still keeps the target alive.
            unsafe { target_of(target, class)? };
        }
        // A forked child gives back what a thread that did not come along had taken; nobody waits for that.
        TOMBSTONE => {}
        seen => {
            return Err(Misuse::SlotLost { psref: hold.addr(), seen, expected: acquired, class: ClassName::of(class) });
        }
    }
    // SAFETY: the caller's to read and write.
    unsafe {
        strict::stayed(class, hold)?;
        (*hold).slot = 0;
    }
    strict::forget(class, slot);
    if marked & MARK != 0 {
        atomic::clear(&slot.target);
    } else {
        // Release: what the holder did before happens before the end of a drain whose scan (acquire) finds null here. No more
        // is needed: the drain's membarrier stands between its raising of the waiter word and that scan (P4).
        slot.target.store(0, Ordering::Release);
        compiler_fence(Ordering::SeqCst);
    }
    #[cfg(feature = "inject")]
    if plant::planted(Bug::TouchesAfterRelease) {
        crate::sys::inject::pause();
        // SAFETY: none: the planted bug.
        std::hint::black_box(unsafe { (*target).draining.load(Ordering::Relaxed) });
    }
    wake(class, acquired);
    Ok(())
}

/// The slot of a hold that is not empty.
fn slot_of(marked: usize) -> &'static Slot {
    // SAFETY: written by a claim; slots are mapped for ever (G1).
    unsafe { &*std::ptr::with_exposed_provenance(marked & !MARK) }
}

/// Whether a slot is somebody's.
pub(super) fn is_held_slot(slot: &Slot) -> bool {
    slots::is_hold(slot.target.load(Ordering::Relaxed))
}

/// After a slot of `target` was cleared: wakes the drains that wait for it. Touches the class alone (P3).
pub(crate) fn wake(class: &ClassState, target: usize) {
    if class.waiters.wait_for(target) {
        class.moved.advance_and_wake_all();
        watch::raise(class, target);
        retired::released(class);
    }
}

/// Copies a hold. Never fails, also while the target drains (R18). `at`: where from, for strict classes.
///
/// # Safety
/// `to` is null or the caller's to write; `from` is null or a live hold of the caller's; `class` is null, or is or was a class.
pub(crate) unsafe fn copy(to: *mut Hold, from: *const Hold, class: *const ClassState, at: usize) -> Result<(), Misuse> {
    check_hold(to)?;
    check_hold(from.cast_mut())?;
    // SAFETY: the caller's promise.
    let class = unsafe { class_of(class)? };
    if class.strict() == RULES {
        strict::bound(class)?;
    }
    if std::ptr::eq(to, from) {
        return Err(Misuse::CopyToSelf { psref: to.addr(), class: ClassName::of(class) });
    }
    // SAFETY: the caller's promise.
    unsafe { strict::listed(class, from)? };
    // SAFETY: the caller's promise.
    let (marked, held) = unsafe { ((*from).slot, (*from).target) };
    if marked == 0 {
        return Err(Misuse::NotHeld { psref: from.addr(), class: ClassName::of(class) });
    }
    let seen = slot_of(marked).target.load(Ordering::Relaxed); // the caller's own hold: nobody else changes it
    if seen != held {
        return Err(Misuse::SlotLost { psref: from.addr(), seen, expected: held, class: ClassName::of(class) });
    }
    let target: *const TargetState = std::ptr::with_exposed_provenance(held);
    // SAFETY: `from` keeps the target alive.
    let state = unsafe {
        strict::stayed(class, from)?;
        target_of(target, class)?
    };
    strict::may_fill(class, to, held)?;
    class.slow.add();
    let claimed = match claim(class, to, held, Some(&state.draining))? {
        Some(claimed) => claimed,
        None => {
            let claimed = claim(class, to, held, None)?.expect("an unguarded claim is not refused");
            // R18: the claim first, then the count, both before `from` can be released: a drain whose scan passed the new slot
            // before the claim and `from`'s after its release finds the count moved. SeqCst: also against the drain's scan.
            class.copies.fetch_add(1, Ordering::SeqCst);
            claimed
        }
    };
    // SAFETY: the caller's to write.
    unsafe { *to = filled(class, to, &claimed, target, at) };
    Ok(())
}

/// Whether the calling thread holds `target`.
///
/// # Safety
/// `target` is null or readable; `class` is null, or is or was a class.
pub(crate) unsafe fn held(target: *const TargetState, class: *const ClassState) -> Result<bool, Misuse> {
    // SAFETY: the caller's promises.
    let class = unsafe {
        let class = class_of(class)?;
        target_of(target, class)?;
        class
    };
    strict::all_stayed(class)?;
    let Some(me) = thread::number_if_any() else { return Ok(false) };
    let found = || holders(class, target.addr()).any(|holder| holder.number == me);
    // Once more without signals: a handler of this thread that claims and releases a slot between the loads of `holders`
    // leaves its number beside another thread's hold (models/held.pml).
    Ok(found() && signals::blocked(found))
}
