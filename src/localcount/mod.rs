// SPDX-License-Identifier: MIT OR Apache-2.0
//! Local counts: hold one of a few objects, for any time, from thread to thread. Two per-CPU additions a hold; 8 bytes a CPU
//! an object. Whoever destroys pays with an interrupt on every CPU and one look at each CPU's cell.
//!
//! Where there are many objects, hold them by passive references (psref); to hold nothing and only look, use a read section
//! (pserialize).
//!
//! C1. The object's first word is the guard of its cells (N1): every hold is in one cell or, once the guard is set, in the total.
//! C2. Whoever sets the guard closes the cells and adds their sum to the total; until then a total of 0 means nothing, which is
//!     what the state `CLOSING` is for.
//! C3. A release that finds the guard is counted in the total: under the interlock where there is one (then nobody frees the
//!     object before the interlock is let go), else by an atomic subtraction after which nothing of the object is touched (R4).
//! C4. Drained is final, and poison.
//!
//! Source of the interface: NetBSD's localcount(9), and `localcount_trydrain` as proposed on tech-kern in 2017.

mod drain;
pub mod entry;
mod face;
mod hold;
#[cfg(all(test, loom))]
mod loom_tests;
mod misuse;
pub mod raw;
mod state;
mod strict;

pub use drain::CountStats;
#[cfg(not(loom))]
pub(crate) use drain::stats;
pub use face::{CountGuard, LocalCount};
pub use misuse::Misuse;
