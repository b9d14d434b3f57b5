// SPDX-License-Identifier: MIT OR Apache-2.0
//! CLOCK_MONOTONIC in nanoseconds: the clock that futex deadlines are told in.

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
