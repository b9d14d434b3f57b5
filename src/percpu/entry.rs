// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the exported fast paths of counts are expanded from. Not for users.

use super::count::Counted;
pub use crate::sys::STRIPE_SHIFT;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
pub use crate::sys::tls::{
    THREAD_NAME, THREAD_NUMBER, THREAD_READING, WORDS_CPU_LIMIT, WORDS_GRACE, WORDS_NAME, WORDS_RSEQ_OFFSET,
    WORDS_WAITED,
};
use std::mem::offset_of;

/// Bytes of a count on every CPU, and of a thread's record.
pub const CELL_BYTES: usize = size_of::<crate::sys::sync::AtomicU64>();
#[cfg(not(loom))]
pub use crate::thread::RECORD_BYTES;

pub const COUNT_GUARD: usize = offset_of!(Counted, guard);
pub const COUNT_CELLS: usize = offset_of!(Counted, cells);
