// SPDX-License-Identifier: MIT OR Apache-2.0
//! `serial`: the table's one lock is held for as long as the object is used. Nobody else can be using it then, so who has taken
//! an object out may reuse it at once. Nothing runs in parallel.

use super::{Body, Stock, Table, empty, locked};
use crate::{Error, Memory};
use std::sync::Mutex;

pub(crate) struct Serial {
    table: Mutex<Box<[u32]>>,
    stock: Stock<()>,
}

impl Table for Serial {
    type State = ();

    fn new(keys: usize, stock: Stock<()>) -> Result<Serial, Error> {
        Ok(Serial { table: Mutex::new(empty(keys)), stock })
    }

    #[inline(always)]
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let table = locked(&self.table);
        let object = self.stock.get(table[key])?;
        Some(with(&object.body))
    }

    fn remove(&self, key: usize) -> Option<u32> {
        let object = std::mem::replace(&mut locked(&self.table)[key], super::NONE);
        self.stock.get(object).map(|_| object)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        locked(&self.table)[key] = object;
        Ok(())
    }

    fn stock(&self) -> &Stock<()> {
        &self.stock
    }

    fn memory(_: usize) -> Memory {
        Memory::default()
    }
}
