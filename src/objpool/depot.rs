// SPDX-License-Identifier: MIT OR Apache-2.0
//! Depots: for every CPU a lock-free stack of object numbers, chained through one 32-bit link an object for the whole pool.
//!
//! O1. A head is {generation, number of the first object plus one}; the generation moves at every change (R25).
//! O2. A link is written by whoever has the object in hands, before it is pushed; links read on the way may be stale, so they are
//!     bounds-checked, and nothing is done with them before the exchange that proves they were not.

use super::block::{Block, Run};
use super::layout::Layout;
use crate::percpu::magazine::Magazines;
use crate::sys::errno::Errno;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering};

/// Bits of a number in a head; 2^24 objects at most, plus one for none. The generation in the other 39 comes round in hours,
/// longer than any thread is stopped in a pop.
const NUMBER_BITS: u32 = 25;
const NUMBER: u64 = (1 << NUMBER_BITS) - 1;

/// Of a push: the links, and what their last user wrote to the objects, before the head. (Planted: Miri and ThreadSanitizer
/// must notice.)
const PUSHING: Ordering = if cfg!(psref_planted) { Ordering::Relaxed } else { Ordering::Release };

/// The links of a pool.
pub(crate) struct Depots {
    links: Run<AtomicU32>,
}

impl Depots {
    pub(crate) fn new(objects: usize, block: &mut Block) -> Result<Depots, Errno> {
        Ok(Depots { links: block.run(objects)? })
    }

    fn link(&self, object: usize) -> &AtomicU32 {
        &self.links[object]
    }

    /// All objects in their homes' depots, the lowest numbers on top; before anybody else knows of the pool.
    pub(crate) fn fill(&self, layout: &Layout, magazines: Magazines) {
        for object in (0..self.links.len()).rev() {
            self.push(magazines.depot(layout.home(object)), &[object]);
        }
    }

    /// Pushes objects that the caller has in hands; the first of them ends on top.
    pub(crate) fn push(&self, head: &AtomicU64, objects: &[usize]) {
        let (Some(&first), Some(&last)) = (objects.first(), objects.last()) else { return };
        for pair in objects.windows(2) {
            // Relaxed: published by the exchange below.
            self.link(pair[0]).store(pair[1] as u32 + 1, Ordering::Relaxed);
        }
        let mut seen = head.load(Ordering::Relaxed);
        loop {
            #[cfg(any(loom, feature = "inject"))]
            if plant::planted(Bug::LinkLate) {
                if head.compare_exchange(seen, tagged(seen, first as u64 + 1), PUSHING, Ordering::Relaxed).is_ok() {
                    #[cfg(feature = "inject")]
                    crate::sys::inject::pause();
                    return self.link(last).store((seen & NUMBER) as u32, Ordering::Relaxed);
                }
                seen = head.load(Ordering::Relaxed);
                continue;
            }
            self.link(last).store((seen & NUMBER) as u32, Ordering::Relaxed);
            match head.compare_exchange_weak(seen, tagged(seen, first as u64 + 1), PUSHING, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes up to `out.len()` objects off the top; answers how many.
    pub(crate) fn pop(&self, head: &AtomicU64, out: &mut [usize]) -> usize {
        // Acquire: the links and objects that the head stands for.
        let mut seen = head.load(Ordering::Acquire);
        loop {
            let mut next = seen & NUMBER;
            let mut n = 0;
            while n < out.len() && next != 0 {
                let object = next as usize - 1;
                if object >= self.links.len() {
                    break; // stale; the exchange fails (O2)
                }
                out[n] = object;
                n += 1;
                next = u64::from(self.link(object).load(Ordering::Relaxed));
            }
            if n == 0 && seen & NUMBER == 0 {
                return 0;
            }
            #[cfg(any(loom, feature = "inject"))]
            if plant::planted(Bug::HeadReadLate) {
                seen = head.load(Ordering::Acquire);
            }
            #[cfg(feature = "inject")]
            crate::sys::inject::pause();
            match head.compare_exchange_weak(seen, tagged(seen, next & NUMBER), Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => return n,
                Err(now) => seen = now,
            }
        }
    }
}

/// Whether a depot shows anything.
pub(crate) fn is_empty(head: &AtomicU64) -> bool {
    head.load(Ordering::SeqCst) & NUMBER == 0
}

fn tagged(seen: u64, number: u64) -> u64 {
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::NoTag) {
        return number;
    }
    ((seen >> NUMBER_BITS).wrapping_add(1) << NUMBER_BITS) | number
}
