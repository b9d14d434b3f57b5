// SPDX-License-Identifier: MIT OR Apache-2.0
//! Targets that somebody else sees to the end of, many at once and without a thread for each: what the layer above
//! (retire) builds on. Here lies what a target and a class know of it; when what is looked at, and who waits, is
//! decided there.

use super::drain::{finish, poison, tell};
pub(crate) use super::hold::or_die;
use super::hold::{both_of, target_of};
use super::misuse::{ClassName, Misuse};
use super::state::CLASSES;
pub(crate) use super::state::{ClassState, TargetState};
use super::{holders, stats, strict};
use crate::park::Futex;
use crate::percpu::slots;
use crate::sys::signals;
use crate::sys::sync::{AtomicU64, Ordering};
use crate::thread;

/// What whoever sees to retired targets sleeps on, and what tells it to look at the held ones again.
pub(crate) struct Attention {
    /// Moved by everything that is news.
    pub(crate) moved: Futex,
    /// Releases that may have been the last of a retired target; counted before the word moves.
    pub(crate) releases: AtomicU64,
}

#[cfg(not(loom))]
pub(crate) static ATTENTION: Attention = Attention { moved: Futex::new(), releases: AtomicU64::new(0) };
#[cfg(loom)]
loom::lazy_static! {
    pub(crate) static ref ATTENTION: Attention = Attention { moved: Futex::new(), releases: AtomicU64::new(0) };
}

/// After a release of a target that somebody waits for. Touches the class alone (P3).
pub(super) fn released(class: &ClassState) {
    if class.retired.load(Ordering::SeqCst) != 0 {
        ATTENTION.releases.fetch_add(1, Ordering::SeqCst);
        ATTENTION.moved.advance_and_wake_all();
    }
}

/// Stops new holds of a target, which if `fresh` nobody has begun to end: from the membarrier on that its batch
/// begins with, and for those who see the flag, at once. After an error nothing is changed.
///
/// # Safety
/// `target` is null, or readable until [`end`]; `class` is null, or is or was a class.
pub(crate) unsafe fn begin(target: *const TargetState, class: *const ClassState, fresh: bool) -> Result<(), Misuse> {
    // SAFETY: the caller's promises.
    let (class, state) = unsafe { both_of(target, class)? };
    // SeqCst: the first half of fence A (see `Block::claim`).
    if state.draining.swap(1, Ordering::SeqCst) != 0 && fresh {
        return Err(Misuse::TargetDraining { target: target.addr(), class: ClassName::of(class) });
    }
    class.retired.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

/// Calls `f` with the target of every hold of the class: exact, as a whole, for targets whose flags a membarrier has
/// followed (P2, R18); it may be called with what was released meanwhile.
pub(crate) fn each_held(class: &ClassState, f: &mut dyn FnMut(usize)) {
    loop {
        let copies = class.copies.load(Ordering::SeqCst);
        // SeqCst: the second half of fence A and of fence B.
        class.any_slot(|slot| {
            let target = slot.target.load(Ordering::SeqCst);
            if slots::is_hold(target) {
                f(target);
            }
            false
        });
        if class.copies.load(Ordering::SeqCst) == copies {
            return;
        }
    }
}

/// Releases of the target owe [`ATTENTION`] a wake-up from the next membarrier on (P4).
pub(crate) fn await_releases(class: &ClassState, target: usize) {
    class.waiters.enter(target);
}

/// The counterpart.
pub(crate) fn await_no_more(class: &ClassState) {
    class.waiters.leave();
}

/// Nobody holds the target, and nobody will: drained and poisoned.
///
/// # Safety
/// A target that [`begin`] has accepted, of this class, and that still exists.
pub(crate) unsafe fn end(target: *const TargetState, class: &ClassState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise; one that was destroyed since, against the rules, is noticed where it can be.
    let state = unsafe { target_of(target, class)? };
    finish(class, state);
    poison(state, class)
}

/// So many of the class's targets have been [`end`]ed: nothing of the class is used for them any more.
pub(crate) fn ended(class: &ClassState, targets: u64) {
    class.retired.fetch_sub(targets, Ordering::SeqCst);
}

/// In a forked child, before what is still retired there is counted again.
pub(crate) fn forget_all() {
    CLASSES.iter().for_each(|class| class.retired.store(0, Ordering::Relaxed));
}

/// Counts one again.
pub(crate) fn count(class: &ClassState) {
    class.retired.fetch_add(1, Ordering::Relaxed);
}

/// Whether the calling thread holds a target of which `is_retired` says so, by an address that is not looked behind:
/// another thread may release the hold meanwhile, and the target be gone.
pub(crate) fn is_held_here(is_retired: impl Fn(usize) -> bool) -> bool {
    let Some(me) = thread::number_if_any() else { return false };
    let holds = |class| holders::everybody(class).any(|seen| seen.number == me && is_retired(seen.target));
    CLASSES
        .iter()
        .filter(|class| class.retired.load(Ordering::SeqCst) != 0)
        // The second time for the reason that `hold::held` has.
        .any(|class| stats::visit(class, || holds(class) && signals::blocked(|| holds(class))) == Some(true))
}

/// Before a wait without limit for all that `is_retired`: that in strict classes, whose holds are released by their own
/// threads, none of it is held by the calling one.
pub(crate) fn not_mine(is_retired: impl Fn(usize) -> bool) -> Result<(), Misuse> {
    let mut retiring = CLASSES.iter().filter(|class| class.retired.load(Ordering::SeqCst) != 0);
    retiring.try_for_each(|class| stats::visit(class, || strict::not_mine(class, &is_retired)).unwrap_or(Ok(())))
}

/// Tells whom the end of a retired target has waited for.
#[cold]
pub(crate) fn tell_of(class: &ClassState, target: usize, seconds: u64, first: bool) {
    tell(class, target, seconds, first);
}
