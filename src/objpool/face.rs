// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face: a stock of values, taken out by guards that give back.

use super::raw::{self, HeadState, Statistics};
use crate::sys::errno::Errno;
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A fixed stock of values. Taking one out and giving it back are two per-CPU stores, in signal handlers too; values lie on
/// the NUMA node of their home CPU, and empty CPUs take from near ones.
///
/// Source: Linux's `<linux/objpool.h>`.
///
/// ```
/// let buffers = psref::ObjPool::new(64, |_| [0_u8; 1500])?;
/// let mut buffer = buffers.pop().expect("64 are there");
/// buffer[0] = 0x45;
/// drop(buffer); // back in the pool, as it was left
/// # Ok::<(), psref::Errno>(())
/// ```
///
/// Guards write through a shared pool, so a pool of longer-lived values is none of shorter-lived ones:
///
/// ```compile_fail,E0597
/// fn smuggle<'s>(pool: &psref::ObjPool<&'s str>, s: &'s str) {
///     *pool.pop().unwrap() = s;
/// }
/// let pool: psref::ObjPool<&'static str> = psref::ObjPool::new(1, |_| "static").unwrap();
/// {
///     let short = String::from("short-lived");
///     smuggle(&pool, &short);
/// }
/// drop(pool);
/// ```
#[doc(alias = "objpool_init")]
pub struct ObjPool<T> {
    // Boxed: guards point to it.
    head: Box<UnsafeCell<HeadState>>,
    // Owns values, and guards write to them through a shared reference: invariant, as a cell is.
    _values: PhantomData<UnsafeCell<T>>,
}

// SAFETY: a value is with one thread at a time, which may be any: like a channel of them.
unsafe impl<T: Send> Send for ObjPool<T> {}
// SAFETY: as above; the pool's own words are atomics and sections.
unsafe impl<T: Send> Sync for ObjPool<T> {}

impl<T> ObjPool<T> {
    /// Makes a pool of `objects` values (1 to 2^24, of at most 65,536 bytes each, and aligned to no more than a word); `value` gets
    /// the number of each. May sleep.
    ///
    /// # Errors
    /// EINVAL: a number or size outside of these bounds. ENOMEM; nothing is leaked.
    pub fn new(objects: usize, mut value: impl FnMut(usize) -> T) -> Result<ObjPool<T>, Errno> {
        const EINVAL: Errno = Errno(libc::EINVAL);
        let size = c_int::try_from(size_of::<T>().max(1)).map_err(|_| EINVAL)?;
        let count = c_int::try_from(objects).map_err(|_| EINVAL)?;
        if align_of::<T>() > align_of::<usize>() {
            return Err(EINVAL);
        }
        let head = Box::new(UnsafeCell::new(HeadState::empty()));
        // SAFETY: the head is ours alone, and stays where it is.
        match unsafe { raw::init(head.get(), count, size, 0, std::ptr::null_mut(), None, None) } {
            0 => {}
            error => return Err(Errno(-error)),
        }
        // Owned from here on: a panic in `value` frees the memory; the values made so far are leaked, for which ones is not known.
        let pool = ObjPool { head, _values: PhantomData::<UnsafeCell<std::mem::MaybeUninit<T>>> };
        for number in 0..objects {
            // SAFETY: an object of the pool that nobody else knows of, large enough and aligned.
            unsafe { pool.address(number).cast::<T>().write(value(number)) };
        }
        Ok(pool.of_values())
    }

    fn head(&self) -> *mut HeadState {
        self.head.get()
    }

    /// Takes a value; `None`: none is free.
    #[doc(alias = "objpool_pop")]
    pub fn pop(&self) -> Option<Pooled<'_, T>> {
        // SAFETY: the head was initialised.
        let object = NonNull::new(unsafe { raw::pop(self.head()) })?;
        Some(Pooled { object: object.cast(), pool: self })
    }

    /// What happened in the slow paths, on one CPU or (`None`) on all. `None`: there is no such CPU.
    pub fn statistics(&self, cpu: Option<usize>) -> Option<Statistics> {
        let mut out = Statistics::default();
        let cpu = cpu.map_or(Ok(-1), c_int::try_from).ok()?;
        // SAFETY: the head was initialised.
        (unsafe { raw::statistics(self.head(), cpu, &raw mut out) } == 0).then_some(out)
    }

    fn address(&self, number: usize) -> *mut c_void {
        // SAFETY: the head was initialised; the pool lives as long as `self`.
        let pool = unsafe { (*self.head()).pool() }.expect("a pool that was made");
        std::ptr::with_exposed_provenance_mut(pool.layout.address(number))
    }
}

impl<T> ObjPool<std::mem::MaybeUninit<T>> {
    /// The same pool, once every object has its value.
    fn of_values(self) -> ObjPool<T> {
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so its head is taken out once.
        ObjPool { head: unsafe { std::ptr::read(&raw const this.head) }, _values: PhantomData }
    }
}

impl<T> Drop for ObjPool<T> {
    /// Drops the values that are in the pool. One whose guard was forgotten (`mem::forget`) is not dropped.
    #[doc(alias = "objpool_free")]
    fn drop(&mut self) {
        /// Ends the pool also where a value panics.
        struct End(*mut HeadState);
        impl Drop for End {
            fn drop(&mut self) {
                // SAFETY: nobody uses the pool any more.
                unsafe { raw::free(self.0) };
            }
        }
        let _end = End(self.head());
        if std::mem::needs_drop::<T>() {
            // SAFETY: guards borrow the pool, so nobody pops or pushes; each value is dropped once, for it is not pushed back.
            while let Some(object) = NonNull::new(unsafe { raw::pop(self.head()) }) {
                // SAFETY: as above.
                unsafe { object.cast::<T>().drop_in_place() };
            }
        }
    }
}

impl<T> fmt::Debug for ObjPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: a field that does not change.
        f.debug_struct("ObjPool").field("objects", &unsafe { (*self.head()).nr_objs }).finish()
    }
}

/// A value that was taken out; dropping it gives it back, as it was left, on whatever thread.
#[doc(alias = "objpool_push")]
pub struct Pooled<'a, T> {
    object: NonNull<T>,
    pool: &'a ObjPool<T>,
}

// SAFETY: owns the value until it is given back.
unsafe impl<T: Send> Send for Pooled<'_, T> {}
// SAFETY: gives out `&T` alone to those who share it.
unsafe impl<T: Send + Sync> Sync for Pooled<'_, T> {}

impl<T> Deref for Pooled<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: popped, so this guard's alone.
        unsafe { self.object.as_ref() }
    }
}

impl<T> DerefMut for Pooled<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.object.as_mut() }
    }
}

impl<T> Drop for Pooled<'_, T> {
    fn drop(&mut self) {
        // SAFETY: popped from this pool, pushed once.
        let answer = unsafe { raw::push(self.object.as_ptr().cast(), self.pool.head()) };
        debug_assert_eq!(answer, 0, "an object of the pool");
    }
}

impl<T: fmt::Debug> fmt::Debug for Pooled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
