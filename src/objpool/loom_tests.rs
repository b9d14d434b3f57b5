// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of depots, of recall and of whole pools. Each model fails with the bugs that it is for planted. An object is a cell: loom
//! reports who is at it unordered, [`Thing`] who has it while another has.
//!
//! There are no sections here, and one CPU. A lock stands for the CPU: who has it is in a section there, and a cross-call takes and
//! leaves it, for what it restarts has as well not begun yet, and whoever comes after it sees what was before it.
//!
//! Not to be shown here: that links are bounds-checked (O2), for no link ever holds anything but a number of an object or none.

use super::block::Block;
use super::depot::Depots;
use super::raw::{self, HeadState};
use crate::percpu::magazine::{COUNT, ENTRIES, GUARD, LARGEST, Magazines, Recalled};
use crate::sys::explore::{Object, RACE, Twin, holds, notices};
use crate::sys::plant::{Access, Bug, planted};
use crate::sys::sync::{AtomicU64, Ordering};
use loom::cell::UnsafeCell;
use loom::sync::Mutex;
use loom::thread::{self, JoinHandle};
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

/// What is wrong where loom sees nothing: two have one object, in whatever order; one object, in no place.
const TWICE: &str = "in two places";
const LOST: &str = "lost";
const LOW: u64 = 0xffff_ffff;

/// An object: whether somebody has it.
struct Thing(UnsafeCell<bool>);

// SAFETY: whether it is used in order is what loom watches.
unsafe impl Send for Thing {}
// SAFETY: as above.
unsafe impl Sync for Thing {}

impl Thing {
    fn set(&self, had: bool) {
        // SAFETY: a word; loom sees who else is at it.
        let before = self.0.with_mut(|thing| unsafe { thing.replace(had) });
        assert_ne!(before, had, "{TWICE}");
    }
}

/// Objects, by number.
struct Things(Vec<Thing>);

impl Things {
    fn new(n: usize) -> Things {
        Things((0..n).map(|_| Thing(UnsafeCell::new(false))).collect())
    }

    fn take(&self, objects: &[usize]) {
        objects.iter().for_each(|&object| self.0[object].set(true));
    }

    fn give(&self, objects: &[usize]) {
        objects.iter().for_each(|&object| self.0[object].set(false));
    }

    /// All are in somebody's hands.
    fn all_taken(&self) {
        for (object, thing) in self.0.iter().enumerate() {
            // SAFETY: as in `set`.
            assert!(thing.0.with(|had| unsafe { *had }), "object {object} is {LOST}");
        }
    }
}

fn also<T: 'static, R: 'static>(what: &Arc<T>, f: impl FnOnce(&T) -> R + 'static) -> JoinHandle<R> {
    let what = Arc::clone(what);
    thread::spawn(move || f(&what))
}

/// A depot with all the objects, the first on top.
struct Depot {
    depots: Depots,
    head: AtomicU64,
    things: Things,
}

impl Depot {
    fn new(objects: usize) -> Arc<Depot> {
        let this = Depot {
            depots: Depots::new(objects, &mut Block::new(objects).unwrap()).unwrap(),
            head: AtomicU64::new(0),
            things: Things::new(objects),
        };
        (0..objects).rev().for_each(|object| this.depots.push(&this.head, &[object]));
        Arc::new(this)
    }

    fn pop(&self, most: usize) -> Vec<usize> {
        let mut out = vec![0; most];
        let n = self.depots.pop(&self.head, &mut out);
        out.truncate(n);
        self.things.take(&out);
        out
    }

    /// The same where there is one, whatever others do.
    fn pop_one(&self) -> usize {
        *self.pop(1).first().expect(LOST)
    }

    fn push(&self, objects: &[usize]) {
        self.things.give(objects);
        self.depots.push(&self.head, objects);
    }

    /// Everybody has given everything back.
    fn finish(&self) {
        // More than there are would be a ring.
        let most = self.things.0.len() + 1;
        assert_eq!(self.pop(most).len(), most - 1, "{LOST}");
        self.things.all_taken();
    }
}

const PUSHING: &[Bug] = &[Bug::Weakened(Ordering::Release, "AtomicU64")];
const POPPING: &[Bug] = &[Bug::Weakened(Ordering::Acquire, "AtomicU64")];

/// As many objects as threads: each finds one whenever it looks.
fn singles<const THREADS: usize>() {
    let depot = Depot::new(THREADS);
    let turn = |depot: &Depot| depot.push(&[depot.pop_one()]);
    let others: Vec<_> = (1..THREADS).map(|_| also(&depot, turn)).collect();
    turn(&depot);
    others.into_iter().for_each(|other| other.join().unwrap());
    depot.finish();
}

#[test]
fn an_object_of_a_depot_is_with_one() {
    holds("depot_two", singles::<2>);
    holds("depot_three", singles::<3>);
}

#[test]
fn a_depot_that_orders_nothing_is_noticed() {
    notices("depot_two", singles::<2>, &[PUSHING, POPPING].map(|bugs| (bugs, RACE)));
}

/// One takes a batch off three and returns it as one; the other takes two singly and returns them as one, the other way round.
fn batches() {
    let depot = Depot::new(3);
    let other = also(&depot, |depot| depot.push(&depot.pop(2)));
    let mut had = depot.pop(1);
    had.extend(depot.pop(1));
    assert!(!had.is_empty(), "{LOST}");
    had.reverse();
    depot.push(&had);
    other.join().unwrap();
    depot.finish();
}

#[test]
fn batches_are_whole() {
    holds("depot_batches", batches);
}

#[test]
fn links_that_are_not_what_the_head_stands_for_are_noticed() {
    const LATE: &[Bug] = &[Bug::LinkLate];
    const HEAD: &[Bug] = &[Bug::HeadReadLate];
    notices("depot_batches", batches, &[(LATE, TWICE), (HEAD, TWICE)]);
    notices("depot_batches", batches, &[PUSHING, POPPING].map(|bugs| (bugs, RACE)));
}

/// One takes the first object while another takes two, and gives the first of them back: the head names the same object again,
/// and what was behind it is not there.
fn same_head() {
    let depot = Depot::new(3);
    let other = also(&depot, |depot| {
        let first = depot.pop_one();
        let second = depot.pop(1);
        depot.push(&[first]);
        depot.push(&second);
    });
    let mut had = depot.pop(1);
    had.extend(depot.pop(1));
    depot.push(&had);
    other.join().unwrap();
    depot.finish();
}

#[test]
fn a_head_that_came_back_is_another() {
    holds("depot_same_head", same_head);
}

#[test]
fn a_head_without_a_generation_is_noticed() {
    notices("depot_same_head", same_head, &[(&[Bug::NoTag], TWICE)]);
}

/// A CPU with a magazine.
struct Cpu {
    magazines: Magazines,
    running: Mutex<()>,
    things: Things,
}

impl Cpu {
    /// One whose magazine has the first `inside` of the objects; the others are in the caller's hands.
    fn new(objects: usize, inside: usize) -> Arc<Cpu> {
        let this =
            Cpu { magazines: Magazines::new(LARGEST).unwrap(), running: Mutex::new(()), things: Things::new(objects) };
        (0..inside).for_each(|object| this.entry(object as u64).store(object as u64, Ordering::Relaxed));
        this.word(COUNT).store(inside as u64, Ordering::Relaxed);
        (inside..objects).for_each(|object| this.things.take(&[object]));
        Arc::new(this)
    }

    fn word(&self, offset: usize) -> &'static AtomicU64 {
        self.magazines.word(0, offset)
    }

    fn entry(&self, n: u64) -> &'static AtomicU64 {
        self.word(ENTRIES + 8 * n as usize)
    }

    /// Begins as all sections do, and ends with the low half of the count; false: the magazine is not open, or not so.
    fn section(&self, change: impl FnOnce(u64) -> Option<u64>) -> bool {
        let _running = self.running.lock().unwrap();
        // Acquire, as all loads of x86-64 are: where the magazine is open again, its count is not an earlier one.
        if self.word(GUARD).load(Ordering::Acquire) & LOW == 0 {
            return false;
        }
        let count = self.word(COUNT);
        let mut seen = count.load(Ordering::Acquire);
        let Some(now) = change(seen & LOW) else { return false };
        // A store of the low half alone, whatever the high one is by now.
        while let Err(other) = count.compare_exchange(seen, seen & !LOW | now, Ordering::Relaxed, Ordering::Relaxed) {
            seen = other;
        }
        true
    }

    fn pop(&self) -> Option<usize> {
        let mut object = 0;
        let popped = self.section(|n| {
            object = self.entry(n.checked_sub(1)?).load(Ordering::Relaxed) as usize;
            Some(n - 1)
        });
        popped.then(|| self.things.take(&[object]))?;
        Some(object)
    }

    /// Whoever finds the magazine closed keeps the object.
    fn push(&self, object: usize) {
        self.things.give(&[object]);
        let pushed = self.section(|n| {
            self.entry(n).store(object as u64, Ordering::Relaxed);
            Some(n + 1)
        });
        if !pushed {
            self.things.take(&[object]);
        }
    }

    fn recall_with(&self, restart: impl Fn()) -> Option<usize> {
        match self.magazines.recall(0, restart) {
            Recalled::Object(object) => {
                self.things.take(&[object]);
                Some(object)
            }
            Recalled::Nothing => None,
        }
    }

    fn recall(&self) -> Option<usize> {
        self.recall_with(|| {
            if !planted(Bug::NoFence) {
                drop(self.running.lock().unwrap());
            }
        })
    }

    /// Until nothing is there.
    fn recall_all(&self) -> usize {
        std::iter::from_fn(|| self.recall()).count()
    }

    /// What is left is in the magazine, which works as ever.
    fn finish(&self) {
        self.recall_all();
        self.things.all_taken();
        self.empty_and_open();
    }

    fn empty_and_open(&self) {
        let (guard, count) = (self.word(GUARD).load(Ordering::SeqCst), self.word(COUNT).load(Ordering::SeqCst));
        assert_eq!((guard & LOW, count & LOW), (LARGEST as u64, 0), "open, and empty");
    }
}

/// Two recall all there is.
fn two_recalls() {
    let cpu = Cpu::new(2, 2);
    let other = also(&cpu, Cpu::recall_all);
    let mine = cpu.recall_all();
    assert_eq!(mine + other.join().unwrap(), 2, "{LOST}");
    cpu.things.all_taken();
    cpu.empty_and_open();
}

#[test]
fn recalls_at_once_take_each_object_once() {
    holds("recall_two", two_recalls);
}

/// One stops where it has closed the magazine, until two others have taken all there is.
fn stopped() {
    let cpu = Cpu::new(1, 1);
    let others = RefCell::new(vec![also(&cpu, Cpu::recall_all), also(&cpu, Cpu::recall_all)]);
    let theirs = || others.borrow_mut().drain(..).map(|other| other.join().unwrap()).sum::<usize>();
    let mine = cpu.recall_with(|| assert_eq!(theirs(), 1, "{LOST}"));
    theirs();
    assert!(mine.is_none() || cpu.recall().is_none());
    cpu.things.all_taken();
    cpu.empty_and_open();
}

#[test]
fn nobody_waits_for_a_recall_that_stopped() {
    holds("recall_stopped", stopped);
}

#[test]
fn a_recall_that_is_left_to_others_is_noticed() {
    notices("recall_stopped", stopped, &[(&[Bug::NoHelp], LOST)]);
}

/// A section pops while another thread recalls, and pushes what it has.
fn own_cpu() {
    let cpu = Cpu::new(2, 2);
    let other = also(&cpu, |cpu| {
        cpu.recall();
        cpu.recall();
    });
    if let Some(object) = cpu.pop() {
        cpu.push(object);
    }
    other.join().unwrap();
    cpu.finish();
}

#[test]
fn a_section_is_over_before_its_magazine_is_opened_for_everybody() {
    holds("recall_own", own_cpu);
}

#[test]
fn a_magazine_that_is_frozen_under_a_section_is_noticed() {
    notices("recall_own", own_cpu, &[(&[Bug::NotClosed], RACE), (&[Bug::NoFence], RACE)]);
}

/// While one recalls, another empties the magazine, fills it with something else, and recalls again; both use sections in
/// between.
fn used_again() {
    let cpu = Cpu::new(2, 1);
    let other = also(&cpu, |cpu| {
        cpu.recall_all();
        cpu.pop();
    });
    cpu.recall_all();
    cpu.push(1);
    cpu.recall();
    other.join().unwrap();
    cpu.finish();
}

#[test]
fn a_recall_of_an_earlier_version_changes_nothing() {
    holds("recall_again", used_again);
}

#[test]
fn a_recall_that_takes_its_version_for_a_later_one_is_noticed() {
    const GUARD: Twin = (&[Bug::GuardUnversioned], RACE);
    const COUNT: Twin = (&[Bug::CountUnversioned], TWICE);
    const FIRST: Twin = (&[Bug::OpenedFirst], LOST);
    notices("recall_again", used_again, &[GUARD, COUNT, FIRST]);
    const LOOK: Twin = (&[Bug::Relaxed(Access::Load, "AtomicU64")], RACE);
    const CHANGE: Twin = (&[Bug::Relaxed(Access::Change, "AtomicU64")], RACE);
    notices("recall_again", used_again, &[LOOK, CHANGE]);
}

/// A pool, and what is there until the pool has ended.
struct Pool {
    head: Box<std::cell::UnsafeCell<HeadState>>,
    ended: Object,
}

// SAFETY: the head is used as its contract says.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

impl Pool {
    fn new(objects: c_int) -> Arc<Pool> {
        crate::thread::number(); // see `sync_loom::ready`
        let pool = Arc::new(Pool { head: Box::new(HeadState::empty().into()), ended: Object::new() });
        // SAFETY: the head is ours alone, and stays where it is.
        assert_eq!(unsafe { raw::init(pool.head(), objects, 8, 0, ptr::null_mut(), None, None) }, 0);
        pool
    }

    fn head(&self) -> *mut HeadState {
        self.head.get()
    }

    fn pop(&self) -> *mut c_void {
        // SAFETY: initialised.
        let object = unsafe { raw::pop(self.head()) };
        assert_ne!(object, ptr::null_mut(), "{LOST}");
        object
    }

    fn free(&self) {
        // SAFETY: nobody uses it any more.
        unsafe { raw::free(self.head()) };
    }
}

/// Two objects, both in the magazine, for two threads.
fn shown() {
    let pool = Pool::new(2);
    // SAFETY: lives.
    let magazines = unsafe { (*pool.head()).pool() }.unwrap().magazines;
    for n in 0..2 {
        magazines.word(0, ENTRIES + 8 * n).store(pool.pop().addr() as u64, Ordering::Relaxed);
    }
    magazines.word(0, COUNT).store(2, Ordering::Relaxed);
    let other = also(&pool, |pool| pool.pop().addr());
    let mine = pool.pop().addr();
    assert_ne!(mine, other.join().unwrap(), "{TWICE}");
    pool.free();
}

#[test]
fn nobody_gets_null_while_an_object_is_shown() {
    holds("pool_shown", shown);
}

#[test]
fn a_null_while_an_object_is_shown_is_noticed() {
    notices("pool_shown", shown, &[(&[Bug::NoHelp], LOST)]);
}

/// Two have an object each when the pool ends, and drop them: the second ends it, after what both did.
fn last_drop() {
    let pool = Pool::new(2);
    let objects = [0; 2].map(|_| pool.pop().expose_provenance());
    // SAFETY: nobody pops or pushes any more.
    unsafe { raw::fini(pool.head()) };
    let drop_one = move |pool: &Pool, which: usize| {
        pool.ended.look();
        // SAFETY: the object was popped, and is not used any more.
        let answer = unsafe { raw::drop_object(ptr::with_exposed_provenance_mut(objects[which]), pool.head()) };
        if answer == 0 {
            pool.ended.end();
        }
        answer
    };
    let other = also(&pool, move |pool| drop_one(pool, 1));
    let mut answers = [drop_one(&pool, 0), other.join().unwrap()];
    answers.sort_unstable();
    assert_eq!(answers, [-libc::EAGAIN, 0], "one of them is the last");
}

#[test]
fn the_last_drop_ends_the_pool_after_all_others() {
    holds("pool_drops", last_drop);
}

#[test]
fn drops_that_order_nothing_are_noticed() {
    notices("pool_drops", last_drop, &[(&[Bug::Weakened(Ordering::AcqRel, "AtomicU32")], RACE)]);
}
