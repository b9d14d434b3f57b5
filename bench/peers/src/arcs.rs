// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reference counts: the standard library's `Arc`, cloned and dropped; and arc-swap, which lends what it holds.

use arc_swap::{ArcSwap, Guard};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// Makes an object.
#[unsafe(no_mangle)]
pub extern "C" fn bench_arc() -> *const u64 {
    Arc::into_raw(Arc::new(0))
}

/// One more hold of it.
///
/// # Safety
/// It came from [`bench_arc`] and is held meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_arc_clone(object: *const u64) -> *const u64 {
    // SAFETY: the caller's promise.
    unsafe { Arc::increment_strong_count(object) };
    object
}

/// One hold less.
///
/// # Safety
/// The hold is the caller's to end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_arc_drop(object: *const u64) {
    // SAFETY: the caller's promise.
    drop(unsafe { Arc::from_raw(object) });
}

type Lent = Guard<Arc<u64>>;

// The caller's `struct lent`.
const _: () = assert!(crate::fits::<Lent>(2));

/// Makes a place with an object.
#[unsafe(no_mangle)]
pub extern "C" fn bench_arc_swap() -> Box<ArcSwap<u64>> {
    Box::new(ArcSwap::from_pointee(0))
}

/// Frees both.
#[unsafe(no_mangle)]
pub extern "C" fn bench_arc_swap_free(_: Box<ArcSwap<u64>>) {}

/// Borrows the object that is in the place.
#[unsafe(no_mangle)]
pub extern "C" fn bench_arc_swap_load(place: &ArcSwap<u64>, lent: &mut MaybeUninit<Lent>) {
    lent.write(place.load());
}

/// Ends that.
///
/// # Safety
/// [`bench_arc_swap_load`] wrote it, and it was not dropped since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_arc_swap_drop(lent: &mut MaybeUninit<Lent>) {
    // SAFETY: the caller's promise.
    unsafe { lent.assume_init_drop() }
}
