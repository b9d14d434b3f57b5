// SPDX-License-Identifier: MIT OR Apache-2.0
//! A word per thread whose destructor runs at the thread's end: a pthread key.

use super::errno::Errno;

/// A key; its destructor gets the value that the thread last set.
#[derive(Clone, Copy)]
pub(crate) struct Key(libc::pthread_key_t);

impl Key {
    pub(crate) fn new(destructor: unsafe extern "C" fn(*mut libc::c_void)) -> Result<Key, Errno> {
        let mut key = 0;
        // SAFETY: writes our word; the destructor lives as long as the code (R12).
        match unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) } {
            0 => Ok(Key(key)),
            e => Err(Errno(e)),
        }
    }

    /// Sets the calling thread's value. glibc allocates only for keys past the 32nd; ours is made when the library is loaded,
    /// when programs have few.
    pub(crate) fn set(self, value: *const libc::c_void) -> Result<(), Errno> {
        if cfg!(loom) {
            return Ok(()); // loom's threads share one of the system's, and their records outlive them
        }
        // SAFETY: the key exists: it is never deleted once published.
        match unsafe { libc::pthread_setspecific(self.0, value) } {
            0 => Ok(()),
            e => Err(Errno(e)),
        }
    }

    /// Gives back a key that was never published.
    pub(crate) fn delete(self) {
        // SAFETY: the caller alone knows the key.
        unsafe { libc::pthread_key_delete(self.0) };
    }

    pub(crate) fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn from_number(number: u32) -> Key {
        Key(number)
    }
}
