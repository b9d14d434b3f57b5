// SPDX-License-Identifier: MIT OR Apache-2.0
//! `psref`: a read section finds the object and acquires a passive reference, which keeps it past the section. Who destroys
//! unpublishes it, waits for the sections that may have found it, then for the references.
//!
//! The raw face is used, so that a target lies inside its object, as it does in a C program; the safe one keeps each in an
//! allocation of its own.

use super::{Body, Shared, Stock, Table};
use crate::{Error, Memory};
use psref::psref::entry::HOME_BYTES;
use psref::psref::raw::{self, ClassState, Hold, TargetState};
use psref::{Pserialize, ReadSection};
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

/// Initialised while its object is in the table.
#[derive(Debug)]
pub(crate) struct Target(UnsafeCell<MaybeUninit<TargetState>>);

impl Default for Target {
    fn default() -> Target {
        Target(UnsafeCell::new(MaybeUninit::zeroed()))
    }
}

// SAFETY: a target's words are atomics; it is initialised by the one thread that publishes (T3), before anybody can find it.
unsafe impl Sync for Target {}

impl Target {
    fn get(&self) -> *mut TargetState {
        self.0.get().cast()
    }
}

pub(crate) struct Reference {
    table: Shared,
    stock: Stock<Target>,
    psz: Pserialize,
    class: &'static ClassState,
}

impl Table for Reference {
    type State = Target;

    fn new(keys: usize, stock: Stock<Target>) -> Result<Reference, Error> {
        let psz = Pserialize::new().map_err(|e| Error::system("pserialize", e))?;
        let class = raw::try_class_create(b"laboratory").map_err(|e| Error::system("psref", e))?;
        Ok(Reference { table: Shared::new(keys), stock, psz, class })
    }

    #[inline(always)]
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let mut hold = Hold::EMPTY;
        let reading = ReadSection::enter();
        let object = self.stock.get(self.table.find(key))?;
        // SAFETY: found in the table inside this section, so it is initialised and is not destroyed before the section ends (R1).
        if unsafe { raw::acquire(&raw mut hold, object.state.get(), self.class) } != 0 {
            return None;
        }
        drop(reading);
        let result = with(&object.body);
        // SAFETY: acquired above, released once.
        unsafe { raw::release(&raw mut hold, object.state.get(), self.class) };
        Some(result)
    }

    fn remove(&self, key: usize) -> Option<u32> {
        let object = self.table.unpublish(key)?;
        self.psz.perform();
        // SAFETY: it was in the table, so it is initialised; T3: destroyed by this thread alone; no section can acquire it now.
        unsafe { raw::target_destroy(self.stock.get(object)?.state.get(), self.class) };
        Some(object)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        if let Some(fresh) = self.stock.get(object) {
            // SAFETY: nobody knows of it; it stays where it is.
            unsafe { raw::target_init(fresh.state.get(), self.class) };
        }
        self.table.publish(key, object);
        Ok(())
    }

    fn stock(&self) -> &Stock<Target> {
        &self.stock
    }

    fn memory(_: usize) -> Memory {
        Memory {
            bytes_per_object: super::beside::<Target>(),
            bytes_per_hold: super::beside::<Hold>(),
            bytes_per_cpu: HOME_BYTES as f64,
        }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        for object in self.table.objects().filter_map(|object| self.stock.get(object)) {
            // SAFETY: in the table, so initialised; the only user left, and nobody holds anything.
            unsafe { raw::target_destroy(object.state.get(), self.class) };
        }
        // SAFETY: created by `new`; its targets are gone.
        unsafe { raw::class_destroy(self.class) };
    }
}
