// SPDX-License-Identifier: MIT OR Apache-2.0
//! `atomic`: the table's lock is taken to look up alone; holds are counted by atomic additions to the object. Only the release
//! that ends the last hold of a removed object takes a lock, to wake whoever destroys it.
//!
//! In the talk the last release always takes the lock, wanted or not. Here the table has a hold of its own, as is usual, so
//! that nobody takes it but for a destroyer.

use super::{Body, Stock, Table, empty, locked};
use crate::{Error, Memory};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Holds, the table's included; 0: may be reused.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

/// Where destroyers wait.
#[derive(Default)]
pub(crate) struct LastOne(CachePadded<(Mutex<()>, Condvar)>);

impl LastOne {
    fn tell(&self) {
        // Empty between the look and the sleep of whoever waits.
        drop(locked(&self.0.0));
        self.0.1.notify_all();
    }

    /// Lets go of the table's hold, and waits for the others.
    pub fn wait(&self, count: &Count) {
        if count.release() {
            return;
        }
        let mut lock = locked(&self.0.0);
        // Acquire, with the Release of every release: their uses come before the reuse.
        while count.0.load(Ordering::Acquire) != 0 {
            lock = self.0.1.wait(lock).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Count {
    /// Relaxed: the object is in the table, whose lock the caller has, so the count is not 0.
    #[inline]
    pub fn acquire(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether it was the last. Release for the use before it, Acquire for the reuse after the last.
    #[inline]
    fn release(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) == 1
    }

    #[inline]
    pub fn release_and_tell(&self, last: &LastOne) {
        if self.release() {
            last.tell();
        }
    }

    /// The table's hold. Relaxed: the lock under which it is published orders it.
    pub fn begin(&self) {
        self.0.store(1, Ordering::Relaxed);
    }
}

pub(crate) struct Atomic {
    table: CachePadded<Mutex<Box<[u32]>>>,
    last: LastOne,
    stock: Stock<Count>,
}

impl Table for Atomic {
    type State = Count;

    fn new(keys: usize, stock: Stock<Count>) -> Result<Atomic, Error> {
        Ok(Atomic { table: CachePadded::new(Mutex::new(empty(keys))), last: LastOne::default(), stock })
    }

    #[inline(always)]
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let object = {
            let table = locked(&self.table);
            let object = self.stock.get(table[key])?;
            object.state.acquire();
            object
        };
        let result = with(&object.body);
        object.state.release_and_tell(&self.last);
        Some(result)
    }

    fn remove(&self, key: usize) -> Option<u32> {
        let number = std::mem::replace(&mut locked(&self.table)[key], super::NONE);
        self.last.wait(&self.stock.get(number)?.state);
        Some(number)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        if let Some(fresh) = self.stock.get(object) {
            fresh.state.begin();
        }
        locked(&self.table)[key] = object;
        Ok(())
    }

    fn stock(&self) -> &Stock<Count> {
        &self.stock
    }

    fn memory(_: usize) -> Memory {
        Memory { bytes_per_object: super::beside::<Count>(), ..Memory::default() }
    }
}
