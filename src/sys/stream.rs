// SPDX-License-Identifier: MIT OR Apache-2.0
//! stdio's streams, as C programs pass them.

/// `FILE`.
pub use libc::FILE;

/// Writes as much as the stream takes.
///
/// # Safety
/// `stream` is an open one.
pub(crate) unsafe fn write(stream: *mut FILE, bytes: &[u8]) {
    // SAFETY: the caller's promise; reads our bytes.
    unsafe { libc::fwrite(bytes.as_ptr().cast(), 1, bytes.len(), stream) };
}
