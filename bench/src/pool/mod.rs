// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pools: a stock of objects that threads take from and give back to.
//!
//! An object's first word says whose it is, so that two owners are seen. The rest is neither read nor written.

mod arrayqueue;
pub(crate) mod exchange;
mod freelist;
mod malloc;
mod objpool;
#[cfg(test)]
pub(crate) mod planted;
mod ring;

pub(crate) use arrayqueue::Queue;
pub(crate) use freelist::FreeList;
pub(crate) use malloc::Malloc;
pub(crate) use objpool::ObjPool;
pub(crate) use ring::Ring;

use crate::{Error, Memory};
use std::sync::atomic::AtomicU64;

/// One strategy.
pub(crate) trait Pool: Sized + Sync {
    /// What tells objects apart: a number or an address.
    type Object: Copy;
    /// Whether it ends with as many objects as it began with.
    const IS_FIXED: bool = true;

    /// A full stock of `objects` objects of `size` bytes, all of them nobody's.
    fn new(objects: usize, size: usize) -> Result<Self, Error>;

    /// `None`: none is free.
    fn pop(&self) -> Option<Self::Object>;

    /// Gives back what this pool gave.
    fn push(&self, object: Self::Object);

    /// The first word of an object that was popped.
    fn owner(&self, object: Self::Object) -> &AtomicU64;

    /// What it takes beside the objects.
    fn memory(&self) -> Memory;
}

/// Of an object that lies in the pool. Threads count from 1.
pub(crate) const NOBODY: u64 = 0;

/// Objects for pools that bring none: one behind the other, whole words each.
struct Objects {
    words: Box<[AtomicU64]>,
    /// Words from one to the next.
    stride: usize,
    number: usize,
}

impl Objects {
    fn new(number: usize, size: usize) -> Objects {
        let stride = size.div_ceil(size_of::<AtomicU64>());
        Objects { words: (0..number * stride).map(|_| AtomicU64::new(NOBODY)).collect(), stride, number }
    }

    /// The first word of object `number`.
    #[inline]
    fn owner(&self, number: u32) -> &AtomicU64 {
        &self.words[number as usize * self.stride]
    }

    fn numbers(&self) -> std::ops::Range<u32> {
        0..self.number as u32
    }
}
