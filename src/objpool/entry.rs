// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the exported fast paths are expanded from: offsets, and the slow routines they leave for. Not for users.
#![doc(hidden)]

use super::layout::Layout;
use super::raw;
pub use super::state::{HeadState, Pool};
pub use crate::percpu::magazine::{COUNT, ENTRIES, GUARD, LARGEST};
pub use crate::sys::STRIPE_SHIFT;
use std::ffi::{c_int, c_void};
use std::mem::offset_of;

/// Bytes of a pool: on every possible CPU and once in what all share, and for every object.
pub const MAGAZINE_BYTES: usize = crate::percpu::magazine::BYTES;
pub const LINK_BYTES: usize = size_of::<crate::sys::sync::AtomicU32>();

const LAYOUT: usize = offset_of!(Pool, layout);
pub const HEAD_POOL: usize = offset_of!(HeadState, pool);
/// Of CPU 0's magazine from its pool; the next CPU's comes `1 << STRIPE_SHIFT` bytes later, and so on.
pub const POOL_MAGAZINE: usize = (1 << STRIPE_SHIFT) - crate::percpu::magazine::SHARED;
pub const POOL_LIMIT: usize = offset_of!(Pool, limit);
pub const POOL_BASE: usize = LAYOUT + offset_of!(Layout, base);
pub const POOL_RECIPROCAL: usize = LAYOUT + offset_of!(Layout, reciprocal);
pub const POOL_SPAN: usize = LAYOUT + offset_of!(Layout, span);
pub const POOL_INVERSE: usize = LAYOUT + offset_of!(Layout, inverse);
pub const POOL_TWOS: usize = LAYOUT + offset_of!(Layout, twos);
pub const POOL_AREA_BITS: usize = LAYOUT + offset_of!(Layout, area_bits);
pub const POOL_AREAS: usize = LAYOUT + offset_of!(Layout, areas);
pub const POOL_AREA_MASK: usize = LAYOUT + offset_of!(Layout, area_mask);
pub const POOL_PLAIN: usize = LAYOUT + offset_of!(Layout, plain);
pub const POOL_ODD_BITS: usize = LAYOUT + offset_of!(Layout, odd_bits);
pub const POOL_BOUNDS: usize = LAYOUT + offset_of!(Layout, bounds_at);

/// Where the pop fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `objpool_pop`.
pub unsafe extern "C" fn pop_slow(head: *mut HeadState) -> *mut c_void {
    // SAFETY: passed on.
    unsafe { raw::pop_slowly(head) }
}

/// Where the push fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `objpool_push`.
pub unsafe extern "C" fn push_slow(object: *mut c_void, head: *mut HeadState) -> c_int {
    // SAFETY: passed on.
    unsafe { raw::push_slowly(object, head) }
}

/// Where the bulk pop fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `objpool_pop_bulk`.
pub unsafe extern "C" fn pop_bulk_slow(head: *mut HeadState, objects: *mut *mut c_void, n: usize) -> usize {
    // SAFETY: passed on.
    unsafe { raw::pop_bulk(head, objects, n) }
}

/// Where the bulk push fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `objpool_push_bulk`.
pub unsafe extern "C" fn push_bulk_slow(objects: *const *mut c_void, n: usize, head: *mut HeadState) -> c_int {
    // SAFETY: passed on.
    unsafe { raw::push_bulk(objects, n, head) }
}
