// SPDX-License-Identifier: MIT OR Apache-2.0
//! Per-CPU memory and the operations on it. [`region`] hands out small pieces that every CPU has at the same offset of
//! its own stripe; [`slots`] are claimed and cleared in them, [`count`]s are added to.

pub(crate) mod count;
pub mod entry;
pub(crate) mod magazine;
#[cfg(not(loom))]
pub(crate) mod region;
pub(crate) mod runtime;
pub(crate) mod slots;
pub(crate) mod tally;
