// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/stats.h>`: what is counted.

use ::psref::stats::raw;
pub use ::psref::stats::raw::FILE;

/// Writes statistics to `stream`, for people: of each class how many holds there are, how many acquires took the slow
/// path and how many drains had to wait, with how long these waits were, by powers of two; of each pool how many
/// objects are out, and how often pops went beyond the CPU's own; and of all localcounts, gates, read sections and
/// retired things together. Fast paths count nothing: what they have done shows as far as holds and objects do.
///
/// NULL is a fatal diagnostic. Whether everything was written, ferror(3) tells.
///
/// Context: any but signal handlers; allocates; looks at every slot of every class, and stops nobody. An extension.
///
/// # Safety
/// `stream` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_stats_dump(stream: *mut FILE) {
    // SAFETY: the caller's promise.
    unsafe { raw::dump(stream) }
}

/// The same for programs: a line of JSON (RFC 8259). Times are in nanoseconds; a histogram is a list of pairs: from how
/// many on, and up to the double, how many waits.
///
/// Context: as of psref_stats_dump(). An extension.
///
/// # Safety
/// `stream` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_stats_dump_json(stream: *mut FILE) {
    // SAFETY: the caller's promise.
    unsafe { raw::dump_json(stream) }
}
