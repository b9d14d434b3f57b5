// SPDX-License-Identifier: MIT OR Apache-2.0
//! `objpool`: psref's own pool, by the calls that a C program makes.

use super::Pool;
use crate::{Error, Memory};
use psref::Errno;
use psref::objpool::raw::{self, HeadState};
use std::cell::UnsafeCell;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

/// Boxed: the pool remembers where its head is.
pub(crate) struct ObjPool {
    head: Box<UnsafeCell<MaybeUninit<HeadState>>>,
    cpus: usize,
}

// SAFETY: pop and push may be called by all threads at once.
unsafe impl Sync for ObjPool {}

impl ObjPool {
    #[inline]
    fn head(&self) -> *mut HeadState {
        self.head.get().cast()
    }
}

impl Pool for ObjPool {
    type Object = NonNull<AtomicU64>;

    fn new(objects: usize, size: usize) -> Result<ObjPool, Error> {
        // Both were checked with the configuration: the pool refuses what does not fit.
        let [count, bytes] = [objects, size].map(|n| i32::try_from(n).unwrap_or(0));
        let head = Box::new(UnsafeCell::new(MaybeUninit::<HeadState>::uninit()));
        // SAFETY: the head is this function's alone, and stays where it is.
        match unsafe { raw::init(head.get().cast(), count, bytes, 0, ptr::null_mut(), None, None) } {
            0 => {
                // SAFETY: initialised by the call.
                let cpus = unsafe { (*head.get().cast::<HeadState>()).nr_possible_cpus } as usize;
                Ok(ObjPool { head, cpus })
            }
            error => Err(Error::system(format_args!("no pool of {objects} objects of {size} bytes"), Errno(-error))),
        }
    }

    #[inline]
    fn pop(&self) -> Option<NonNull<AtomicU64>> {
        // SAFETY: the head is initialised.
        NonNull::new(unsafe { raw::pop(self.head()) }.cast())
    }

    #[inline]
    fn push(&self, object: NonNull<AtomicU64>) {
        // SAFETY: as above; objects of this type come from `pop` alone.
        unsafe { raw::push(object.as_ptr().cast::<c_void>(), self.head()) };
    }

    #[inline]
    fn owner(&self, object: NonNull<AtomicU64>) -> &AtomicU64 {
        // SAFETY: an object of the pool: zeroed at first, of 8 bytes or more, aligned to a word, and there as long as the pool is.
        unsafe { object.as_ref() }
    }

    fn memory(&self) -> Memory {
        // A link for each object, and for each CPU its magazine.
        Memory { bytes_per_object: 4.0, bytes_per_hold: 0.0, bytes_per_cpu: 8192.0 + 56.0 / self.cpus as f64 }
    }
}

impl Drop for ObjPool {
    fn drop(&mut self) {
        // SAFETY: made by `new`; nobody uses it any more.
        unsafe { raw::free(self.head()) }
    }
}
