// SPDX-License-Identifier: MIT OR Apache-2.0
//! What everybody does and holds right now, for the dump of a hang or a failure; and what everybody has done. Each thread has a desk
//! that it alone writes, without locked instructions, which would order what is under test.

use crate::page::Name;
use crate::say::say;
use crate::system;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering::*};

/// Desks there are.
pub const DESKS: usize = 1024;
/// Holds that a desk shows.
const SHOWN: usize = 8;

/// What is counted at desks.
#[derive(Clone, Copy)]
#[repr(usize)]
pub enum Count {
    Operations,
    Ends,
    GaveUp,
    Handed,
    Copies,
    Young,
    Old,
    None,
    Floods,
    Moves,
    Births,
}

/// How many of them.
const COUNTS: usize = Count::Births as usize + 1;

/// Mixes whose operations and ends are told apart.
pub const MIXES: usize = 6;

/// A thread's.
pub struct Desk {
    pub tid: AtomicI32,
    /// Turns that were taken at this desk.
    pub turns: AtomicU64,
    number: AtomicU64,
    doing: AtomicPtr<&'static str>,
    object: AtomicUsize,
    since: AtomicU64,
    holds: [AtomicUsize; SHOWN],
    counts: [[AtomicU64; COUNTS]; MIXES],
}

static ALL: [Desk; DESKS] = [const {
    Desk {
        tid: AtomicI32::new(0),
        turns: AtomicU64::new(0),
        number: AtomicU64::new(0),
        doing: AtomicPtr::new(std::ptr::null_mut()),
        object: AtomicUsize::new(0),
        since: AtomicU64::new(0),
        holds: [const { AtomicUsize::new(0) }; SHOWN],
        counts: [const { [const { AtomicU64::new(0) }; COUNTS] }; MIXES],
    }
}; DESKS];

/// One of the desks.
pub fn desk(i: usize) -> &'static Desk {
    &ALL[i % DESKS]
}

/// What may take long, while it is done.
pub struct Doing(&'static Desk);

impl Drop for Doing {
    fn drop(&mut self) {
        self.0.doing.store(std::ptr::null_mut(), Release);
    }
}

impl Desk {
    /// Thread `number` sits down here.
    pub fn sit(&self, number: u64) {
        self.number.store(number, Relaxed);
        self.tid.store(system::tid(), Release);
    }

    /// It ends.
    pub fn leave(&self) {
        self.tid.store(0, Release);
    }

    /// Something that may take long, for the watchdog.
    pub fn doing<T>(&'static self, what: &'static &'static str, object: &T) -> Doing {
        self.object.store(std::ptr::from_ref(object).addr(), Relaxed);
        self.since.store(system::now(), Relaxed);
        self.doing.store(std::ptr::from_ref(what).cast_mut(), Release);
        Doing(self)
    }

    /// Shows a hold; its place, for [`Desk::lets_go`].
    pub fn holds<T>(&self, object: &T) {
        if let Some(place) = self.holds.iter().find(|place| place.load(Relaxed) == 0) {
            place.store(std::ptr::from_ref(object).addr(), Relaxed);
        }
    }

    /// The hold has ended.
    pub fn lets_go<T>(&self, object: &T) {
        let at = std::ptr::from_ref(object).addr();
        if let Some(place) = self.holds.iter().find(|place| place.load(Relaxed) == at) {
            place.store(0, Relaxed);
        }
    }

    /// Counts, at this thread's own desk.
    pub fn count(&self, mix: usize, what: Count, n: u64) {
        let count = &self.counts[mix][what as usize];
        count.store(count.load(Relaxed) + n, Relaxed);
    }

    /// What takes longer than `limit` milliseconds.
    fn overdue(&self, limit: u64) -> Option<(&'static str, u64)> {
        // SAFETY: null, or a string that lives for ever.
        let what = unsafe { self.doing.load(Acquire).as_ref() }?;
        let took = system::now().saturating_sub(self.since.load(Relaxed));
        (took > limit && !self.doing.load(Acquire).is_null()).then_some((*what, took))
    }
}

/// The sum over all desks.
pub fn total(mix: usize, what: Count) -> u64 {
    ALL.iter().map(|desk| desk.counts[mix][what as usize].load(Relaxed)).sum()
}

/// Whatever takes longer than `limit` milliseconds: what, how long, with which object, by which thread.
pub fn overdue(limit: u64) -> Option<(&'static str, u64, Name, i32)> {
    ALL.iter().find_map(|desk| {
        let (what, took) = desk.overdue(limit)?;
        Some((what, took, Name(desk.object.load(Relaxed)), desk.tid.load(Relaxed)))
    })
}

/// Says who does and holds what. In signal handlers too.
pub fn dump() {
    say(format_args!("torture: who does and holds what:"));
    for desk in &ALL {
        let tid = desk.tid.load(Acquire);
        // SAFETY: null, or a string that lives for ever.
        let doing = unsafe { desk.doing.load(Acquire).as_ref() };
        if tid == 0 {
            continue;
        }
        let took = system::now().saturating_sub(desk.since.load(Relaxed));
        match doing {
            Some(what) => say(format_args!(
                "  thread {tid} (number {}): {what} of {}, for {took} ms",
                desk.number.load(Relaxed),
                Name(desk.object.load(Relaxed))
            )),
            None => say(format_args!("  thread {tid} (number {}): on its way", desk.number.load(Relaxed))),
        }
        for held in desk.holds.iter().map(|place| place.load(Relaxed)).filter(|&at| at != 0) {
            say(format_args!("    holds {}", Name(held)));
        }
    }
}
