// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of the slow paths and the atomics back end for loom, three preemptions deep. The object behind a target is a cell
//! whose unordered accesses loom reports; a lost wake-up is a deadlock. Each model fails with the bugs that it is for planted:
//! rules left out, and SeqCst accesses weakened one kind at a time.
//!
//! One home slot and two stripes: a thread that holds something already finds its block full and chains another one.

use super::raw::{self, ClassState, Hold, TargetState};
use super::stats;
use super::waiters::Waiters;
use crate::park::Patience;
use crate::sys::explore::{ASLEEP, Object, RACE, holds, notices};
use crate::sys::plant::{Access, Bug};
use crate::sys::sync::{AtomicPtr, AtomicU8, AtomicU32, Ordering, fence};
use loom::thread::{self, JoinHandle};
use std::sync::Arc;

/// A target and the object behind it.
struct Thing {
    class: &'static ClassState,
    target: TargetState,
    object: Object,
}

impl Thing {
    fn new() -> Arc<Thing> {
        crate::thread::number(); // see `sync_loom::ready`
        Self::of(raw::try_class_create(b"model").unwrap())
    }

    fn of(class: &'static ClassState) -> Arc<Thing> {
        let target = TargetState {
            class: AtomicPtr::new(std::ptr::null_mut()),
            draining: AtomicU8::new(0),
            drained: AtomicU8::new(0),
            place: AtomicU32::new(0),
        };
        let thing = Arc::new(Thing { class, target, object: Object::new() });
        // SAFETY: ours alone, and where it stays; its fields are atomics.
        unsafe { raw::try_target_init((&raw const thing.target).cast_mut(), class).unwrap() };
        thing
    }

    fn acquire(&self) -> Option<Hold> {
        let mut hold = Hold::EMPTY;
        // SAFETY: `self` keeps target and class.
        unsafe { raw::try_acquire(&raw mut hold, &raw const self.target, self.class) }.unwrap().then_some(hold)
    }

    fn copy(&self, from: &Hold) -> Hold {
        let mut to = Hold::EMPTY;
        // SAFETY: `from` is a live hold.
        unsafe { raw::try_copy(&raw mut to, from, self.class) }.unwrap();
        to
    }

    /// What a holder does with the object.
    fn look(&self) {
        self.object.look();
    }

    fn release(&self, mut hold: Hold) {
        // SAFETY: a live hold, released once.
        unsafe { raw::try_release(&raw mut hold, &raw const self.target, self.class) }.unwrap();
    }

    /// Drains, and ends the object.
    fn end(&self) {
        // SAFETY: `self` keeps target and class.
        unsafe { raw::try_target_drain(&raw const self.target, self.class, Patience::FOREVER) }.unwrap().unwrap();
        self.object.end();
    }

    fn visit(self: &Arc<Self>) -> JoinHandle<()> {
        let thing = Arc::clone(self);
        thread::spawn(move || {
            if let Some(hold) = thing.acquire() {
                thing.look();
                thing.release(hold);
            }
        })
    }

    fn end_elsewhere(self: &Arc<Self>) -> JoinHandle<()> {
        let thing = Arc::clone(self);
        thread::spawn(move || thing.end())
    }

    /// Nothing is held any more, and no drain is left in the waiter word.
    fn class_is_free(&self) {
        // SAFETY: the last use.
        unsafe { raw::try_class_destroy(self.class) }.unwrap();
    }
}

/// One acquires, one drains: refused, or found and waited for; and an undo wakes a drain that took it for a hold.
fn visit() {
    let thing = Thing::new();
    let visitor = thing.visit();
    thing.end();
    visitor.join().unwrap();
    assert!(thing.acquire().is_none());
    thing.class_is_free();
}

#[test]
fn no_hold_outlives_a_drain() {
    holds("visit", visit);
}

#[test]
fn no_hold_outlives_a_drain_is_noticed_when_untrue() {
    const FLAG: &[Bug] = &[Bug::NoFence, Bug::Relaxed(Access::Store, "AtomicU8")];
    const SECOND_LOOK: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU8")];
    const CLAIM: &[Bug] = &[Bug::Relaxed(Access::Store, "AtomicUsize")];
    const SCAN: &[Bug] = &[Bug::NoFence, Bug::Relaxed(Access::Load, "AtomicUsize")];
    const NO_SECOND_LOOK: &[Bug] = &[Bug::NoSecondLook];
    let racing = [FLAG, SECOND_LOOK, CLAIM, SCAN, NO_SECOND_LOOK].map(|bugs| (bugs, RACE));
    notices("visit", visit, &racing);
    notices("visit", visit, &[(&[Bug::SilentUndo], ASLEEP)]);
}

/// A drain that finds a hold sleeps until it is released.
fn wait_for_one() {
    let thing = Thing::new();
    let hold = thing.acquire().unwrap();
    let drainer = thing.end_elsewhere();
    thing.look();
    thing.release(hold);
    drainer.join().unwrap();
    thing.class_is_free();
}

#[test]
fn the_last_release_wakes_the_drain() {
    holds("wait_for_one", wait_for_one);
}

#[test]
fn a_lost_wake_up_is_noticed() {
    const CLEAR: &[Bug] = &[Bug::Relaxed(Access::Swap, "AtomicUsize")];
    const WAITER_LOOK: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU64")];
    const WAITER_RAISED: &[Bug] = &[Bug::NoFence, Bug::Relaxed(Access::Change, "AtomicU64")];
    const WORD: &[Bug] = &[Bug::WordReadLate];
    const COMPARE: &[Bug] = &[Bug::SleepsWithoutCompare];
    let asleep = [CLEAR, WAITER_LOOK, WAITER_RAISED, WORD, COMPARE].map(|bugs| (bugs, ASLEEP));
    notices("wait_for_one", wait_for_one, &asleep);
}

/// The same with a hold that another thread acquired and a late acquire beside it.
fn wait_for_two() {
    let thing = Thing::new();
    let hold = thing.acquire().unwrap();
    let visitor = thing.visit();
    let drainer = thing.end_elsewhere();
    thing.look();
    thing.release(hold);
    visitor.join().unwrap();
    drainer.join().unwrap();
    thing.class_is_free();
}

#[test]
fn a_drain_waits_for_a_hold_while_another_is_tried() {
    holds("wait_for_two", wait_for_two);
}

/// A hold is copied while the target drains; the original goes first.
fn copy_outlives() {
    copied(|thing, original, copy| {
        thing.release(original);
        thing.look();
        thing.release(copy);
    });
}

/// The copy goes first.
fn copy_goes_first() {
    copied(|thing, original, copy| {
        thing.release(copy);
        thing.look();
        thing.release(original);
    });
}

fn copied(then: fn(&Thing, Hold, Hold)) {
    let thing = Thing::new();
    let original = thing.acquire().unwrap();
    let drainer = thing.end_elsewhere();
    let copy = thing.copy(&original);
    then(&thing, original, copy);
    drainer.join().unwrap();
    thing.class_is_free();
}

#[test]
fn a_drain_waits_for_a_copy_made_behind_its_scan() {
    holds("copy_outlives", copy_outlives);
}

#[test]
fn a_drain_waits_for_an_original_that_outlives_its_copy() {
    holds("copy_goes_first", copy_goes_first);
}

#[test]
fn a_copy_that_the_scan_missed_is_noticed() {
    notices("copy_outlives", copy_outlives, &[(&[Bug::CopiesIgnored], RACE)]);
}

/// Drains of two targets of a class sleep on one word.
fn two_targets() {
    let a = Thing::new();
    let b = Thing::of(a.class);
    let (hold_a, hold_b) = (a.acquire().unwrap(), b.acquire().unwrap());
    let drainers = [a.end_elsewhere(), b.end_elsewhere()];
    a.look();
    a.release(hold_a);
    b.look();
    b.release(hold_b);
    drainers.into_iter().for_each(|drainer| drainer.join().unwrap());
    a.class_is_free();
}

#[test]
fn drains_of_two_targets_are_both_woken() {
    holds("two_targets", two_targets);
}

#[test]
fn a_drain_forgotten_for_another_is_noticed() {
    let planted: [&[Bug]; 3] = [&[Bug::FirstNameKept], &[Bug::FirstLeaverClears], &[Bug::WakesOne]];
    notices("two_targets", two_targets, &planted.map(|bugs| (bugs, ASLEEP)));
}

/// Others hold the target in the slot that the asking thread had: their hold is not taken for its own (R26).
fn held_by_others() {
    let thing = Thing::new();
    let mine = || {
        // SAFETY: `thing` keeps target and class.
        unsafe { raw::try_held(&raw const thing.target, thing.class) }.unwrap()
    };
    let hold = thing.acquire().unwrap();
    assert!(mine());
    thing.release(hold);
    thing.visit().join().unwrap(); // numbers choose stripes: the next thread comes to this one's
    let visitor = thing.visit();
    // loom compares an access with the last one to the same word alone, and before a claim's compare-and-swap that is the
    // claim's own look. This makes it try the question at every step of the visit.
    fence(Ordering::SeqCst);
    assert!(!mine(), "{NOT_MINE}");
    visitor.join().unwrap();
    thing.class_is_free();
}

const NOT_MINE: &str = "held by another, and taken for one's own";

#[test]
fn a_hold_of_another_thread_is_not_taken_for_one_s_own() {
    holds("held_by_others", held_by_others);
}

#[test]
fn a_holder_written_after_its_claim_is_noticed() {
    notices("held_by_others", held_by_others, &[(&[Bug::HolderLate], NOT_MINE)]);
}

/// Somebody looks at a class for statistics while its owner destroys it; the object stands for the slots, which go then.
fn looked_at() {
    crate::thread::number(); // see `sync_loom::ready`
    let class = raw::try_class_create(b"model").unwrap();
    let slots = Arc::new(Object::new());
    let seen = Arc::clone(&slots);
    let looker = thread::spawn(move || stats::visit(class, || seen.look()));
    // SAFETY: nobody but the looker knows of it.
    unsafe { raw::try_class_destroy(class) }.unwrap();
    slots.end();
    looker.join().unwrap();
    assert!(stats::visit(class, || ()).is_none());
}

#[test]
fn a_class_outlives_those_who_look_at_it() {
    holds("looked_at", looked_at);
}

#[test]
fn a_class_that_does_not_outlive_those_who_look_at_it_is_noticed() {
    const STATE: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU32")];
    // Either is enough: the class is closing before the membarrier that comes before its end.
    const DEAD: &[Bug] = &[Bug::NoFence, Bug::Relaxed(Access::Store, "AtomicU32")];
    const COUNT: &[Bug] = &[Bug::Relaxed(Access::Change, "AtomicU32")];
    const IGNORED: &[Bug] = &[Bug::LooksIgnored];
    notices("looked_at", looked_at, &[IGNORED, STATE, DEAD].map(|bugs| (bugs, RACE)));
    const SILENT: &[Bug] = &[Bug::SilentLook];
    notices("looked_at", looked_at, &[SILENT, COUNT].map(|bugs| (bugs, ASLEEP)));
}

const MISSING: &str = "a drain that waits is not in the word";

/// Two drains enter and leave the waiter word while nothing else happens.
fn waiter_word() {
    let word = Arc::new(Waiters::new());
    let drains = [0x1000, 0x2000].map(|target| {
        let word = Arc::clone(&word);
        thread::spawn(move || {
            word.enter(target);
            assert!(word.wait_for(target), "{MISSING}");
            word.leave();
        })
    });
    drains.into_iter().for_each(|drain| drain.join().unwrap());
    assert!(!word.any(), "nobody waits, and releases would wake");
}

#[test]
fn the_waiter_word_names_every_drain_that_waits() {
    holds("waiter_word", waiter_word);
}

#[test]
fn a_drain_missing_in_the_waiter_word_is_noticed() {
    let planted: [&[Bug]; 2] = [&[Bug::FirstNameKept], &[Bug::FirstLeaverClears]];
    notices("waiter_word", waiter_word, &planted.map(|bugs| (bugs, MISSING)));
}

const BOTH_MISSED: &str = "both missed the other's store";

/// What the models stand on: a Dekker pair of SeqCst accesses, one half of each kind.
fn dekker() {
    let words = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
    let theirs = Arc::clone(&words);
    let other = thread::spawn(move || {
        theirs[0].store(1, Ordering::SeqCst);
        theirs[1].load(Ordering::SeqCst)
    });
    words[1].swap(1, Ordering::SeqCst);
    let mine = words[0].load(Ordering::SeqCst);
    assert!(mine + other.join().unwrap() != 0, "{BOTH_MISSED}");
}

#[test]
fn two_sequential_stores_are_not_both_missed() {
    holds("dekker", dekker);
}

#[test]
fn a_dekker_pair_with_a_weak_half_is_noticed() {
    const STORE: &[Bug] = &[Bug::Relaxed(Access::Store, "AtomicU32")];
    const SWAP: &[Bug] = &[Bug::Relaxed(Access::Swap, "AtomicU32")];
    const LOAD: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU32")];
    notices("dekker", dekker, &[STORE, SWAP, LOAD].map(|bugs| (bugs, BOTH_MISSED)));
}
