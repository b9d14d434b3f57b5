// SPDX-License-Identifier: MIT OR Apache-2.0
//! eventfd(2): a file descriptor that is readable once somebody has written to it. No call here is a cancellation point.

use super::errno::{self, Errno, check};
use std::ffi::c_int;

/// A new one, twice: both descriptors are of the same event, closed on exec, and never block.
pub(crate) fn pair() -> Result<(c_int, c_int), Errno> {
    // SAFETY: takes numbers and makes a descriptor, nobody else's.
    let first =
        check(unsafe { libc::syscall(libc::SYS_eventfd2, 0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })? as c_int;
    // SAFETY: the same.
    match check(unsafe { libc::syscall(libc::SYS_fcntl, first, libc::F_DUPFD_CLOEXEC, 0) }) {
        Ok(second) => Ok((first, second as c_int)),
        Err(e) => {
            close(first);
            Err(e)
        }
    }
}

/// Makes it readable.
pub(crate) fn raise(fd: c_int) {
    let _errno = errno::Preserve::new();
    let one = 1_u64;
    // SAFETY: the kernel reads our word. Full, it is readable already.
    unsafe { libc::syscall(libc::SYS_write, fd, &raw const one, size_of::<u64>()) };
}

/// Makes it not readable any more.
pub(crate) fn lower(fd: c_int) {
    let _errno = errno::Preserve::new();
    let mut count = 0_u64;
    // SAFETY: the kernel writes our word. Where there is nothing to read it answers EAGAIN.
    unsafe { libc::syscall(libc::SYS_read, fd, &raw mut count, size_of::<u64>()) };
}

/// The caller uses it no more.
pub(crate) fn close(fd: c_int) {
    let _errno = errno::Preserve::new();
    // SAFETY: a descriptor of ours.
    unsafe { libc::syscall(libc::SYS_close, fd) };
}
