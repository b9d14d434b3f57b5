// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regions: a stripe of address space for every possible CPU, one more for threads without a section, and before them one that
//! all share (totals of counts, what sections read of a pool), a constant power of two apart, each CPU's on its NUMA node; and a
//! small allocator of pieces that lie at one offset in all stripes.
//!
//! A piece costs physical memory only on CPUs that touch it. Pieces are powers of two from 8 bytes to half a stripe, kept on
//! one lock-free free list a size and never split or merged: programs make few sizes. Nothing here takes a lock or calls
//! malloc (R13): a psref class may have to grow in a signal handler.
//!
//! G1. `[base, base + opened)` of every stripe of a region is readable and writable for ever; regions are never unmapped.
//! G2. A piece lies below `bump`, `bump <= opened`, and belongs to one user or to one free list.
//! G3. A piece on a free list is zero in every stripe but for the link in its first 8 bytes of stripe 0.
//! G4. A free list's head carries a tag that moves at every change (R25).

use super::runtime::{self, Runtime};
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::sys::{STRIPE_SHIFT, map};

const STRIPE: usize = 1 << STRIPE_SHIFT;
const REGIONS: usize = 4096;
const SMALLEST: u32 = 3; // log2
const LARGEST: u32 = STRIPE_SHIFT - 1;
/// An index names a piece: region, then offset in units of 8 bytes. 0 is none, so it is kept plus one.
const INDEX_BITS: u32 = 26;

struct Region {
    /// Address of stripe 0; 0 while the region does not exist.
    base: AtomicUsize,
    bump: AtomicUsize,
    opened: AtomicUsize,
}

static TABLE: [Region; REGIONS] =
    [const { Region { base: AtomicUsize::new(0), bump: AtomicUsize::new(0), opened: AtomicUsize::new(0) } }; REGIONS];
/// The region that is being filled; those before it are full but for their last bytes.
static FILLING: AtomicU32 = AtomicU32::new(0);
static FREE: [AtomicU64; (LARGEST - SMALLEST + 1) as usize] =
    [const { AtomicU64::new(0) }; (LARGEST - SMALLEST + 1) as usize];

/// A piece of per-CPU memory, zeroed, the same offset in every stripe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Address in stripe 0.
    pub(crate) base: usize,
    /// log2 of its size in a stripe.
    order: u32,
}

impl Piece {
    /// Its address in `stripe`: the address computation of the sections.
    pub(crate) fn at(self, stripe: usize) -> usize {
        self.base + (stripe << STRIPE_SHIFT)
    }

    /// Its address in the stripe that all share: a constant distance before that of CPU 0.
    pub(crate) fn at_shared(self) -> usize {
        self.base - STRIPE
    }

    /// Its address in every stripe, the shared one first.
    fn everywhere(self) -> impl Iterator<Item = usize> {
        (0..all(runtime::get())).map(move |i| self.at_shared() + (i << STRIPE_SHIFT))
    }

    /// The smallest piece, from its base.
    ///
    /// # Safety
    /// `base` is that of a piece of 8 bytes.
    pub(crate) unsafe fn of_word(base: usize) -> Piece {
        Piece { base, order: SMALLEST }
    }

    /// A piece, from its base and what it was allocated for.
    ///
    /// # Safety
    /// `base` is that of a piece that [`alloc`] answered for so many bytes.
    pub(crate) unsafe fn of_bytes(base: usize, bytes: usize) -> Piece {
        Piece { base, order: bytes.max(8).next_power_of_two().ilog2() }
    }

    fn words(self) -> usize {
        1 << (self.order - SMALLEST)
    }

    /// One of its words in `stripe`.
    pub(crate) fn word(self, stripe: usize, i: usize) -> &'static AtomicU64 {
        word_at(self.at(stripe) + i * 8)
    }
}

fn word_at(address: usize) -> &'static AtomicU64 {
    // SAFETY: in a piece, G1: aligned, mapped for ever; all access to per-CPU memory is by atomics or single-word sections.
    unsafe { AtomicU64::from_ptr(std::ptr::with_exposed_provenance_mut(address)) }
}

/// A zeroed piece of at least `bytes` in every stripe. May be called in signal handlers.
pub(crate) fn alloc(bytes: usize) -> Result<Piece, Errno> {
    let order = bytes.max(8).checked_next_power_of_two().ok_or(ENOMEM)?.ilog2();
    if order > LARGEST {
        return Err(ENOMEM);
    }
    match pop(order) {
        Some(piece) => Ok(piece),
        None => carve(order),
    }
}

/// Gives a piece back.
///
/// # Safety
/// It came from [`alloc`], and no section can write to it any more.
pub(crate) unsafe fn free(piece: Piece) {
    for start in piece.everywhere() {
        for i in 0..piece.words() {
            let word = word_at(start + i * 8);
            // Reading costs no physical memory where the stripe was never touched; writing would.
            if word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Relaxed);
            }
        }
    }
    push(piece);
}

/// The stripes of a region: the shared one, and those that are claimed and counted in.
fn all(runtime: &Runtime) -> usize {
    runtime.stripes() + 1
}

fn push(piece: Piece) {
    let list = &FREE[(piece.order - SMALLEST) as usize];
    let index = index_of(piece.base);
    let link = piece.word(0, 0);
    let mut head = list.load(Ordering::Relaxed);
    loop {
        link.store(head & mask(), Ordering::Relaxed);
        // Release: the zeroes and the link before the head.
        match list.compare_exchange_weak(head, retag(head, index), Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

fn pop(order: u32) -> Option<Piece> {
    let list = &FREE[(order - SMALLEST) as usize];
    let mut head = list.load(Ordering::Acquire);
    loop {
        let base = base_of(head & mask())?;
        let piece = Piece { base, order };
        // Relaxed: somebody may have popped the piece and be using it, then this is garbage and the tag says so (G4).
        let next = piece.word(0, 0).load(Ordering::Relaxed) & mask();
        match list.compare_exchange_weak(head, retag(head, next), Ordering::Acquire, Ordering::Acquire) {
            Ok(_) => {
                piece.word(0, 0).store(0, Ordering::Relaxed); // G3: the link was all that was not zero
                return Some(piece);
            }
            Err(now) => head = now,
        }
    }
}

fn mask() -> u64 {
    (1 << INDEX_BITS) - 1
}

fn retag(head: u64, index: u64) -> u64 {
    ((head >> INDEX_BITS).wrapping_add(1) << INDEX_BITS) | index
}

fn index_of(base: usize) -> u64 {
    for (i, region) in TABLE.iter().enumerate() {
        let start = region.base.load(Ordering::Acquire);
        if (start..start + STRIPE).contains(&base) {
            return ((i << (STRIPE_SHIFT - SMALLEST)) + ((base - start) >> SMALLEST)) as u64 + 1;
        }
    }
    unreachable!("a piece lies in a region")
}

fn base_of(index: u64) -> Option<usize> {
    let index = (index as usize).checked_sub(1)?;
    let region = TABLE.get(index >> (STRIPE_SHIFT - SMALLEST))?;
    let offset = (index << SMALLEST) & (STRIPE - 1);
    Some(region.base.load(Ordering::Acquire) + offset)
}

/// A fresh piece from the region being filled.
fn carve(order: u32) -> Result<Piece, Errno> {
    let runtime = runtime::get();
    let size = 1 << order;
    loop {
        let filling = FILLING.load(Ordering::Acquire);
        let region = TABLE.get(filling as usize).ok_or(ENOMEM)?;
        let base = region.ensure(runtime)?;
        let bump = region.bump.load(Ordering::Relaxed);
        let start = bump.next_multiple_of(size);
        if start + size > STRIPE {
            // Full: everybody moves to the next one. Opened to its end first: a stripe half open is two mappings for ever, and
            // the kernel allows some 65,000 a process.
            region.open(runtime, base, STRIPE)?;
            // A loser of this race finds the move made.
            let _ = FILLING.compare_exchange(filling, filling + 1, Ordering::AcqRel, Ordering::Relaxed);
            continue;
        }
        region.open(runtime, base, start + size)?;
        if region.bump.compare_exchange(bump, start + size, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            return Ok(Piece { base: base + start, order });
        }
    }
}

impl Region {
    /// Address of stripe 0; reserves and places the region at its first use.
    fn ensure(&self, runtime: &Runtime) -> Result<usize, Errno> {
        let base = self.base.load(Ordering::Acquire);
        if base != 0 {
            return Ok(base);
        }
        let bytes = all(runtime) << STRIPE_SHIFT;
        let memory = map::reserve(bytes)?;
        let base = memory.expose_provenance() + STRIPE;
        place(runtime, std::ptr::with_exposed_provenance_mut(base));
        // Release: placed before it is known.
        match self.base.compare_exchange(0, base, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Ok(base),
            Err(other) => {
                // SAFETY: somebody was faster; nobody knows of ours.
                unsafe { map::unmap(memory, bytes) };
                Ok(other)
            }
        }
    }

    /// Makes the first `end` bytes of every stripe usable (G1); harmless when two threads do it at once.
    fn open(&self, runtime: &Runtime, base: usize, end: usize) -> Result<(), Errno> {
        let opened = self.opened.load(Ordering::Acquire);
        if end <= opened {
            return Ok(());
        }
        let end = end.next_multiple_of(map::page()).min(STRIPE);
        for stripe in 0..all(runtime) {
            let at = std::ptr::with_exposed_provenance_mut(base - STRIPE + (stripe << STRIPE_SHIFT) + opened);
            // SAFETY: inside this region's reservation; opening twice is harmless.
            unsafe { map::open(at, end - opened)? };
        }
        // Release: opened before anybody relies on it.
        self.opened.fetch_max(end, Ordering::Release);
        Ok(())
    }
}

/// Each stripe on its CPU's node. A preference that the kernel refuses (a node gone offline, no NUMA) leaves the default,
/// first touch, which the CPU's own sections make right most of the time.
fn place(runtime: &Runtime, base: *mut u8) {
    if !runtime.is_numa() {
        return;
    }
    for cpu in 0..runtime.cpus() {
        if let Some(node) = runtime.node_of(cpu) {
            // SAFETY: inside the fresh reservation.
            let _ = unsafe { map::prefer_node(base.add(cpu << STRIPE_SHIFT), STRIPE, node) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_zero_and_do_not_overlap() {
        let a = alloc(512).unwrap();
        let b = alloc(512).unwrap();
        assert!(a.base.abs_diff(b.base) >= 512);
        for stripe in 0..runtime::get().stripes() {
            assert!((0..64).all(|i| a.word(stripe, i).load(Ordering::Relaxed) == 0));
            a.word(stripe, 63).store(u64::MAX, Ordering::Relaxed);
            assert_eq!(b.word(stripe, 0).load(Ordering::Relaxed), 0);
        }
        // SAFETY: nobody uses them.
        unsafe { (free(a), free(b)) };
    }

    #[test]
    fn a_freed_piece_comes_back_zeroed() {
        let size = 1024;
        let a = alloc(size).unwrap();
        (0..128).for_each(|i| a.word(1, i).store(7, Ordering::Relaxed));
        // SAFETY: nobody uses it.
        unsafe { free(a) };
        let b = alloc(size).unwrap();
        assert!((0..128).all(|i| b.word(1, i).load(Ordering::Relaxed) == 0));
        assert_eq!(b.word(0, 0).load(Ordering::Relaxed), 0);
    }

    #[test]
    fn pieces_go_past_one_region() {
        let pieces: Vec<_> = (0..5).map(|_| alloc(STRIPE / 2).unwrap()).collect();
        for (i, a) in pieces.iter().enumerate() {
            a.word(0, 0).store(i as u64, Ordering::Relaxed);
        }
        for (i, a) in pieces.iter().enumerate() {
            assert_eq!(a.word(0, 0).load(Ordering::Relaxed), i as u64);
            // SAFETY: nobody uses it.
            unsafe { free(*a) };
        }
    }

    #[test]
    fn more_than_half_a_stripe_is_refused() {
        assert_eq!(alloc(STRIPE), Err(ENOMEM));
        assert_eq!(alloc(usize::MAX), Err(ENOMEM));
    }

    /// Touched by one thread on whatever CPU it runs, so first touch alone would put all of them on one node. On a machine
    /// of one node there is little to see: scripts/verify-numa.sh runs this on emulated ones.
    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn every_stripe_lies_on_the_node_of_its_cpu() {
        let facts = runtime::get();
        let piece = alloc(STRIPE / 2).unwrap();
        let mut seen = std::collections::BTreeMap::<u32, usize>::new();
        for cpu in 0..facts.cpus() {
            piece.word(cpu, 0).store(1, Ordering::Relaxed);
            let Some(node) = facts.node_of(cpu) else { continue };
            let at = std::ptr::with_exposed_provenance(piece.at(cpu));
            match map::node_at(at) {
                Ok(is) => assert_eq!(is, node, "stripe of CPU {cpu}"),
                Err(Errno(libc::ENOSYS)) => return, // a kernel without NUMA
                Err(e) => panic!("get_mempolicy: {e}"),
            }
            *seen.entry(node).or_default() += 1;
        }
        eprintln!("CPUs by node: {seen:?} ({:?})", facts.topology().source());
        // SAFETY: nobody uses it.
        unsafe { free(piece) };
    }
}
