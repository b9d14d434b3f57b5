// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is counted of pools, for whoever asks about all of them and owns none. A pool may go while somebody reads its
//! numbers: they lie in memory that is never unmapped, and the listing's version tells that they are to be thrown away.

use super::state::{Counter, Pool};
use crate::percpu::magazine::Magazines;
use crate::percpu::runtime;
use crate::stable::{self, Stable};
#[cfg(feature = "inject")]
use crate::sys::plant::{self, Bug};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

/// What [`crate::stats`] tells of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Address of the head that it was made with: pools have no names.
    pub at: usize,
    /// Its objects.
    pub objects: usize,
    /// Bytes of each.
    pub object_size: usize,
    /// Objects handed out at the moment, give or take those on their way; dropped ones too.
    pub out: usize,
    /// Objects in magazines at the moment; the others that are not out lie in depots.
    pub in_magazines: usize,
    /// Pops that took the slow path.
    pub misses: u64,
    /// Pops that found none.
    pub failures: u64,
    /// Batches taken from depots.
    pub depot_pops: u64,
    /// Times that objects went to depots.
    pub depot_pushes: u64,
    /// Objects taken from other CPUs' magazines.
    pub recalls: u64,
}

/// A pool that lives, or did.
pub(crate) struct Listing {
    /// Odd while the rest is a pool's that lives; moves before and after.
    version: AtomicU64,
    at: AtomicUsize,
    objects: AtomicUsize,
    object_size: AtomicUsize,
    magazines: AtomicUsize,
}

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for Listing {}

static LISTINGS: stable::Pool<Listing> = stable::Pool::new();

impl Listing {
    /// From now on the pool is counted. `None`: no memory for that.
    pub(super) fn enter(at: usize, objects: usize, pool: &Pool) -> Option<&'static Listing> {
        let listing = LISTINGS.take().ok()?;
        listing.at.store(at, Ordering::Relaxed);
        listing.objects.store(objects, Ordering::Relaxed);
        listing.object_size.store(pool.layout.stride, Ordering::Relaxed);
        listing.magazines.store(pool.magazines.base(), Ordering::Relaxed);
        listing.version.fetch_add(1, Ordering::SeqCst);
        Some(listing)
    }

    /// Before the pool's memory goes.
    pub(super) fn leave(&'static self) {
        self.version.fetch_add(1, Ordering::SeqCst);
        // What comes next in this memory, and in the listing under its next owner, is written with less. Fence F, pairs with
        // the loads in `read`: one that finds any of it comes after this fence, and so does the second look at the version.
        fence(Ordering::SeqCst);
        // SAFETY: taken in `enter`; the pool, which goes, alone knew of it.
        unsafe { LISTINGS.give(self) };
    }

    fn read(&self) -> Option<PoolStats> {
        let version = self.version.load(Ordering::SeqCst);
        if version.is_multiple_of(2) {
            return None;
        }
        // SeqCst, all of it: between the two looks at the version (fence F).
        let of = |word: &AtomicUsize| word.load(Ordering::SeqCst);
        let magazines = Magazines::at(of(&self.magazines));
        let cpus = 0..runtime::get().cpus();
        let sum = |what: Counter| -> u64 {
            cpus.clone()
                .map(|cpu| magazines.counter(cpu, what as usize).load(Ordering::SeqCst))
                .fold(0, u64::wrapping_add)
        };
        let objects = of(&self.objects);
        #[cfg(feature = "inject")]
        crate::sys::inject::pause();
        let in_magazines = cpus.clone().map(|cpu| magazines.shown(cpu)).sum::<usize>().min(objects);
        let in_depots = (objects as u64).wrapping_add(sum(Counter::Deposited)).wrapping_sub(sum(Counter::Withdrawn));
        let in_depots = usize::try_from(in_depots.cast_signed().max(0)).unwrap_or(0);
        let seen = PoolStats {
            at: of(&self.at),
            objects,
            object_size: of(&self.object_size),
            out: objects.saturating_sub(in_depots.saturating_add(in_magazines)),
            in_magazines,
            misses: sum(Counter::Misses),
            failures: sum(Counter::Failures),
            depot_pops: sum(Counter::DepotPops),
            depot_pushes: sum(Counter::DepotPushes),
            recalls: sum(Counter::Recalls),
        };
        #[cfg(feature = "inject")]
        if plant::planted(Bug::StaleListing) {
            return Some(seen);
        }
        (self.version.load(Ordering::SeqCst) == version).then_some(seen)
    }
}

/// Of every pool.
pub(crate) fn pools() -> Vec<PoolStats> {
    LISTINGS.iter().filter_map(Listing::read).collect()
}
