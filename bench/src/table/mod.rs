// SPDX-License-Identifier: MIT OR Apache-2.0
//! Look-ups: a table of objects that threads find and hold while another thread destroys and replaces them.
//!
//! Every strategy has the same table: for each key the number of an object in a stock, four bytes, found by index. So what
//! differs is how an object is kept, not how it is found. Objects lie on cache lines of their own and are used again, never
//! freed, so that an unsafe strategy reads an object that has become another, and that shows; it does not read somebody's memory.
//!
//! T1. A key's number is in the table, or [`NONE`]; an object is under one key at most.
//! T2. A generation is given once. Between removal and reuse an object's generation is [`POISON`].
//! T3. Only one thread removes and publishes.

mod atomic;
mod hashed;
mod localcount;
mod lock;
pub(crate) mod lookup;
#[cfg(test)]
pub(crate) mod planted;
mod pserialize;
mod psref;
mod rwlock;
mod serial;

pub(crate) use atomic::Atomic;
pub(crate) use hashed::Hashed;
pub(crate) use localcount::Local;
pub(crate) use lock::Lock;
pub(crate) use pserialize::Passive;
pub(crate) use psref::Reference;
pub(crate) use rwlock::ReadersWriter;
pub(crate) use serial::Serial;

use crate::{Error, Memory};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One strategy: how threads find objects and hold them, and how one that was taken out of the table becomes safe to reuse.
pub(crate) trait Table: Sized + Sync {
    /// What every object carries for it.
    type State: Default + Sync;

    /// An empty table for `keys` keys.
    fn new(keys: usize, stock: Stock<Self::State>) -> Result<Self, Error>;

    /// Finds the object of `key` and holds it while `with` looks at it. `None`: there is none now. In line in every strategy: the
    /// compiler, left alone, takes some in and calls others.
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R>;

    /// Takes the object of `key` out and waits until nobody holds it.
    fn remove(&self, key: usize) -> Option<u32>;

    /// Prepares an object that nobody knows of, and puts it under `key`.
    fn publish(&self, key: usize, object: u32) -> Result<(), Error>;

    fn stock(&self) -> &Stock<Self::State>;

    /// What holding costs; of the table no more than what grows with the number of objects.
    fn memory(keys: usize) -> Memory;
}

/// In the table: no object. Out of every stock's bounds.
pub(crate) const NONE: u32 = u32::MAX;

/// The generation of an object that nobody may hold.
pub(crate) const POISON: u64 = u64::MAX;

/// What a strategy protects.
#[derive(Debug, Default)]
pub(crate) struct Body {
    generation: AtomicU64,
    key: AtomicU64,
}

// Relaxed: it is the strategy that keeps a holder's reads and the destroyer's writes apart, and whether it does is the question.
impl Body {
    /// For a generation that is to be looked at twice; see [`unchanged`](Body::unchanged).
    #[inline]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Whether this still is the object of `key` that it was when its generation was `before`.
    #[inline]
    pub fn unchanged(&self, key: usize, before: u64) -> bool {
        let key_now = self.key.load(Ordering::Relaxed);
        self.generation.load(Ordering::Relaxed) == before && before != POISON && key_now == key as u64
    }

    pub fn become_another(&self, key: usize, generation: u64) {
        self.key.store(key as u64, Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
    }

    pub fn poison(&self) {
        self.generation.store(POISON, Ordering::Relaxed);
    }
}

/// An object, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Object<S> {
    pub body: Body,
    pub state: S,
}

/// All objects of a table. What is out of its bounds does not exist.
#[derive(Debug)]
pub(crate) struct Stock<S>(Box<[Object<S>]>);

impl<S: Default> Stock<S> {
    pub fn new(objects: usize) -> Stock<S> {
        Stock((0..objects).map(|_| Object::default()).collect())
    }
}

impl<S> Stock<S> {
    #[inline]
    pub fn get(&self, object: u32) -> Option<&Object<S>> {
        self.0.get(object as usize)
    }
}

/// An empty table under a lock.
fn empty(keys: usize) -> Box<[u32]> {
    std::iter::repeat_n(NONE, keys).collect()
}

/// The same for those who read without a lock.
struct Shared(Box<[AtomicU32]>);

impl Shared {
    fn new(keys: usize) -> Shared {
        Shared((0..keys).map(|_| AtomicU32::new(NONE)).collect())
    }

    /// Acquire, with `publish`'s Release: what it finds is prepared.
    #[inline]
    fn find(&self, key: usize) -> u32 {
        self.0[key].load(Ordering::Acquire)
    }

    fn publish(&self, key: usize, object: u32) {
        self.0[key].store(object, Ordering::Release);
    }

    /// Relaxed: T3, so this thread put it there; that readers saw it go is for the caller to wait for.
    fn unpublish(&self, key: usize) -> Option<u32> {
        Some(self.0[key].swap(NONE, Ordering::Relaxed)).filter(|&object| object != NONE)
    }

    /// Every object that is in the table.
    fn objects(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().map(|object| object.load(Ordering::Relaxed)).filter(|&object| object != NONE)
    }
}

/// A lock whose holder may have panicked: the run is over then, and its panic is told by whoever joins it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes.
fn beside<S>() -> f64 {
    size_of::<S>() as f64
}
