// SPDX-License-Identifier: MIT OR Apache-2.0
//! lockfree-object-pool's linear pool, whose objects are lent and return where they are dropped.

use lockfree_object_pool::{LinearObjectPool, LinearReusable};
use std::mem::MaybeUninit;

/// An object as large as those of the other stocks.
#[derive(Default)]
pub struct Object([u64; 32]);

type Lent = LinearReusable<'static, Object>;

// The caller's `struct reusable`.
const _: () = assert!(crate::fits::<Lent>(3));

/// Makes a pool that has made so many objects; what is given back is not touched.
#[unsafe(no_mangle)]
pub extern "C" fn bench_linear_pool(objects: usize) -> Box<LinearObjectPool<Object>> {
    let pool = LinearObjectPool::new(Object::default, |_| ());
    let all: Vec<_> = (0..objects).map(|_| pool.pull()).collect();
    drop(all);
    Box::new(pool)
}

/// Frees it.
#[unsafe(no_mangle)]
pub extern "C" fn bench_linear_pool_free(_: Box<LinearObjectPool<Object>>) {}

/// Takes one. The pool outlives it, by the caller's promise.
#[unsafe(no_mangle)]
pub extern "C" fn bench_linear_pool_pull(
    pool: &'static LinearObjectPool<Object>,
    lent: &mut MaybeUninit<Lent>,
) -> *const u64 {
    lent.write(pool.pull()).0.as_ptr()
}

/// Gives it back.
///
/// # Safety
/// [`bench_linear_pool_pull`] wrote it, and it was not dropped since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_linear_pool_drop(lent: &mut MaybeUninit<Lent>) {
    // SAFETY: the caller's promise.
    unsafe { lent.assume_init_drop() }
}
