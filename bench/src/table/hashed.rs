// SPDX-License-Identifier: MIT OR Apache-2.0
//! `hashed`: the table of `lock` cut into parts, each with a lock on cache lines of its own. Threads that want different parts
//! do not meet; those that want the same object do.

use super::lock::{Count, Counted};
use super::{Body, Stock, Table};
use crate::{Error, Memory};
use crossbeam_utils::CachePadded;

/// Parts, where there are as many keys.
const PARTS: usize = 64;

pub(crate) struct Hashed {
    /// A power of two. Neighbouring keys lie in different parts; popular keys are no neighbours.
    parts: Box<[CachePadded<Counted>]>,
    stock: Stock<Count>,
}

fn parts(keys: usize) -> usize {
    PARTS.min(keys.next_power_of_two())
}

impl Hashed {
    #[inline]
    fn part(&self, key: usize) -> (&Counted, usize) {
        let parts = self.parts.len();
        (&self.parts[key & (parts - 1)], key >> parts.trailing_zeros())
    }
}

impl Table for Hashed {
    type State = Count;

    fn new(keys: usize, stock: Stock<Count>) -> Result<Hashed, Error> {
        let parts = parts(keys);
        let part = |_| CachePadded::new(Counted::new(keys.div_ceil(parts)));
        Ok(Hashed { parts: (0..parts).map(part).collect(), stock })
    }

    #[inline(always)]
    fn hold<R>(&self, key: usize, with: impl FnOnce(&Body) -> R) -> Option<R> {
        let (part, key) = self.part(key);
        part.hold(&self.stock, key, with)
    }

    fn remove(&self, key: usize) -> Option<u32> {
        let (part, key) = self.part(key);
        part.remove(&self.stock, key)
    }

    fn publish(&self, key: usize, object: u32) -> Result<(), Error> {
        let (part, key) = self.part(key);
        part.publish(key, object);
        Ok(())
    }

    fn stock(&self) -> &Stock<Count> {
        &self.stock
    }

    fn memory(keys: usize) -> Memory {
        let locks = (parts(keys) * size_of::<CachePadded<Counted>>()) as f64;
        Memory { bytes_per_object: super::beside::<Count>() + locks / keys as f64, ..Memory::default() }
    }
}
