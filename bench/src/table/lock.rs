// SPDX-License-Identifier: MIT OR Apache-2.0
//! `lock`: the table's one lock also guards a count of holds in every object. It is taken to acquire and again to release, and
//! who destroys sleeps on a condition until the count is 0.
//!
//! A release tells the condition only where somebody waits: telling is a system call, with or without a listener.

use super::{Body, Stock, Table, empty, locked};
use crate::{Error, Memory};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// All under the lock, so Relaxed.
#[derive(Debug, Default)]
pub(crate) struct Count {
    holds: AtomicU64,
    awaited: AtomicBool,
}

impl Count {
    fn add(&self, n: i64) -> u64 {
        let holds = self.holds.load(Ordering::Relaxed).wrapping_add_signed(n);
        self.holds.store(holds, Ordering::Relaxed);
        holds
    }
}

/// A table with its lock: the whole, or a part of it.
pub(super) struct Counted {
    table: Mutex<Box<[u32]>>,
    unheld: Condvar,
}

impl Counted {
    pub fn new(keys: usize) -> Counted {
        Counted { table: Mutex::new(empty(keys)), unheld: Condvar::new() }
    }

    #[inline(always)]
    pub fn hold<R>(&self, stock: &Stock<Count>, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let object = {
            let table = locked(&self.table);
            let object = stock.get(table[key])?;
            object.state.add(1);
            object
        };
        let result = with(&object.body);
        let table = locked(&self.table);
        if object.state.add(-1) == 0 && object.state.awaited.load(Ordering::Relaxed) {
            self.unheld.notify_all();
        }
        drop(table);
        Some(result)
    }

    pub fn remove(&self, stock: &Stock<Count>, key: usize) -> Option<u32> {
        let mut table = locked(&self.table);
        let number = std::mem::replace(&mut table[key], super::NONE);
        let count = &stock.get(number)?.state;
        count.awaited.store(true, Ordering::Relaxed);
        while count.holds.load(Ordering::Relaxed) != 0 {
            table = self.unheld.wait(table).unwrap_or_else(PoisonError::into_inner);
        }
        count.awaited.store(false, Ordering::Relaxed);
        Some(number)
    }

    pub fn publish(&self, key: usize, object: u32) {
        locked(&self.table)[key] = object;
    }
}

pub(crate) struct Lock {
    counted: Counted,
    stock: Stock<Count>,
}

impl Table for Lock {
    type State = Count;

    fn new(keys: usize, stock: Stock<Count>) -> Result<Lock, Error> {
        Ok(Lock { counted: Counted::new(keys), stock })
    }

    #[inline(always)]
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        self.counted.hold(&self.stock, key, with)
    }

    fn remove(&self, key: usize) -> Option<u32> {
        self.counted.remove(&self.stock, key)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        self.counted.publish(key, object);
        Ok(())
    }

    fn stock(&self) -> &Stock<Count> {
        &self.stock
    }

    fn memory(_: usize) -> Memory {
        Memory { bytes_per_object: super::beside::<Count>(), ..Memory::default() }
    }
}
