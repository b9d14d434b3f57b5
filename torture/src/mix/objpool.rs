// SPDX-License-Identifier: MIT OR Apache-2.0
//! Object pools: fewer objects than are wanted, each with an owner word, popped and pushed one by one and in batches, by fast paths
//! and slow ones, handed to other threads and CPUs so that magazines are recalled; and short-lived pools of a thread's own.

use super::{Mix, Turn};
use crate::board::Count;
use crate::failure::fail;
use crate::random::Random;
use psref::objpool::raw::{self, HeadState, Statistics};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

/// Bytes of an object; the first word of it is the owner's, and nobody is 0.
const SIZE: c_int = 64;
/// Most objects that one thread takes at once.
const BULK: usize = 12;

type Object = *mut c_void;

/// Objects on their way to another thread.
struct Hands(Vec<Object>);

// SAFETY: whoever has them may use them.
unsafe impl Send for Hands {}

pub struct Stock {
    head: Box<UnsafeCell<HeadState>>,
    objects: usize,
    handed: Mutex<Hands>,
    handlers: AtomicU64,
}

// SAFETY: a pool may be used by all threads at once.
unsafe impl Sync for Stock {}

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn pop_bulk(_: *mut HeadState, _: *mut Object, _: usize) -> usize {
    psref::__objpool_pop_bulk_body!(psref::objpool::entry::pop_bulk_slow)
}

#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn push_bulk(_: *const Object, _: usize, _: *mut HeadState) -> c_int {
    psref::__objpool_push_bulk_body!(psref::objpool::entry::push_bulk_slow)
}

#[cfg(not(target_arch = "x86_64"))]
use raw::{pop_bulk, push_bulk};

/// Whoever popped an object says so.
fn own(object: Object, me: u64) {
    // SAFETY: an object's first word.
    let before = unsafe { AtomicU64::from_ptr(object.cast()) }.swap(me, AcqRel);
    if before != 0 {
        fail(format_args!("object {object:p} was popped by {me:#x} while {before:#x} had it"));
    }
}

/// Before it is pushed.
fn disown(object: Object, me: u64) {
    // SAFETY: an object's first word.
    let before = unsafe { AtomicU64::from_ptr(object.cast()) }.swap(0, AcqRel);
    if before != me {
        fail(format_args!("object {object:p} of {me:#x} was taken by {before:#x}"));
    }
}

fn empty_head() -> Box<UnsafeCell<HeadState>> {
    // SAFETY: numbers and null pointers, for which zero is a value.
    Box::new(UnsafeCell::new(unsafe { std::mem::zeroed() }))
}

impl Stock {
    pub fn new(threads: usize) -> Stock {
        let head = empty_head();
        let objects = (threads * 2).max(BULK);
        // SAFETY: ours alone.
        let made = unsafe { raw::init(head.get(), objects as c_int, SIZE, 0, ptr::null_mut(), None, None) };
        assert_eq!(made, 0, "a pool of {objects} objects");
        Stock { head, objects, handed: Mutex::new(Hands(Vec::new())), handlers: AtomicU64::new(1 << 40) }
    }

    fn pop(&self, slowly: bool) -> Option<Object> {
        // SAFETY: the pool lives as long as `self`.
        let object = unsafe { if slowly { raw::pop_slowly(self.head.get()) } else { raw::pop(self.head.get()) } };
        (!object.is_null()).then_some(object)
    }

    fn push(&self, object: Object, slowly: bool) {
        let head = self.head.get();
        // SAFETY: popped, and not used any more.
        let answer = unsafe { if slowly { raw::push_slowly(object, head) } else { raw::push(object, head) } };
        if answer != 0 {
            fail(format_args!("object {object:p} of the pool was refused: {answer}"));
        }
    }

    fn take(&self, mine: &mut Vec<Object>, turn: &mut Turn) {
        let from = mine.len();
        if turn.random.one_in(4) {
            let mut batch = [ptr::null_mut(); BULK];
            let n = 1 + turn.random.below(BULK);
            let slowly = turn.random.one_in(4);
            // SAFETY: there is room.
            let got = unsafe {
                match slowly {
                    true => raw::pop_bulk(self.head.get(), batch.as_mut_ptr(), n),
                    false => pop_bulk(self.head.get(), batch.as_mut_ptr(), n),
                }
            };
            mine.extend_from_slice(&batch[..got]);
        } else {
            mine.extend(self.pop(turn.random.one_in(8)));
        }
        turn.count(if mine.len() == from { Count::None } else { Count::Operations }, (mine.len() - from).max(1) as u64);
    }

    /// Slow paths of the pool, and recalls.
    pub fn statistics(&self) -> Statistics {
        let mut out = Statistics::default();
        // SAFETY: the pool lives as long as `self`.
        unsafe { raw::statistics(self.head.get(), -1, &raw mut out) };
        out
    }
}

impl Mix for Stock {
    fn used(&self, turn: &mut Turn) {
        let me = turn.desk.tid.load(Relaxed) as u64;
        let mut mine: Vec<Object> = Vec::new();
        for _ in 0..1 + turn.random.below(4) {
            let from = mine.len();
            self.take(&mut mine, turn);
            mine[from..].iter().for_each(|&object| own(object, me));
        }
        turn.wander();
        turn.random.dawdle();
        if turn.random.one_in(3)
            && let Ok(mut handed) = self.handed.try_lock()
        {
            // With nothing left, as many are given back as are taken: who waits for objects would wait for each other.
            let others = std::mem::take(&mut handed.0);
            for &object in mine.iter().take(2) {
                disown(object, me);
                own_handed(object);
                handed.0.push(object);
            }
            let given = mine.len().min(2);
            mine.drain(..given);
            turn.count(Count::Handed, given as u64);
            drop(handed);
            for object in others {
                disown(object, HANDED);
                own(object, me);
                mine.push(object);
            }
        }
        mine.iter().for_each(|&object| disown(object, me));
        if turn.random.one_in(4) {
            let slowly = turn.random.one_in(4);
            // SAFETY: popped, and not used any more.
            let answer = unsafe {
                match slowly {
                    true => raw::push_bulk(mine.as_ptr(), mine.len(), self.head.get()),
                    false => push_bulk(mine.as_ptr(), mine.len(), self.head.get()),
                }
            };
            if answer != 0 {
                fail(format_args!("{} objects of the pool were refused: {answer}", mine.len()));
            }
        } else {
            mine.into_iter().for_each(|object| self.push(object, turn.random.one_in(8)));
        }
    }

    fn ended(&self, turn: &mut Turn) {
        one_of_its_own(1 + turn.random.below(100));
        turn.count(Count::Ends, 1);
    }

    fn in_handler(&self, random: &mut Random) {
        let me = self.handlers.fetch_add(1, Relaxed);
        if let Some(object) = self.pop(random.one_in(4)) {
            own(object, me);
            random.dawdle();
            disown(object, me);
            self.push(object, random.one_in(4));
        }
    }

    fn in_child(&self) {
        for _ in 0..self.objects / 2 {
            if let Some(object) = self.pop(false) {
                self.push(object, false);
            }
        }
        one_of_its_own(20);
    }

    fn give_back(&self) {
        let handed = std::mem::take(&mut self.handed.lock().unwrap_or_else(|e| e.into_inner()).0);
        for object in handed {
            disown(object, HANDED);
            self.push(object, false);
        }
    }

    fn settle(&self) {
        self.give_back();
        let mut all: Vec<Object> = Vec::new();
        while all.len() <= 2 * self.objects
            && let Some(object) = self.pop(false)
        {
            all.push(object);
        }
        all.sort_unstable();
        let there = all.len();
        all.dedup();
        if (there, all.len()) != (self.objects, self.objects) {
            fail(format_args!(
                "{there} objects are in the pool at the end, {} of them different, expected {}",
                all.len(),
                self.objects
            ));
        }
        // SAFETY: nobody uses it any more.
        unsafe { raw::free(self.head.get()) };
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(Stock::statistics(self))
    }
}

/// Owner of what lies between two threads.
const HANDED: u64 = u64::MAX;

fn own_handed(object: Object) {
    own(object, HANDED);
}

extern "C" fn released(_: *mut HeadState, times: *mut c_void) -> c_int {
    // SAFETY: what `one_of_its_own` gave to init.
    unsafe { &*times.cast::<AtomicU32>() }.fetch_add(1, SeqCst);
    0
}

/// A pool for this thread alone, from birth to end, by way of fini and drop.
fn one_of_its_own(objects: usize) {
    let (head, times) = (empty_head(), AtomicU32::new(0));
    let context = (&raw const times).cast_mut().cast();
    // SAFETY: ours alone.
    if unsafe { raw::init(head.get(), objects as c_int, SIZE, 0, context, None, Some(released)) } != 0 {
        fail(format_args!("no pool of {objects} objects"));
    }
    let mut all = vec![ptr::null_mut(); objects + 1];
    // SAFETY: as above; there is room.
    let n = unsafe { raw::pop_bulk(head.get(), all.as_mut_ptr(), objects + 1) };
    // SAFETY: as above.
    unsafe { raw::fini(head.get()) };
    for &object in &all[..n] {
        // SAFETY: popped, and not used any more.
        unsafe { raw::drop_object(object, head.get()) };
    }
    let times = times.load(SeqCst);
    if n != objects || times != 1 {
        fail(format_args!("a pool of {objects} objects gave {n} and was released {times} times"));
    }
}
