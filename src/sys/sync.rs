// SPDX-License-Identifier: MIT OR Apache-2.0
//! The seam for loom: every atomic above `sys` comes from here, so that a `--cfg loom` build explores them.

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence,
};

#[cfg(loom)]
pub(crate) use super::sync_loom::{
    AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, compiler_fence, fence,
};
