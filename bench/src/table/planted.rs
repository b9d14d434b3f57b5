// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strategies that are wrong, to show that a run sees it.

use super::{Body, Shared, Stock, Table};
use crate::{Error, Memory};
use std::sync::atomic::{AtomicU64, Ordering};

/// Protects nothing: who destroys waits for nobody.
pub(crate) struct WaitsForNobody {
    table: Shared,
    stock: Stock<()>,
}

impl Table for WaitsForNobody {
    type State = ();

    fn new(keys: usize, stock: Stock<()>) -> Result<Self, Error> {
        Ok(WaitsForNobody { table: Shared::new(keys), stock })
    }

    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        Some(with(&self.stock.get(self.table.find(key))?.body))
    }

    fn remove(&self, key: usize) -> Option<u32> {
        self.table.unpublish(key)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        self.table.publish(key, object);
        Ok(())
    }

    fn stock(&self) -> &Stock<()> {
        &self.stock
    }

    fn memory(_: usize) -> Memory {
        Memory::default()
    }
}

/// Counts, but lets go before the object is used.
pub(crate) struct LetsGoEarly {
    table: Shared,
    stock: Stock<AtomicU64>,
}

impl Table for LetsGoEarly {
    type State = AtomicU64;

    fn new(keys: usize, stock: Stock<AtomicU64>) -> Result<Self, Error> {
        Ok(LetsGoEarly { table: Shared::new(keys), stock })
    }

    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let object = self.stock.get(self.table.find(key))?;
        object.state.fetch_add(1, Ordering::SeqCst);
        object.state.fetch_sub(1, Ordering::SeqCst);
        Some(with(&object.body))
    }

    fn remove(&self, key: usize) -> Option<u32> {
        let object = self.table.unpublish(key)?;
        while self.stock.get(object)?.state.load(Ordering::SeqCst) != 0 {
            std::thread::yield_now();
        }
        Some(object)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        self.table.publish(key, object);
        Ok(())
    }

    fn stock(&self) -> &Stock<AtomicU64> {
        &self.stock
    }

    fn memory(_: usize) -> Memory {
        Memory::default()
    }
}
