// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pserialize`: an object is used inside the read section that found it. Who destroys unpublishes it and waits until every
//! section has ended that was open then. Nothing is written but a word of the thread's own; nothing may sleep.

use super::{Body, Shared, Stock, Table};
use crate::{Error, Memory};
use psref::{Pserialize, ReadSection};

pub(crate) struct Passive {
    table: Shared,
    stock: Stock<()>,
    psz: Pserialize,
}

impl Table for Passive {
    type State = ();

    fn new(keys: usize, stock: Stock<()>) -> Result<Passive, Error> {
        let psz = Pserialize::new().map_err(|e| Error::system("pserialize", e))?;
        Ok(Passive { table: Shared::new(keys), stock, psz })
    }

    #[inline(always)]
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let _reading = ReadSection::enter();
        let object = self.stock.get(self.table.find(key))?;
        Some(with(&object.body))
    }

    fn remove(&self, key: usize) -> Option<u32> {
        let object = self.table.unpublish(key)?;
        self.psz.perform();
        Some(object)
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
