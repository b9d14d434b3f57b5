// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mutex and a condition of `<psref/kmutex.h>`, as C programs have them: that header's inline functions, in Rust.
#![allow(dead_code, reason = "each test program uses its part")]

use psref::kmutex::{Kcondvar, Kmutex};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What drains and releases of a localcount get.
pub struct Interlock {
    mutex: Kmutex,
    cv: Kcondvar,
}

impl Interlock {
    #[allow(clippy::new_without_default, reason = "made by name, as mutex_init makes it")]
    pub const fn new() -> Interlock {
        Interlock { mutex: Kmutex::new(), cv: Kcondvar::new(c"interlock") }
    }

    /// The mutex, for functions of the C library.
    pub fn mutex<T>(&self) -> *mut T {
        (&raw const self.mutex).cast_mut().cast()
    }

    /// The condition, for functions of the C library.
    pub fn cv<T>(&self) -> *mut T {
        (&raw const self.cv).cast_mut().cast()
    }

    /// Runs `f` between mutex_enter() and mutex_exit() of an adaptive mutex.
    pub fn with<R>(&self, f: impl FnOnce() -> R) -> R {
        let lock = self.mutex::<libc::pthread_mutex_t>();
        // SAFETY: the structure begins with its lock, and its owner's word follows (c-tests/kmutex_layout.c).
        let owner = unsafe { AtomicUsize::from_ptr(lock.add(1).cast()) };
        // SAFETY: a live mutex, which this thread does not have.
        assert_eq!(unsafe { libc::pthread_mutex_lock(lock) }, 0);
        // SAFETY: no arguments.
        owner.store(unsafe { libc::pthread_self() } as usize, Ordering::Relaxed);
        let answer = f();
        owner.store(0, Ordering::Relaxed);
        // SAFETY: this thread has it.
        assert_eq!(unsafe { libc::pthread_mutex_unlock(lock) }, 0);
        answer
    }
}
