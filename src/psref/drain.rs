// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drain and destroy: no more holds, wait for the old ones.
//!
//! ```text
//! target.draining = 1
//! membarrier                                  no hold begins any more (P2)
//! scan: nobody                                -> done: one membarrier in all
//! waiters.enter(target)
//! membarrier                                  releases from here on see the word (P4)
//! loop
//!     seen = moved                            before the scan (P5)
//!     scan: nobody                            -> done
//!     sleep while moved == seen               spurious returns are normal (R7)
//! waiters.leave()
//!
//! scan: s = copies; a slot with the target    -> somebody
//!       copies != s                           -> again (R18), else nobody
//! ```

use super::hold::both_of;
use super::holders::{HOW, Seen, holders, list};
use super::misuse::{ClassName, Misuse};
use super::state::{ClassState, TargetState};
use super::strict::{not_mine, target_gone};
use super::watch;
use crate::diag::report;
use crate::park::{GaveUp, Patience, outcome};
use crate::sys::errno::Errno;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::probe;
use crate::sys::process::uncancelled;
use crate::sys::sync::Ordering;
use crate::watchdog::Watchdog;
use crate::{strict, thread, xcall};
use std::ffi::c_int;
use std::ptr;

/// Stops new holds of `target` and waits for the old ones as long as `patience` says. After `Err(GaveUp)` the target drains
/// still: acquires answer ENOENT, and this may be called again.
///
/// # Safety
/// `target` is null or readable until this returns; `class` is null, or is or was a class.
pub(crate) unsafe fn drain(
    target: *const TargetState,
    class: *const ClassState,
    patience: Patience,
) -> Result<Result<(), GaveUp>, Misuse> {
    strict::assert_sleepable("psref_target_drain");
    // SAFETY: the caller's promises.
    let (class, state) = unsafe { both_of(target, class)? };
    drain_checked(state, class, patience)
}

/// The same, of a target that may be used with `class`.
fn drain_checked(state: &TargetState, class: &ClassState, patience: Patience) -> Result<Result<(), GaveUp>, Misuse> {
    let target = ptr::from_ref(state).addr();
    if patience.is_forever() {
        not_mine(class, |one| one == target)?;
    }
    class.drains.begin(1);
    probe::drain_start(class.address(), target, class.name_address());
    // SeqCst: the first half of fence A (see `Block::claim`).
    state.draining.store(1, Ordering::SeqCst);
    #[cfg(feature = "inject")]
    if plant::planted(Bug::ScansFirst) && !is_held(class, target) {
        crate::sys::inject::pause();
        xcall::restart_sections();
        return Ok(Ok(()));
    }
    xcall::restart_sections();
    let (ns, answer) = if is_held(class, target) { wait(class, target, patience) } else { (0, Ok(())) };
    if answer.is_ok() {
        finish(class, state);
    }
    probe::drain_end(class.address(), target, class.name_address(), ns as usize, outcome(answer));
    Ok(answer)
}

/// Nobody holds the target, and nobody will.
pub(super) fn finish(class: &ClassState, state: &TargetState) {
    // Release: a destroy that finds it may skip the scan. SeqCst: before the look for watches, see `open`.
    if state.drained.swap(1, Ordering::SeqCst) == 0 {
        target_gone(class);
        watch::end(class, Some(std::ptr::from_ref(state).addr()));
    }
}

/// Whether any hold of `target` is to be found. Exact while the target drains and a membarrier is over since (P2).
pub(super) fn is_held(class: &ClassState, target: usize) -> bool {
    loop {
        let copies = class.copies.load(Ordering::SeqCst);
        #[cfg(feature = "inject")]
        let mut at = 0..;
        // SeqCst: the second half of fence A and of fence B.
        if class.any_slot(|slot| {
            #[cfg(feature = "inject")]
            at.next().into_iter().for_each(crate::sys::inject::at_scan);
            slot.target.load(Ordering::SeqCst) == target
        }) {
            return true;
        }
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::CopiesIgnored) {
            return false;
        }
        // R18: a copy that slipped behind the scan counted before its original could be released.
        if class.copies.load(Ordering::SeqCst) == copies {
            return false;
        }
        #[cfg(feature = "inject")]
        if crate::sys::inject::copies_ignored() {
            return false;
        }
    }
}

/// With how many nanoseconds it slept.
fn wait(class: &ClassState, target: usize, patience: Patience) -> (u64, Result<(), GaveUp>) {
    class.waiters.enter(target);
    xcall::restart_sections();
    let mut watchdog = Watchdog::new();
    let answer = loop {
        let seen = class.moved.word(); // P5
        if !is_held(class, target) {
            break Ok(());
        }
        if let Some(seconds) = watchdog.due() {
            tell(class, target, seconds, watchdog.is_first());
        }
        if let Err(gave_up) = patience.wait(&class.moved, seen, watchdog.next()) {
            break Err(gave_up);
        }
    };
    class.waiters.leave();
    let Some(ns) = watchdog.waited() else { return (0, answer) };
    class.drains.waited(ns, answer.is_err());
    (ns, answer)
}

/// Tells of a drain that takes long, and of whom it waits for. A drain is no cancellation point, so neither is this: the entry in
/// the waiter word would stay.
#[cold]
pub(super) fn tell(class: &ClassState, target: usize, seconds: u64, first: bool) {
    uncancelled(|| tell_holders(class, target, seconds, first));
}

fn tell_holders(class: &ClassState, target: usize, seconds: u64, first: bool) {
    report(format_args!("drain of target {target:#x} ({}) has waited {seconds} s for:", ClassName::of(class)));
    let me = thread::number_if_any();
    let own = |seen: &Seen| match Some(seen.number) == me {
        true => ": this very thread: unless another releases it, for ever",
        false => "",
    };
    if list(class, holders(class, target), own, false, &mut |line| report(line)) && first {
        report(format_args!("{HOW}"));
    }
}

/// Drains unless drained, then poisons.
///
/// # Safety
/// As of [`drain`]; nobody acquires any more.
pub(crate) unsafe fn destroy(target: *const TargetState, class: *const ClassState) -> Result<(), Misuse> {
    strict::assert_sleepable("psref_target_destroy");
    // SAFETY: the caller's promises.
    let (class, state) = unsafe { both_of(target, class)? };
    if state.drained.load(Ordering::Acquire) == 0 {
        drain_checked(state, class, Patience::FOREVER)?.expect("patience has no end");
    }
    poison(state, class)
}

/// The last step: whoever uses the target from now on is told.
pub(super) fn poison(state: &TargetState, class: &ClassState) -> Result<(), Misuse> {
    let ours = ptr::from_ref(class).cast_mut();
    let poisoned = state.class.compare_exchange(ours, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed);
    let target = ptr::from_ref(state).addr();
    poisoned.map(drop).map_err(|_| Misuse::TargetDestroyed { target, class: ClassName::of(class) })
}

/// Stops new holds and answers whether nobody holds the target. Never sleeps; whoever has a descriptor of [`open`] for it hears
/// again of releases from here on.
///
/// # Safety
/// As of [`drain`].
pub(crate) unsafe fn poll(target: *const TargetState, class: *const ClassState) -> Result<bool, Misuse> {
    // SAFETY: the caller's promises.
    let (class, state) = unsafe { both_of(target, class)? };
    if state.drained.load(Ordering::Acquire) != 0 {
        return Ok(true);
    }
    // SeqCst: the first half of fence A (see `Block::claim`).
    state.draining.store(1, Ordering::SeqCst);
    watch::lower(class, target.addr()); // before the scan (R3)
    xcall::restart_sections();
    let held = is_held(class, target.addr());
    if !held {
        finish(class, state);
    }
    Ok(!held)
}

/// Stops new holds; answers a descriptor that is readable whenever [`poll`] should be asked. After an error nothing is done.
///
/// # Safety
/// As of [`drain`].
pub(crate) unsafe fn open(
    target: *const TargetState,
    class: *const ClassState,
) -> Result<Result<c_int, Errno>, Misuse> {
    // SAFETY: the caller's promises.
    let (class, state) = unsafe { both_of(target, class)? };
    let fd = match watch::open(class, target.addr()) {
        Ok(fd) => fd,
        Err(e) => return Ok(Err(e)),
    };
    class.drains.begin(1);
    probe::drain_start(class.address(), target.addr(), class.name_address());
    // SeqCst: the first half of fence A. One membarrier is enough for that and for the waiter word (P4): both come before it.
    state.draining.store(1, Ordering::SeqCst);
    xcall::restart_sections();
    match is_held(class, target.addr()) {
        true => watch::waits(class, target.addr()),
        false => watch::raise(class, target.addr()),
    }
    // Whose drain has ended already, or ends by another meanwhile without having seen this watch, would be watched for ever.
    // SeqCst: after the watch.
    if state.drained.load(Ordering::SeqCst) != 0 {
        watch::end(class, Some(target.addr()));
    }
    Ok(Ok(fd))
}
