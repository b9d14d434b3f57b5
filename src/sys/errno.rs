// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel's error convention, once: -1 and `errno`.

/// An error number of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl std::fmt::Display for Errno {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl std::error::Error for Errno {}

pub(crate) const ENOMEM: Errno = Errno(libc::ENOMEM);
/// What a bound answers that is reached for now.
pub(crate) const EAGAIN: Errno = Errno(libc::EAGAIN);

fn place() -> *mut i32 {
    // SAFETY: always safe to call; the address is the thread's own.
    unsafe { libc::__errno_location() }
}

/// Why the last call failed.
pub(crate) fn last() -> Errno {
    // SAFETY: errno's address is valid for the thread's life.
    Errno(unsafe { *place() })
}

/// What a call that answers -1 on failure said.
pub(crate) fn check(answer: libc::c_long) -> Result<libc::c_long, Errno> {
    if answer == -1 { Err(last()) } else { Ok(answer) }
}

/// Gives errno back as it was: slow paths of functions that signal handlers may call must not change it.
pub(crate) struct Preserve(i32);

impl Preserve {
    pub(crate) fn new() -> Self {
        Preserve(last().0)
    }
}

impl Drop for Preserve {
    fn drop(&mut self) {
        // SAFETY: as in `last`.
        unsafe { *place() = self.0 }
    }
}
