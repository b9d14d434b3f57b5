// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ring`: the ring of Linux's objpool, from its contract, as far as it can be had in user space. Every possible CPU has a ring
//! with room for all objects. A pop takes from the own CPU's, then goes round the others'; a push goes to the CPU where it is made.
//!
//! The kernel keeps interrupts off, so that a ring has one pusher at a time and whoever moved the tail also completes. Here:
//!
//! * A pusher may lose its CPU between the two steps. So pushes complete in order: the next waits for it, and gives it the CPU.
//! * The CPU may have changed by the time that its ring is used. That is harmless, for everything is atomic.
//! * The numbers have 64 bits: a thread may sleep for as long as 32 take to come round.

use super::{Objects, Pool};
use crate::{Error, Memory, machine};
use crossbeam_utils::CachePadded;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Places `head..last` have objects; `last..tail` are being filled. Together on a line, as Linux has them.
#[derive(Default)]
struct Ends {
    head: AtomicU64,
    tail: AtomicU64,
    last: AtomicU64,
}

struct OfCpu {
    ends: CachePadded<Ends>,
    /// A power of two.
    places: Box<[AtomicU32]>,
}

impl OfCpu {
    #[inline]
    fn place(&self, number: u64) -> &AtomicU32 {
        &self.places[number as usize & (self.places.len() - 1)]
    }

    #[inline]
    fn pop(&self, objects: u64) -> Option<u32> {
        // Acquire: the last that is read next is not older.
        let mut head = self.ends.head.load(Ordering::Acquire);
        loop {
            // Acquire, with the push's Release: the place is filled.
            let last = self.ends.last.load(Ordering::Acquire);
            if last == head {
                return None;
            }
            if last.wrapping_sub(head) > objects {
                // More than there are: the head was read long before.
                head = self.ends.head.load(Ordering::Acquire);
                continue;
            }
            // Relaxed: ordered by the last; if the place was filled anew the head has moved.
            let object = self.place(head).load(Ordering::Relaxed);
            // Release: the place is read before it may be filled again. Acquire on failure, as above.
            match self.ends.head.compare_exchange(head, head + 1, Ordering::Release, Ordering::Acquire) {
                Ok(_) => return Some(object),
                Err(now) => head = now,
            }
        }
    }

    #[inline]
    fn push(&self, object: u32) {
        // It is empty: there are as many places as objects. AcqRel: whoever read it last did so before earlier pushes, or before
        // this thread came by its object.
        let tail = self.ends.tail.fetch_add(1, Ordering::AcqRel);
        self.place(tail).store(object, Ordering::Relaxed);
        // Acquire: of those before, whose places the store below publishes too.
        while self.ends.last.load(Ordering::Acquire) != tail {
            std::thread::yield_now();
        }
        self.ends.last.store(tail + 1, Ordering::Release);
    }
}

pub(crate) struct Ring {
    cpus: Box<[OfCpu]>,
    objects: Objects,
}

impl Ring {
    /// glibc reads it where the kernel keeps it, without a system call.
    #[inline]
    fn cpu(&self) -> usize {
        // SAFETY: has no conditions.
        let cpu = unsafe { libc::sched_getcpu() };
        usize::try_from(cpu).ok().filter(|&cpu| cpu < self.cpus.len()).unwrap_or(0)
    }
}

impl Pool for Ring {
    type Object = u32;

    fn new(objects: usize, size: usize) -> Result<Ring, Error> {
        let places = objects.next_power_of_two();
        let of_cpu =
            |_| OfCpu { ends: CachePadded::default(), places: (0..places).map(|_| AtomicU32::new(0)).collect() };
        let ring =
            Ring { cpus: (0..machine::possible_cpus()).map(of_cpu).collect(), objects: Objects::new(objects, size) };
        for object in ring.objects.numbers() {
            ring.cpus[object as usize % ring.cpus.len()].push(object);
        }
        Ok(ring)
    }

    #[inline]
    fn pop(&self) -> Option<u32> {
        let own = self.cpu();
        let objects = self.objects.number as u64;
        self.cpus[own]
            .pop(objects)
            .or_else(|| self.cpus[own + 1..].iter().chain(&self.cpus[..own]).find_map(|cpu| cpu.pop(objects)))
    }

    #[inline]
    fn push(&self, object: u32) {
        self.cpus[self.cpu()].push(object);
    }

    #[inline]
    fn owner(&self, object: u32) -> &AtomicU64 {
        self.objects.owner(object)
    }

    fn memory(&self) -> Memory {
        // Of the kernel's own, which keeps addresses: 8 bytes a place, 16 a ring, 8 for its address.
        let places = (8 * self.objects.number.next_power_of_two() * self.cpus.len()) as f64;
        Memory { bytes_per_object: places / self.objects.number as f64, bytes_per_hold: 0.0, bytes_per_cpu: 24.0 }
    }
}
