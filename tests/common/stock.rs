// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pool whose objects know who has them. Beside `common`, for the tests of objpool alone.
#![allow(dead_code, reason = "each test program uses its part")]

use psref::objpool::raw::{self, HeadState, Statistics};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Bytes of an object; the first word of it is the owner's, and nobody is 0.
const SIZE: c_int = 64;

/// An object in somebody's hands.
pub type Object = *mut c_void;

/// Whose functions: the core's, or the C library's.
pub trait Api: 'static {
    /// # Safety
    /// As of `objpool_init`.
    unsafe fn init(head: *mut HeadState, objects: c_int, bytes: c_int) -> c_int;
    /// # Safety
    /// As of `objpool_pop`.
    unsafe fn pop(head: *mut HeadState) -> Object;
    /// # Safety
    /// As of `objpool_push`.
    unsafe fn push(object: Object, head: *mut HeadState) -> c_int;
    /// # Safety
    /// As of `objpool_pop_bulk`.
    unsafe fn pop_bulk(head: *mut HeadState, objects: *mut Object, n: usize) -> usize;
    /// # Safety
    /// As of `objpool_push_bulk`.
    unsafe fn push_bulk(objects: *const Object, n: usize, head: *mut HeadState) -> c_int;
    /// # Safety
    /// As of `objpool_free`.
    unsafe fn free(head: *mut HeadState);
}

/// The core's.
pub struct Raw;

impl Api for Raw {
    unsafe fn init(head: *mut HeadState, objects: c_int, bytes: c_int) -> c_int {
        // SAFETY: the caller's promise.
        unsafe { raw::init(head, objects, bytes, 0, ptr::null_mut(), None, None) }
    }

    unsafe fn pop(head: *mut HeadState) -> Object {
        // SAFETY: the caller's promise.
        unsafe { raw::pop(head) }
    }

    unsafe fn push(object: Object, head: *mut HeadState) -> c_int {
        // SAFETY: the caller's promise.
        unsafe { raw::push(object, head) }
    }

    unsafe fn pop_bulk(head: *mut HeadState, objects: *mut Object, n: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { pop_bulk(head, objects, n) }
    }

    unsafe fn push_bulk(objects: *const Object, n: usize, head: *mut HeadState) -> c_int {
        // SAFETY: the caller's promise.
        unsafe { push_bulk(objects, n, head) }
    }

    unsafe fn free(head: *mut HeadState) {
        // SAFETY: the caller's promise.
        unsafe { raw::free(head) }
    }
}

/// The pool.
pub struct StockOf<A: Api> {
    head: Box<UnsafeCell<HeadState>>,
    pub objects: usize,
    api: PhantomData<A>,
}

/// By the core's functions.
pub type Stock = StockOf<Raw>;

// SAFETY: a pool may be used by all threads at once.
unsafe impl<A: Api> Sync for StockOf<A> {}
// SAFETY: as above.
unsafe impl<A: Api> Send for StockOf<A> {}

impl<A: Api> StockOf<A> {
    pub fn new(objects: usize) -> Self {
        Self::try_new(objects).unwrap_or_else(|error| panic!("no pool of {objects} objects: {error}"))
    }

    /// Of objects of so many bytes.
    pub fn of_size(objects: usize, bytes: usize) -> Self {
        Self::try_of_size(objects, bytes as c_int).unwrap_or_else(|error| panic!("no pool: {error}"))
    }

    pub fn try_new(objects: usize) -> Result<Self, c_int> {
        Self::try_of_size(objects, SIZE)
    }

    fn try_of_size(objects: usize, bytes: c_int) -> Result<Self, c_int> {
        // SAFETY: numbers and null pointers, for which zero is a value.
        let head: Box<UnsafeCell<HeadState>> = Box::new(UnsafeCell::new(unsafe { std::mem::zeroed() }));
        // SAFETY: ours alone.
        match unsafe { A::init(head.get(), objects as c_int, bytes) } {
            0 => Ok(StockOf { head, objects, api: PhantomData }),
            error => Err(error),
        }
    }

    pub fn head(&self) -> *mut HeadState {
        self.head.get()
    }

    pub fn pop(&self) -> Option<Object> {
        // SAFETY: the pool lives as long as `self`.
        let object = unsafe { A::pop(self.head()) };
        (!object.is_null()).then_some(object)
    }

    /// Without the fast path's section.
    pub fn pop_slowly(&self) -> Option<Object> {
        // SAFETY: the pool lives as long as `self`.
        let object = unsafe { raw::pop_slowly(self.head()) };
        (!object.is_null()).then_some(object)
    }

    pub fn push(&self, object: Object) {
        // SAFETY: the pool lives as long as `self`; tests push what they popped.
        assert_eq!(unsafe { A::push(object, self.head()) }, 0);
    }

    pub fn pop_bulk(&self, n: usize) -> Vec<Object> {
        let mut objects = vec![ptr::null_mut(); n];
        // SAFETY: there is room for `n`.
        let got = unsafe { A::pop_bulk(self.head(), objects.as_mut_ptr(), n) };
        objects.truncate(got);
        objects
    }

    pub fn push_bulk(&self, objects: &[Object]) {
        // SAFETY: tests push what they popped.
        assert_eq!(unsafe { A::push_bulk(objects.as_ptr(), objects.len(), self.head()) }, 0);
    }

    /// Without the fast path's section; there is another one on the way.
    pub fn pop_bulk_slowly(&self, n: usize) -> Vec<Object> {
        let mut objects = vec![ptr::null_mut(); n];
        // SAFETY: there is room for `n`.
        let got = unsafe { raw::pop_bulk(self.head(), objects.as_mut_ptr(), n) };
        objects.truncate(got);
        objects
    }

    /// Without the fast path's section; there is another one on the way.
    pub fn push_bulk_slowly(&self, objects: &[Object]) {
        // SAFETY: tests push what they popped.
        assert_eq!(unsafe { raw::push_bulk(objects.as_ptr(), objects.len(), self.head()) }, 0);
    }

    /// Pops until there is nothing, or more than there can be.
    pub fn pop_all(&self) -> Vec<Object> {
        let mut all = Vec::new();
        while all.len() <= 2 * self.objects
            && let Some(object) = self.pop()
        {
            all.push(object);
        }
        all
    }

    pub fn statistics(&self) -> Statistics {
        let mut out = Statistics::default();
        // SAFETY: the pool lives as long as `self`.
        assert_eq!(unsafe { raw::statistics(self.head(), -1, &raw mut out) }, 0);
        out
    }
}

impl<A: Api> Drop for StockOf<A> {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { A::free(self.head()) }
    }
}

/// What the C library exports; the crate itself has the slow one alone.
#[cfg(all(target_arch = "x86_64", not(any(miri, psref_tsan))))]
#[unsafe(naked)]
unsafe extern "C" fn pop_bulk(_: *mut HeadState, _: *mut Object, _: usize) -> usize {
    psref::__objpool_pop_bulk_body!(psref::objpool::entry::pop_bulk_slow)
}

/// As above.
#[cfg(all(target_arch = "x86_64", not(any(miri, psref_tsan))))]
#[unsafe(naked)]
unsafe extern "C" fn push_bulk(_: *const Object, _: usize, _: *mut HeadState) -> c_int {
    psref::__objpool_push_bulk_body!(psref::objpool::entry::push_bulk_slow)
}

#[cfg(not(all(target_arch = "x86_64", not(any(miri, psref_tsan)))))]
use raw::{pop_bulk, push_bulk};

/// Objects for another thread.
pub struct Hands(pub Vec<Object>);

// SAFETY: whoever has them may use them.
unsafe impl Send for Hands {}

/// The owner's word.
fn owner<'a>(object: Object) -> &'a AtomicU64 {
    // SAFETY: an object's first word, in a pool that the test keeps.
    unsafe { AtomicU64::from_ptr(object.cast()) }
}

/// Whoever popped an object says so; anybody else who has it is caught.
pub fn own(object: Object, me: u64) {
    let before = owner(object).swap(me, SeqCst);
    assert_eq!(before, 0, "object {object:p} was handed to {me} while {before} had it");
}

/// Before it is pushed.
pub fn disown(object: Object, me: u64) {
    let before = owner(object).swap(0, SeqCst);
    assert_eq!(before, me, "object {object:p} of {me} was taken by {before}");
}
