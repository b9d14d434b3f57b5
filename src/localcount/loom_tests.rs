// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of counts that end, with and without an interlock, on the atomics back end: what is held is a cell whose unordered
//! accesses loom reports, a lost wake-up is a deadlock. Each model fails with the bugs that it is for planted.
//!
//! What may be weaker here, and is SeqCst for the sections' sake: the guard's compare-and-swap, for the marks in the cells do its
//! work (N4). What loom cannot tell from weaker: the futex words' order (see `sync_loom`).
//!
//! Two cells a count: the first thread and the third add to one of them, the second to the other.

use super::raw::{self, Kcondvar, Kmutex, LocalCountState};
use crate::park::{GaveUp, Patience};
use crate::sys::explore::{ASLEEP, Object, RACE, holds, notices};
use crate::sys::plant::{Access, Bug};
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Duration;

/// Additions to the cells and the total.
const ADD: &[Bug] = &[Bug::Relaxed(Access::Change, "AtomicU64")];
/// The exchange that closes a cell.
const TAKE: &[Bug] = &[Bug::Relaxed(Access::Swap, "AtomicU64")];
/// The look at the total, or at the cells by a try.
const LOOK: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU64")];

/// A count and what it guards: two things, for two drains that each end one.
struct Thing {
    state: LocalCountState,
    objects: [Object; 2],
    interlock: Kmutex,
    cv: Kcondvar,
}

impl Thing {
    fn new() -> Arc<Thing> {
        crate::thread::number(); // see `sync_loom::ready`
        let mut state = LocalCountState::closed();
        // SAFETY: ours alone; moving it later is harmless, for the library keeps no address of it between calls.
        unsafe { raw::try_init(&raw mut state) }.unwrap().unwrap();
        Arc::new(Thing {
            state,
            objects: [Object::new(), Object::new()],
            interlock: Kmutex::new(),
            cv: Kcondvar::new(),
        })
    }

    /// One that the caller holds.
    fn held() -> Arc<Thing> {
        let thing = Self::new();
        assert!(thing.acquire());
        thing
    }

    fn acquire(&self) -> bool {
        // SAFETY: `self` keeps the count.
        unsafe { raw::try_acquire(&raw const self.state) }.is_ok()
    }

    fn acquire_again(&self) {
        // SAFETY: held.
        unsafe { raw::try_acquire_again(&raw const self.state) }.unwrap();
    }

    fn look(&self) {
        self.objects.iter().for_each(Object::look);
    }

    fn release(&self) {
        // SAFETY: held.
        unsafe { raw::try_release_alone(&raw const self.state) }.unwrap();
    }

    fn drain(&self, patience: Patience) -> Result<(), GaveUp> {
        // SAFETY: `self` keeps the count.
        unsafe { raw::try_drain_alone(&raw const self.state, patience) }.unwrap()
    }

    /// Drains, and ends one of the objects.
    fn end(&self, which: usize) {
        self.drain(Patience::FOREVER).unwrap();
        self.objects[which].end();
    }

    fn release_under_interlock(&self) {
        // SAFETY: held; the same condition and interlock everywhere.
        unsafe { raw::try_release(&raw const self.state, &raw const self.cv, &raw const self.interlock) }.unwrap();
    }

    fn drain_under_interlock(&self, patience: Patience) -> Result<(), GaveUp> {
        self.interlock.enter();
        // SAFETY: `self` keeps all three.
        let drained = unsafe {
            raw::try_drain(&raw const self.state, &raw const self.cv, &raw const self.interlock, patience).unwrap()
        };
        self.interlock.exit();
        drained
    }

    /// The last use.
    fn finish(&self) {
        // SAFETY: nobody uses it any more.
        unsafe { raw::try_fini(&raw const self.state) }.unwrap();
    }
}

fn also(thing: &Arc<Thing>, f: impl FnOnce(&Thing) + 'static) -> JoinHandle<()> {
    let thing = Arc::clone(thing);
    thread::spawn(move || f(&thing))
}

fn no_time() -> Patience {
    Patience::at_most(Duration::ZERO)
}

/// One acquires, one drains: counted and waited for, or refused.
fn visit_count() {
    let thing = Thing::new();
    let visitor = also(&thing, |thing| {
        if thing.acquire() {
            thing.look();
            thing.release();
        }
    });
    thing.end(0);
    visitor.join().unwrap();
    assert!(!thing.acquire());
    thing.finish();
}

#[test]
fn no_reference_outlives_a_drain() {
    holds("visit_count", visit_count);
}

#[test]
fn no_reference_outlives_a_drain_is_noticed_when_untrue() {
    const OPEN: &[Bug] = &[Bug::CellsNotClosed];
    const LATE: &[Bug] = &[Bug::LateAdditionCounts];
    notices("visit_count", visit_count, &[(OPEN, ASLEEP), (LATE, ASLEEP)]);
    notices("visit_count", visit_count, &[ADD, TAKE, LOOK].map(|bugs| (bugs, RACE)));
}

/// A drain that finds a reference sleeps until it is released.
fn last_release() {
    let thing = Thing::held();
    let drainer = also(&thing, |thing| thing.end(0));
    thing.look();
    thing.release();
    drainer.join().unwrap();
    thing.finish();
}

#[test]
fn the_last_release_wakes_the_drain() {
    holds("last_release", last_release);
}

#[test]
fn a_lost_wake_up_is_noticed() {
    const LEAVE: &[Bug] = &[Bug::SilentLeave];
    const WORD: &[Bug] = &[Bug::WordReadLate];
    const COMPARE: &[Bug] = &[Bug::SleepsWithoutCompare];
    notices("last_release", last_release, &[LEAVE, WORD, COMPARE].map(|bugs| (bugs, ASLEEP)));
}

/// Two drain at once; each ends what is its own.
fn two_drainers() {
    let thing = Thing::held();
    let drainers = [0, 1].map(|which| also(&thing, move |thing| thing.end(which)));
    thing.look();
    thing.release();
    drainers.into_iter().for_each(|drainer| drainer.join().unwrap());
    thing.finish();
}

#[test]
fn both_who_drain_wait_for_a_reference() {
    holds("two_drainers", two_drainers);
}

#[test]
fn a_drain_that_is_content_too_soon_or_forgotten_is_noticed() {
    const SUM: &[Bug] = &[Bug::SumShownLate];
    const SHOWN: &[Bug] = &[Bug::Relaxed(Access::Store, "AtomicUsize")];
    const SEEN: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicUsize")];
    const CLOSE: &[Bug] = &[Bug::SilentClose];
    const ONE: &[Bug] = &[Bug::WakesOne];
    notices("two_drainers", two_drainers, &[SUM, SHOWN, SEEN].map(|bugs| (bugs, RACE)));
    notices("two_drainers", two_drainers, &[CLOSE, ONE].map(|bugs| (bugs, ASLEEP)));
}

/// A reference is cloned while the count drains; the original goes first.
fn clone_while_draining() {
    let thing = Thing::held();
    let drainer = also(&thing, |thing| thing.end(0));
    thing.acquire_again();
    thing.release();
    thing.look();
    thing.release();
    drainer.join().unwrap();
    thing.finish();
}

#[test]
fn a_drain_waits_for_a_clone() {
    holds("clone_while_draining", clone_while_draining);
}

#[test]
fn a_clone_that_is_not_counted_is_noticed() {
    notices("clone_while_draining", clone_while_draining, &[(&[Bug::CloneUncounted], ASLEEP)]);
}

/// A reference is released while somebody tries to drain, who waits if that was too early.
fn try_drain() {
    let thing = Thing::held();
    let releaser = also(&thing, |thing| {
        thing.look();
        thing.release();
    });
    // SAFETY: the count is alive, and nobody acquires.
    if unsafe { raw::try_trydrain(&raw const thing.state) }.unwrap() {
        thing.objects[0].end();
    } else {
        thing.end(0);
    }
    releaser.join().unwrap();
    thing.finish();
}

#[test]
fn a_try_tells_the_truth_and_changes_nothing() {
    holds("try_drain", try_drain);
}

#[test]
fn a_try_that_does_not_learn_of_releases_is_noticed() {
    notices("try_drain", try_drain, &[ADD, LOOK].map(|bugs| (bugs, RACE)));
}

/// One gives up, and drains again with more time.
fn impatient() {
    let thing = Thing::held();
    let drainer = also(&thing, |thing| {
        let _ = thing.drain(no_time());
        thing.end(0);
    });
    thing.look();
    thing.release();
    drainer.join().unwrap();
    thing.finish();
}

#[test]
fn a_drain_that_gave_up_can_be_repeated() {
    holds("impatient_drain", impatient);
}

/// Two references, released under the interlock that the drain sleeps on.
fn interlocked() {
    let thing = Thing::held();
    thing.acquire_again();
    let drainer = also(&thing, |thing| {
        thing.drain_under_interlock(Patience::FOREVER).unwrap();
        thing.objects[0].end();
    });
    let other = also(&thing, |thing| {
        thing.look();
        thing.release_under_interlock();
    });
    thing.look();
    thing.release_under_interlock();
    drainer.join().unwrap();
    other.join().unwrap();
    thing.finish();
}

#[test]
fn a_drain_under_an_interlock_waits_for_two() {
    holds("interlocked", interlocked);
}

#[test]
fn a_release_past_the_interlock_is_noticed() {
    const PAST: &[Bug] = &[Bug::InterlockIgnored];
    const OPEN: &[Bug] = &[Bug::CellsNotClosed];
    notices("interlocked", interlocked, &[(PAST, ASLEEP), (OPEN, ASLEEP)]);
    notices("interlocked", interlocked, &[ADD, TAKE].map(|bugs| (bugs, RACE)));
}

/// The same with a drain that gives up first.
fn interlocked_impatient() {
    let thing = Thing::held();
    let drainer = also(&thing, |thing| {
        let _ = thing.drain_under_interlock(no_time());
        if thing.state.guard() != super::state::DRAINED {
            thing.drain_under_interlock(Patience::FOREVER).unwrap();
        }
        thing.objects[0].end();
    });
    thing.look();
    thing.release_under_interlock();
    drainer.join().unwrap();
    thing.finish();
}

#[test]
fn a_drain_under_an_interlock_that_gave_up_can_be_repeated() {
    holds("interlocked_impatient", interlocked_impatient);
}
