// SPDX-License-Identifier: MIT OR Apache-2.0
//! The machine: one kernel facility a file, and nothing of meaning. All assembly and all raw system calls of the crate
//! live here; what is above never names `libc` for anything but a number.
//!
//! Two builds stand behind one surface. The *native* one has sections (restartable sequences) and a TLS word of its own;
//! the *portable* one (loom, Miri, ThreadSanitizer, and architectures without sections yet) has the atomics back end only.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros)]

pub(crate) mod affinity;
pub(crate) mod atomic;
pub(crate) mod backend;
#[cfg(all(feature = "borrowed-symbols", not(any(loom, miri))))]
pub(crate) mod borrowed_symbols;
#[macro_use]
mod caller;
pub(crate) mod clock;
pub(crate) mod cpus;
pub(crate) mod errno;
pub(crate) mod eventfd;
#[cfg(all(test, loom))]
pub(crate) mod explore;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod map;
pub(crate) mod membarrier;
pub(crate) mod object;
#[cfg(any(loom, feature = "inject"))]
pub(crate) mod plant;
pub(crate) mod probe;
pub(crate) mod process;
#[cfg(not(loom))]
pub(crate) mod pthread;
pub(crate) mod signals;
#[cfg(not(loom))]
pub(crate) mod spawn;
pub(crate) mod stream;
pub(crate) mod sync;
#[cfg(loom)]
pub(crate) mod sync_loom;
pub(crate) mod thread_exit;

#[doc(hidden)]
#[cfg(all(feature = "inject", not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
pub mod inject;

#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "count_entry_x86_64.rs"]
mod count_entry;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "inline_x86_64.rs"]
pub(crate) mod inline;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "magazine_x86_64.rs"]
pub(crate) mod magazine;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "objpool_bulk_x86_64.rs"]
mod objpool_bulk;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "objpool_entry_x86_64.rs"]
pub(crate) mod objpool_entry;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "psref_entry_x86_64.rs"]
mod psref_entry;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "reader_entry_x86_64.rs"]
mod reader_entry;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "rseq_x86_64.rs"]
pub(crate) mod section;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[path = "tls_x86_64.rs"]
pub(crate) mod tls;

#[cfg(all(not(any(loom, miri, psref_tsan)), any(target_arch = "aarch64", target_arch = "riscv64")))]
mod entry_portable;
#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
mod portable;
#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
pub(crate) use portable::{magazine, objpool_entry, section, tls};

/// log2 of the distance between two CPUs' stripes of a region; a constant, so that an address is one shift and one
/// addition in every section.
pub const STRIPE_SHIFT: u32 = 16;
