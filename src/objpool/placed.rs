// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where a pool lies: in the stripe of its magazines' memory that all CPUs share, so that sections find their CPU's magazine by the
//! pool's address and the CPU's number alone.

use super::state::Pool;
#[cfg(not(loom))]
use crate::percpu::magazine::{BYTES, SHARED};
use std::ops::{Deref, DerefMut};

/// A pool, and the magazines beside it. Whoever has one ends it with [`end`](Placed::end).
pub(super) struct Placed(*mut Pool);

impl Placed {
    #[cfg(not(loom))]
    pub(super) fn new(pool: Pool) -> Placed {
        const { assert!(size_of::<Pool>() <= BYTES - SHARED) };
        let at: *mut Pool = std::ptr::with_exposed_provenance_mut(pool.magazines.shared());
        // SAFETY: so much room, aligned (G2), and nobody's yet.
        unsafe { at.write(pool) };
        Placed(at)
    }

    /// Models have no such memory.
    #[cfg(loom)]
    pub(super) fn new(pool: Pool) -> Placed {
        Placed(Box::into_raw(Box::new(pool)))
    }

    pub(super) fn into_raw(self) -> *mut Pool {
        self.0
    }

    /// # Safety
    /// The pointer came from `into_raw`, and this is the only time.
    pub(super) unsafe fn from_raw(pool: *mut Pool) -> Placed {
        Placed(pool)
    }

    /// Ends it and its magazines.
    ///
    /// # Safety
    /// Nobody uses the pool or its objects any more.
    pub(super) unsafe fn end(self) {
        let magazines = self.magazines;
        // SAFETY: the caller's promise; made by `new`.
        unsafe {
            #[cfg(not(loom))]
            {
                self.0.drop_in_place();
                // Bytes between its fields may be anything to the compiler; the memory's next owner wants zeroes (G3).
                self.0.write_bytes(0, 1);
            }
            #[cfg(loom)]
            drop(Box::from_raw(self.0));
            magazines.free();
        }
    }
}

impl Deref for Placed {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        // SAFETY: made by `new`, not ended.
        unsafe { &*self.0 }
    }
}

impl DerefMut for Placed {
    fn deref_mut(&mut self) -> &mut Pool {
        // SAFETY: as above; whoever has it mutably has it alone.
        unsafe { &mut *self.0 }
    }
}
