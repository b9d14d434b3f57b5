// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passive serialization: read sections hold everything that can be reached, briefly, at the price of two stores to the
//! thread's own record; whoever takes something out of reach waits for the sections that were open then.
//!
//! To hold something past the section, take a passive reference (psref) or a count (localcount) inside it.
//!
//! Z1. A thread's word is 0 outside of sections. Inside, its upper bits hold the grace-period sequence as the thread saw it
//!     when it entered, or an older one. The thread alone writes it, but for a forked child's only thread.
//! Z2. A section that is open when `perform` begins shows a sequence older than perform's own, or its store of the word and
//!     all loads after it come after perform's membarrier: then it cannot find what was unpublished before perform.
//! Z3. A grace period that began before `perform` was called serves nobody who calls later (R22).
//! Z4. What the performer sleeps on is read before it looks at the words (R3); it raises `waited` only after a look that found a
//!     reader, and a membarrier stands between the raising and the next look. So the end of a section is seen by that look, or
//!     sees `waited`.
//! Z5. Where there is no membarrier, or a thread has not learned that there is one, a full fence follows the word's store on
//!     entering, and an exchange ends the section.
//!
//! Source of the interface: NetBSD's pserialize(9).

pub mod entry;
mod face;
#[cfg(all(test, loom))]
mod loom_tests;
pub(crate) mod perform;
pub mod raw;
mod read;

pub use face::{InReadSection, Pserialize, ReadSection};
pub use perform::PerformStats;
#[cfg(not(loom))]
pub(crate) use perform::stats;
