// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics in the shape of C's.

use super::{Stats, take};
use crate::diag::fatal;
use crate::sys::process::uncancelled;
use crate::sys::stream;
pub use crate::sys::stream::FILE;

/// `psref_stats_dump`.
///
/// # Safety
/// `stream` is null or an open one.
pub unsafe fn dump(stream: *mut FILE) {
    // SAFETY: passed on.
    unsafe { write("psref_stats_dump", stream, |stats| format!("{stats}\n")) }
}

/// `psref_stats_dump_json`.
///
/// # Safety
/// `stream` is null or an open one.
pub unsafe fn dump_json(stream: *mut FILE) {
    // SAFETY: passed on.
    unsafe { write("psref_stats_dump_json", stream, |stats| stats.to_json() + "\n") }
}

/// # Safety
/// `stream` is null or an open one.
unsafe fn write(function: &str, stream: *mut FILE, say: fn(&Stats) -> String) {
    if stream.is_null() {
        fatal(format_args!("{function}: stream is NULL, expected an open one"));
    }
    // Writing may be a cancellation point, and a thread that ended there would leave what it has allocated.
    // SAFETY: the caller's promise.
    uncancelled(|| unsafe { stream::write(stream, say(&take()).as_bytes()) });
}
