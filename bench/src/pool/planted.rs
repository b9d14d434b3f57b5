// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pools that are wrong, to show that a run sees it.

use super::{Objects, Pool};
use crate::{Error, Memory};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Moves its count with a load and a store, so two threads may be given the same object, and objects get lost.
pub(crate) struct ForgetsOthers {
    objects: Objects,
    free: Box<[AtomicU64]>,
    count: AtomicUsize,
}

impl Pool for ForgetsOthers {
    type Object = u32;

    fn new(objects: usize, size: usize) -> Result<Self, Error> {
        let free = (0..objects as u64).map(AtomicU64::new).collect();
        Ok(ForgetsOthers { objects: Objects::new(objects, size), free, count: AtomicUsize::new(objects) })
    }

    fn pop(&self) -> Option<u32> {
        let count = self.count.load(Ordering::SeqCst).checked_sub(1)?;
        self.count.store(count, Ordering::SeqCst);
        Some(self.free[count].load(Ordering::SeqCst) as u32)
    }

    fn push(&self, object: u32) {
        let count = self.count.load(Ordering::SeqCst);
        if let Some(place) = self.free.get(count) {
            place.store(u64::from(object), Ordering::SeqCst);
            self.count.store(count + 1, Ordering::SeqCst);
        }
    }

    fn owner(&self, object: u32) -> &AtomicU64 {
        self.objects.owner(object)
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }
}

/// Gives its first object to everybody.
pub(crate) struct GivesTheSame(Objects);

impl Pool for GivesTheSame {
    type Object = u32;

    fn new(objects: usize, size: usize) -> Result<Self, Error> {
        Ok(GivesTheSame(Objects::new(objects, size)))
    }

    fn pop(&self) -> Option<u32> {
        Some(0)
    }

    fn push(&self, _: u32) {}

    fn owner(&self, object: u32) -> &AtomicU64 {
        self.0.owner(object)
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }
}
