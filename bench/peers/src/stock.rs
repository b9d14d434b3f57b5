// SPDX-License-Identifier: MIT OR Apache-2.0
//! crossbeam-queue's `ArrayQueue` of addresses behind functions that C calls.

use crossbeam_queue::ArrayQueue;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// An address on its way between threads.
pub struct Object(NonNull<c_void>);

// SAFETY: a number for this file; who may use what is there is the caller's business.
unsafe impl Send for Object {}

/// Makes a queue with room for so many objects.
#[unsafe(no_mangle)]
pub extern "C" fn bench_array_queue(objects: usize) -> Box<ArrayQueue<Object>> {
    Box::new(ArrayQueue::new(objects))
}

/// Frees it.
#[unsafe(no_mangle)]
pub extern "C" fn bench_array_queue_free(_: Box<ArrayQueue<Object>>) {}

/// The object given first; null where there is none.
#[unsafe(no_mangle)]
pub extern "C" fn bench_array_queue_take(queue: &ArrayQueue<Object>) -> *mut c_void {
    queue.pop().map_or(ptr::null_mut(), |object| object.0.as_ptr())
}

/// Gives one that is not null.
#[unsafe(no_mangle)]
pub extern "C" fn bench_array_queue_give(queue: &ArrayQueue<Object>, object: NonNull<c_void>) {
    assert!(queue.push(Object(object)).is_ok(), "more objects than there were");
}
