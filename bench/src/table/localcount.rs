// SPDX-License-Identifier: MIT OR Apache-2.0
//! `localcount`: a read section finds the object and counts a hold in a cell that this object has on this CPU. Who destroys
//! unpublishes it, waits for the sections that may have found it, closes the cells and waits for their sum to be 0.
//!
//! The raw face is used, for the reason that `psref` has.

use super::{Body, Shared, Stock, Table};
use crate::{Error, Memory, machine};
use psref::localcount::raw::{self, LocalCountState};
use psref::{Patience, Pserialize, ReadSection};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

/// Initialised while its object is in the table.
#[derive(Debug)]
pub(crate) struct Count(UnsafeCell<MaybeUninit<LocalCountState>>);

impl Default for Count {
    fn default() -> Count {
        Count(UnsafeCell::new(MaybeUninit::uninit()))
    }
}

// SAFETY: a count's words are atomics; it is initialised by the one thread that publishes (T3), before anybody can find it.
unsafe impl Sync for Count {}

impl Count {
    fn get(&self) -> *mut LocalCountState {
        self.0.get().cast()
    }

    /// # Safety
    /// Initialised; nobody can find it any more.
    unsafe fn end(&self) {
        // SAFETY: the caller's promises.
        unsafe {
            // Without an end to the patience there is nothing to give up.
            let _ = raw::drain_alone(self.get(), Patience::FOREVER);
            raw::fini(self.get());
        }
    }
}

pub(crate) struct Local {
    table: Shared,
    stock: Stock<Count>,
    psz: Pserialize,
}

impl Table for Local {
    type State = Count;

    fn new(keys: usize, stock: Stock<Count>) -> Result<Local, Error> {
        let psz = Pserialize::new().map_err(|e| Error::system("pserialize", e))?;
        Ok(Local { table: Shared::new(keys), stock, psz })
    }

    #[inline(always)]
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let reading = ReadSection::enter();
        let object = self.stock.get(self.table.find(key))?;
        // SAFETY: found in the table inside this section, so it is initialised and does not end before the section does (R1).
        if unsafe { raw::acquire(object.state.get()) } != 0 {
            return None;
        }
        drop(reading);
        let result = with(&object.body);
        // SAFETY: acquired above, released once.
        unsafe { raw::release_alone(object.state.get()) };
        Some(result)
    }

    fn remove(&self, key: usize) -> Option<u32> {
        let object = self.table.unpublish(key)?;
        self.psz.perform();
        // SAFETY: it was in the table, so it is initialised; the sections that could find it have ended.
        unsafe { self.stock.get(object)?.state.end() };
        Some(object)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        if let Some(fresh) = self.stock.get(object) {
            // SAFETY: nobody knows of it; it stays where it is.
            unsafe { raw::init(fresh.state.get()) }.map_err(|e| Error::system("no cells for a localcount", e))?;
        }
        self.table.publish(key, object);
        Ok(())
    }

    fn stock(&self) -> &Stock<Count> {
        &self.stock
    }

    fn memory(_: usize) -> Memory {
        let cells = (machine::possible_cpus() * size_of::<u64>()) as f64;
        Memory { bytes_per_object: super::beside::<Count>() + cells, ..Memory::default() }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        for object in self.table.objects().filter_map(|object| self.stock.get(object)) {
            // SAFETY: in the table, so initialised; the only user left.
            unsafe { object.state.end() };
        }
    }
}
