// SPDX-License-Identifier: MIT OR Apache-2.0
//! sharded-slab: a hold of one object by its key; and its pool.

use crate::pools::Object;
use sharded_slab::{Clear, Entry, Pool, Slab};
use std::mem::MaybeUninit;

/// A slab with one object.
pub struct One {
    slab: Slab<u64>,
    key: usize,
}

type Held = Entry<'static, u64>;

// The caller's `struct entry`.
const _: () = assert!(crate::fits::<Held>(6));

/// Makes it.
#[unsafe(no_mangle)]
pub extern "C" fn bench_slab() -> Box<One> {
    let slab = Slab::new();
    let key = slab.insert(0).expect("room for one object");
    Box::new(One { slab, key })
}

/// Frees it.
#[unsafe(no_mangle)]
pub extern "C" fn bench_slab_free(_: Box<One>) {}

/// Holds the object: it is not removed meanwhile. The slab outlives the hold, by the caller's promise.
#[unsafe(no_mangle)]
pub extern "C" fn bench_slab_get(one: &'static One, held: &mut MaybeUninit<Held>) {
    held.write(one.slab.get(one.key).expect("nobody removes it"));
}

/// Lets go of it.
///
/// # Safety
/// [`bench_slab_get`] wrote it, and it was not dropped since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_slab_drop(held: &mut MaybeUninit<Held>) {
    // SAFETY: the caller's promise.
    unsafe { held.assume_init_drop() }
}

impl Clear for Object {
    fn clear(&mut self) {}
}

/// Makes a pool. It grows as it is used, and keeps the memory of what is given back.
#[unsafe(no_mangle)]
pub extern "C" fn bench_slab_pool() -> Box<Pool<Object>> {
    Box::new(Pool::new())
}

/// Frees it.
#[unsafe(no_mangle)]
pub extern "C" fn bench_slab_pool_free(_: Box<Pool<Object>>) {}

/// An object's key plus one; 0 where there is no room for one.
#[unsafe(no_mangle)]
pub extern "C" fn bench_slab_pool_take(pool: &Pool<Object>) -> usize {
    pool.create_with(|_| ()).map_or(0, |key| key + 1)
}

/// Gives it back.
#[unsafe(no_mangle)]
pub extern "C" fn bench_slab_pool_give(pool: &Pool<Object>, key: usize) {
    assert!(pool.clear(key - 1), "a key that the pool does not know");
}
