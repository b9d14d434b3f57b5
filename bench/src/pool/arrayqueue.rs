// SPDX-License-Identifier: MIT OR Apache-2.0
//! `arrayqueue`: free objects in one bounded queue, crossbeam-queue's.

use super::{Objects, Pool};
use crate::{Error, Memory};
use crossbeam_queue::ArrayQueue;
use std::sync::atomic::{AtomicU64, AtomicUsize};

pub(crate) struct Queue {
    queue: ArrayQueue<u32>,
    objects: Objects,
}

impl Pool for Queue {
    type Object = u32;

    fn new(objects: usize, size: usize) -> Result<Queue, Error> {
        let queue = Queue { queue: ArrayQueue::new(objects), objects: Objects::new(objects, size) };
        queue.objects.numbers().for_each(|object| queue.push(object));
        Ok(queue)
    }

    #[inline]
    fn pop(&self) -> Option<u32> {
        self.queue.pop()
    }

    #[inline]
    fn push(&self, object: u32) {
        // As many places as objects: never refused.
        let _ = self.queue.push(object);
    }

    #[inline]
    fn owner(&self, object: u32) -> &AtomicU64 {
        self.objects.owner(object)
    }

    fn memory(&self) -> Memory {
        // A place: its lap and a number.
        Memory { bytes_per_object: size_of::<(AtomicUsize, u32)>() as f64, ..Memory::default() }
    }
}
