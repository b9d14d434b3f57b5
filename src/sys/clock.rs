// SPDX-License-Identifier: MIT OR Apache-2.0
//! CLOCK_MONOTONIC in nanoseconds: the clock that futex deadlines are told in.

use super::errno::Errno;
use std::time::Duration;

/// `struct timespec`.
pub use libc::timespec as Timespec;

/// How long a span of time is; EINVAL where it is none.
///
/// # Safety
/// `span` is null (then `None`) or readable.
pub(crate) unsafe fn span(span: *const Timespec) -> Result<Option<Duration>, Errno> {
    // SAFETY: the caller's promise.
    let Some(span) = (unsafe { span.as_ref() }) else { return Ok(None) };
    match (u64::try_from(span.tv_sec), u32::try_from(span.tv_nsec)) {
        (Ok(seconds), Ok(ns @ 0..1_000_000_000)) => Ok(Some(Duration::new(seconds, ns))),
        _ => Err(Errno(libc::EINVAL)),
    }
}

/// Nanoseconds since some moment before the process began.
pub(crate) fn now() -> u64 {
    if cfg!(loom) {
        return 0; // loom repeats executions, which must not depend on how long they take
    }
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes one timespec of ours; the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}
