// SPDX-License-Identifier: MIT OR Apache-2.0
//! An interlock as C callers have it: `struct kmutex` taken as the inline functions of `<psref/kmutex.h>` take it.

use psref::localcount::raw::{Kcondvar, Kmutex};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// A mutex and the condition that goes with it.
pub struct Interlock {
    pub mutex: Kmutex,
    pub condition: Kcondvar,
}

/// The lock, while it is held.
pub struct Locked<'a>(&'a Interlock);

impl Interlock {
    pub const fn new() -> Interlock {
        Interlock { mutex: Kmutex::new(), condition: Kcondvar::new(c"torture") }
    }

    fn lock(&self) -> *mut libc::pthread_mutex_t {
        std::ptr::from_ref(&self.mutex).cast_mut().cast()
    }

    /// The word behind the lock: whose it is.
    fn owner(&self) -> &AtomicUsize {
        // SAFETY: part of the ABI: the header's inline functions do the same, and its layout is asserted on both sides.
        unsafe { &*self.lock().byte_add(size_of::<libc::pthread_mutex_t>()).cast::<AtomicUsize>() }
    }

    pub fn enter(&self) -> Locked<'_> {
        // SAFETY: an initialised mutex.
        unsafe {
            libc::pthread_mutex_lock(self.lock());
            self.owner().store(libc::pthread_self() as usize, Relaxed);
        }
        Locked(self)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.0.owner().store(0, Relaxed);
        // SAFETY: held.
        unsafe { libc::pthread_mutex_unlock(self.0.lock()) };
    }
}
