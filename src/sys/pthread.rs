// SPDX-License-Identifier: MIT OR Apache-2.0
//! pthread mutexes that lie in callers' structures, and what a thread is called there. Answers are error numbers, not errno.

use super::errno::Errno;
use std::cell::UnsafeCell;

/// A mutex of the C library, of the default kind. Moved only while nobody uses it.
#[repr(transparent)]
pub(crate) struct Mutex(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: being used by many threads is what it is for.
unsafe impl Send for Mutex {}
// SAFETY: as above.
unsafe impl Sync for Mutex {}

fn check(error: libc::c_int) -> Result<(), Errno> {
    if error == 0 { Ok(()) } else { Err(Errno(error)) }
}

impl Mutex {
    pub(crate) const fn new() -> Self {
        Mutex(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER))
    }

    pub(crate) fn lock(&self) -> Result<(), Errno> {
        // SAFETY: initialised here or by pthread_mutex_init: whoever made the structure did it.
        check(unsafe { libc::pthread_mutex_lock(self.0.get()) })
    }

    /// Whether the caller has it now.
    pub(crate) fn try_lock(&self) -> bool {
        // SAFETY: as above.
        unsafe { libc::pthread_mutex_trylock(self.0.get()) == 0 }
    }

    /// The caller has locked it.
    pub(crate) fn unlock(&self) -> Result<(), Errno> {
        // SAFETY: as above.
        check(unsafe { libc::pthread_mutex_unlock(self.0.get()) })
    }
}

/// The calling thread as C sees it: what pthread_self() answers. Never 0; the same in a forked child.
pub(crate) fn this_thread() -> usize {
    // SAFETY: no arguments, cannot fail.
    let thread = unsafe { libc::pthread_self() } as usize;
    // The C libraries answer an address, Miri a count from 0.
    if cfg!(miri) { thread + 1 } else { thread }
}
