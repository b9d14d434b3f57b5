// SPDX-License-Identifier: MIT OR Apache-2.0
//! `malloc`: the C library's allocator, which knows no stock: it makes objects and takes them back.

use super::{NOBODY, Pool};
use crate::{Error, Memory};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

pub(crate) struct Malloc {
    size: usize,
    /// Between objects that lie side by side.
    stride: f64,
}

impl Pool for Malloc {
    type Object = NonNull<AtomicU64>;
    const IS_FIXED: bool = false;

    fn new(_: usize, size: usize) -> Result<Malloc, Error> {
        let mut malloc = Malloc { size, stride: 0.0 };
        let Some(object) = malloc.pop() else { return Err(Error::system("malloc", "out of memory")) };
        // SAFETY: malloc gave it.
        let usable = unsafe { libc::malloc_usable_size(object.as_ptr().cast()) };
        malloc.push(object);
        malloc.stride = (usable + HEADER) as f64;
        Ok(malloc)
    }

    #[inline]
    fn pop(&self) -> Option<NonNull<AtomicU64>> {
        // SAFETY: any size may be asked for.
        let object = NonNull::new(unsafe { libc::malloc(self.size) }.cast::<AtomicU64>())?;
        // SAFETY: fresh, of 8 bytes or more, aligned for every basic type.
        unsafe { object.write(AtomicU64::new(NOBODY)) };
        Some(object)
    }

    #[inline]
    fn push(&self, object: NonNull<AtomicU64>) {
        // SAFETY: objects of this type come from `pop` alone.
        unsafe { libc::free(object.as_ptr().cast()) }
    }

    #[inline]
    fn owner(&self, object: NonNull<AtomicU64>) -> &AtomicU64 {
        // SAFETY: popped, so it is there, and written by `pop`.
        unsafe { object.as_ref() }
    }

    fn memory(&self) -> Memory {
        Memory { bytes_per_object: self.stride - self.size as f64, ..Memory::default() }
    }
}

/// glibc's, before every object.
const HEADER: usize = 8;
