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

use super::hold::{Holder, class_of, holders, target_of};
use super::misuse::{ClassName, Misuse};
use super::state::{ClassState, TargetState};
use crate::diag::report;
use crate::park::{GaveUp, Patience};
#[cfg(loom)]
use crate::sys::plant::{self, Bug};
use crate::sys::sync::Ordering;
use crate::thread;
use crate::watchdog::Watchdog;
use crate::xcall;
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
    // SAFETY: the caller's promises.
    let (class, state) = unsafe {
        let class = class_of(class)?;
        (class, target_of(target, class)?)
    };
    // SeqCst: the first half of fence A (see `Block::claim`).
    state.draining.store(1, Ordering::SeqCst);
    xcall::restart_sections();
    let target = target.addr();
    if is_held(class, target)
        && let Err(gave_up) = wait(class, target, patience)
    {
        return Ok(Err(gave_up));
    }
    // Release: a destroy that finds it may skip the scan.
    state.drained.store(1, Ordering::Release);
    Ok(Ok(()))
}

/// Whether any hold of `target` is to be found. Exact while the target drains and a membarrier is over since (P2).
fn is_held(class: &ClassState, target: usize) -> bool {
    loop {
        let copies = class.copies.load(Ordering::SeqCst);
        // SeqCst: the second half of fence A and of fence B.
        let mut slots = class.slots().enumerate();
        if slots.any(|(_at, (_, slot))| {
            #[cfg(feature = "inject")]
            crate::sys::inject::at_scan(_at);
            slot.target.load(Ordering::SeqCst) == target
        }) {
            return true;
        }
        #[cfg(loom)]
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

fn wait(class: &ClassState, target: usize, patience: Patience) -> Result<(), GaveUp> {
    class.waiters.enter(target);
    xcall::restart_sections();
    let mut watchdog = Watchdog::new();
    let answer = loop {
        let seen = class.moved.word(); // P5
        if !is_held(class, target) {
            break Ok(());
        }
        if let Some(seconds) = watchdog.due() {
            tell(class, target, seconds);
        }
        if let Err(gave_up) = patience.wait(&class.moved, seen, watchdog.next()) {
            break Err(gave_up);
        }
    };
    class.waiters.leave();
    answer
}

/// Tells of a drain that takes long, and of whom it waits for.
#[cold]
fn tell(class: &ClassState, target: usize, seconds: u64) {
    report(format_args!("drain of target {target:#x} ({}) has waited {seconds} s for:", ClassName::of(class)));
    let mut all = holders(class, target);
    for Holder { number, stripe } in all.by_ref().take(SHOWN) {
        match thread::tid_of(number) {
            Some(tid) if thread::number_if_any() == Some(number) => report(format_args!(
                "  this very thread {tid}, acquired on cpu {stripe}: unless another releases it, for ever"
            )),
            Some(tid) => report(format_args!("  thread {tid}, acquired on cpu {stripe}")),
            None => report(format_args!("  a thread that has ended, acquired on cpu {stripe}")),
        }
    }
    match all.count() {
        0 => {}
        more => report(format_args!("  and {more} more")),
    }
}

/// Holds that a report names.
const SHOWN: usize = 16;

/// Drains unless drained, then poisons.
///
/// # Safety
/// As of [`drain`]; nobody acquires any more.
pub(crate) unsafe fn destroy(target: *const TargetState, class: *const ClassState) -> Result<(), Misuse> {
    // SAFETY: the caller's promises.
    let state = unsafe { target_of(target, class_of(class)?)? };
    if state.drained.load(Ordering::Acquire) == 0 {
        // SAFETY: passed on.
        unsafe { drain(target, class, Patience::FOREVER)? }.expect("patience has no end");
    }
    let poisoned = state.class.compare_exchange(class.cast_mut(), ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed);
    poisoned.map(drop).map_err(|_| Misuse::TargetDestroyed {
        target: target.addr(),
        // SAFETY: classes are type-stable.
        class: ClassName::of(unsafe { &*class }),
    })
}
