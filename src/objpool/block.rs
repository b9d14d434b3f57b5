// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a pool writes down beside its objects: one mapping, cut into runs of numbers. None of it is malloc's, so nothing hangs by a pointer that
//! lies where leak checkers do not look.

use crate::sys::sync::{AtomicU8, AtomicU32};

#[cfg(not(loom))]
pub(super) use mapped::{Block, Run};
#[cfg(loom)]
pub(super) use of_models::{Block, Run};

/// What a run is of.
///
/// # Safety
/// All bytes zero are a value, the one that `zero` answers.
pub(crate) unsafe trait Zero {
    #[cfg(loom)]
    fn zero() -> Self;
}

macro_rules! zero {
    ($($type:ty: $zero:expr),*) => {$(
        // SAFETY: a number, or an atomic one.
        unsafe impl Zero for $type {
            #[cfg(loom)]
            fn zero() -> $type {
                $zero
            }
        }
    )*};
}
zero!(u32: 0, u64: 0, usize: 0, AtomicU8: AtomicU8::new(0), AtomicU32: AtomicU32::new(0));

#[cfg(not(loom))]
mod mapped {
    use super::Zero;
    use crate::percpu::runtime;
    use crate::sys::errno::{ENOMEM, Errno};
    use crate::sys::map;
    use std::ops::{Deref, DerefMut};

    /// Bytes of every object's numbers, and of every CPU's.
    const OBJECT: usize = 4 + 1;
    const CPU: usize = 4 + 8 + 8;
    const RUNS: usize = 5;
    /// Bytes of a cache line.
    const LINE: usize = 64;

    pub(crate) struct Block {
        at: *mut u8,
        bytes: usize,
        used: usize,
    }

    /// So many of a block, zeroes at first. Whoever keeps one keeps its block longer.
    pub(crate) struct Run<T> {
        at: *mut T,
        n: usize,
    }

    // SAFETY: a mapping of its own.
    unsafe impl Send for Block {}
    // SAFETY: nothing is changed through a shared one.
    unsafe impl Sync for Block {}
    // SAFETY: as a slice that is owned.
    unsafe impl<T: Send> Send for Run<T> {}
    // SAFETY: as above.
    unsafe impl<T: Sync> Sync for Run<T> {}

    impl Block {
        /// Room for what a pool of so many objects writes down.
        pub(crate) fn new(objects: usize) -> Result<Block, Errno> {
            let of_objects = objects.checked_mul(OBJECT).ok_or(ENOMEM)?;
            // The last term: each run has its lines for itself. Links are written, tables are read.
            let bytes = of_objects.checked_add(CPU * runtime::get().cpus() + RUNS * LINE).ok_or(ENOMEM)?;
            let bytes = bytes.checked_next_multiple_of(map::page()).ok_or(ENOMEM)?;
            Ok(Block { at: map::memory(bytes)?, bytes, used: 0 })
        }

        pub(crate) fn run<T: Zero>(&mut self, n: usize) -> Result<Run<T>, Errno> {
            const { assert!(align_of::<T>() <= LINE && !std::mem::needs_drop::<T>()) };
            let bytes = n.checked_mul(size_of::<T>()).ok_or(ENOMEM)?.next_multiple_of(LINE);
            if self.bytes - self.used < bytes {
                return Err(ENOMEM);
            }
            // SAFETY: inside the mapping; nobody else gets these bytes.
            let at = unsafe { self.at.add(self.used) }.cast();
            self.used += bytes;
            Ok(Run { at, n })
        }
    }

    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: mapped by `new`; whoever ends a pool says that nobody uses it.
            unsafe { map::unmap(self.at, self.bytes) }
        }
    }

    impl<T> Deref for Run<T> {
        type Target = [T];

        fn deref(&self) -> &[T] {
            // SAFETY: made by `run`; its block is there.
            unsafe { std::slice::from_raw_parts(self.at, self.n) }
        }
    }

    impl<T> DerefMut for Run<T> {
        fn deref_mut(&mut self) -> &mut [T] {
            // SAFETY: as above.
            unsafe { std::slice::from_raw_parts_mut(self.at, self.n) }
        }
    }
}

/// loom's atomics are no plain memory.
#[cfg(loom)]
mod of_models {
    use super::Zero;
    use crate::sys::errno::Errno;

    pub(crate) struct Block;
    pub(crate) type Run<T> = Box<[T]>;

    impl Block {
        pub(crate) fn new(_: usize) -> Result<Block, Errno> {
            Ok(Block)
        }

        pub(crate) fn run<T: Zero>(&mut self, n: usize) -> Result<Run<T>, Errno> {
            Ok((0..n).map(|_| T::zero()).collect())
        }
    }
}
