// SPDX-License-Identifier: MIT OR Apache-2.0
//! `rwlock`: like `atomic`, but looking up takes the table's lock for reading. Look-ups run in parallel then, and still all write
//! the lock's word.

use super::atomic::{Count, LastOne};
use super::{Body, Stock, Table, empty};
use crate::{Error, Memory};
use crossbeam_utils::CachePadded;
use std::sync::{PoisonError, RwLock};

pub(crate) struct ReadersWriter {
    table: CachePadded<RwLock<Box<[u32]>>>,
    last: LastOne,
    stock: Stock<Count>,
}

impl ReadersWriter {
    fn put(&self, key: usize, object: u32) -> u32 {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut table[key], object)
    }
}

impl Table for ReadersWriter {
    type State = Count;

    fn new(keys: usize, stock: Stock<Count>) -> Result<ReadersWriter, Error> {
        Ok(ReadersWriter { table: CachePadded::new(RwLock::new(empty(keys))), last: LastOne::default(), stock })
    }

    #[inline(always)]
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let object = {
            let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
            let object = self.stock.get(table[key])?;
            object.state.acquire();
            object
        };
        let result = with(&object.body);
        object.state.release_and_tell(&self.last);
        Some(result)
    }

    fn remove(&self, key: usize) -> Option<u32> {
        let number = self.put(key, super::NONE);
        self.last.wait(&self.stock.get(number)?.state);
        Some(number)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        if let Some(fresh) = self.stock.get(object) {
            fresh.state.begin();
        }
        self.put(key, object);
        Ok(())
    }

    fn stock(&self) -> &Stock<Count> {
        &self.stock
    }

    fn memory(_: usize) -> Memory {
        Memory { bytes_per_object: super::beside::<Count>(), ..Memory::default() }
    }
}
