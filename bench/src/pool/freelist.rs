// SPDX-License-Identifier: MIT OR Apache-2.0
//! `freelist`: free objects in one list whose head all threads exchange. What Linux had before its pools, and what many programs
//! write first.

use super::{Objects, Pool};
use crate::{Error, Memory};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

pub(crate) struct FreeList {
    /// The number of the first object, and above it how often the head was moved: else a head that came back would be taken
    /// for one that never left. With 32 bits the count would come round in less than a minute.
    head: CachePadded<AtomicU64>,
    next: Box<[AtomicU32]>,
    objects: Objects,
}

/// Bits for a number.
const BITS: u32 = 25;
/// Out of every pool's bounds.
const END: u32 = (1 << BITS) - 1;

fn first(head: u64) -> u32 {
    head as u32 & END
}

fn moved(head: u64, first: u32) -> u64 {
    ((head >> BITS).wrapping_add(1) << BITS) | u64::from(first)
}

impl Pool for FreeList {
    type Object = u32;

    fn new(objects: usize, size: usize) -> Result<FreeList, Error> {
        let list = FreeList {
            head: CachePadded::new(AtomicU64::new(u64::from(END))),
            next: (0..objects).map(|_| AtomicU32::new(END)).collect(),
            objects: Objects::new(objects, size),
        };
        list.objects.numbers().for_each(|object| list.push(object));
        Ok(list)
    }

    #[inline]
    fn pop(&self) -> Option<u32> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let object = first(head);
            // Relaxed: what a later owner may have written there is not used, for the head has moved then. None: the end.
            let next = self.next.get(object as usize)?.load(Ordering::Relaxed);
            // Acquire, with the push's Release: the object as its last owner left it, and the links behind it.
            match self.head.compare_exchange_weak(head, moved(head, next), Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return Some(object),
                Err(now) => head = now,
            }
        }
    }

    #[inline]
    fn push(&self, object: u32) {
        // Relaxed: only compared, and published by the exchange.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            self.next[object as usize].store(first(head), Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, moved(head, object), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    #[inline]
    fn owner(&self, object: u32) -> &AtomicU64 {
        self.objects.owner(object)
    }

    fn memory(&self) -> Memory {
        Memory { bytes_per_object: size_of::<AtomicU32>() as f64, ..Memory::default() }
    }
}
