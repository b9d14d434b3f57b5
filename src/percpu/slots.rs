// SPDX-License-Identifier: MIT OR Apache-2.0
//! Blocks of slots: the guarded claim. A block is an array of slots at the same offset of every stripe; a slot holds an
//! object's address or null, and beside it the number of the thread that claimed it.
//!
//! L1. A slot that holds an object's address belongs to one live hold, and only that hold's release makes it null.
//! L2. The holder is written before the address and not changed while the address stands (R26).
//! L3. Stripes of CPUs are claimed by sections alone, the last stripe by compare-and-swap alone (R6); where the back end
//!     is atomic every stripe is claimed by compare-and-swap.
//! L4. Clearing needs no section: a plain store where a membarrier stands on the other side, else an exchange (R5).

use super::runtime::{self, Runtime};
use crate::sys::atomic;
use crate::sys::backend::Backend;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::section::Claim;
use crate::sys::sync::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// In a forked child: the hold of a thread that did not come along. Scans pass over it, claims avoid it, a late release
/// may clear it. No object lies at this address.
pub(crate) const TOMBSTONE: usize = 2;

/// How often a section is tried before the thread is served without one (R11).
const RETRIES: usize = 64;

/// One place for a hold.
#[repr(C)]
pub(crate) struct Slot {
    /// Null, a mark, or the object's address.
    pub(crate) target: AtomicUsize,
    /// Number of the thread that claimed it; meaningful while `target` is an object's address.
    pub(crate) holder: AtomicU64,
}

/// log2 of a slot's size; the sections shift and mask by it.
pub(crate) const SLOT_SHIFT: u32 = 4;
const _: () = assert!(size_of::<Slot>() == 1 << SLOT_SHIFT || cfg!(loom));

/// What is remembered of a hold beside its slot, where the block has room for it: written by the holder, after the claim, and
/// taken back before the slot is cleared.
#[repr(C)]
pub(crate) struct Note {
    /// Whose hold the slot is: the family's own number, never 0; 0: nobody's, or not written yet.
    pub(crate) of: AtomicUsize,
    /// Where it was acquired: an address of code, 0 where that is not known.
    pub(crate) at: AtomicUsize,
    /// When: nanoseconds of CLOCK_MONOTONIC.
    pub(crate) since: AtomicU64,
    /// The family's: what else it wants to know.
    pub(crate) extra: AtomicU64,
}

/// log2 of a note's size.
#[cfg(not(loom))]
const NOTE_SHIFT: u32 = 5;
#[cfg(not(loom))]
const _: () = assert!(size_of::<Note>() == 1 << NOTE_SHIFT);

/// Most slots that a block with notes can have: notes are the larger.
pub(crate) const NOTED_MAX: usize = 1024;

/// Why a slot could not be had in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The guard was set.
    Guarded,
    /// Every slot that this thread could use is taken.
    Full,
}

/// A slot that was claimed, and how it must be cleared.
pub(crate) struct Claimed {
    pub(crate) slot: &'static Slot,
    /// No membarrier makes a plain store of null enough (L4).
    pub(crate) by_exchange: bool,
}

/// A block of slots; a power of two of them in every stripe.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) memory: storage::Memory,
    pub(crate) slots: usize,
    notes: Option<storage::Notes>,
}

impl Block {
    /// `noted`: with room for a [`Note`] beside each slot.
    pub(crate) fn new(slots: usize, noted: bool) -> Result<Block, crate::sys::errno::Errno> {
        debug_assert!(slots.is_power_of_two());
        let memory = storage::alloc(slots)?;
        if !noted {
            return Ok(Block { memory, slots, notes: None });
        }
        match storage::alloc_notes(slots) {
            Ok(notes) => Ok(Block { memory, slots, notes: Some(notes) }),
            Err(e) => {
                // SAFETY: nobody knows of it.
                unsafe { storage::free(memory) };
                Err(e)
            }
        }
    }

    /// # Safety
    /// Every slot is null or a mark, and nobody claims here any more.
    pub(crate) unsafe fn free(self) {
        // SAFETY: passed on.
        unsafe {
            storage::free(self.memory);
            if let Some(notes) = self.notes {
                storage::free(notes);
            }
        }
    }

    pub(crate) fn slot(&self, stripe: usize, i: usize) -> &'static Slot {
        storage::slot(self.memory, stripe, i)
    }

    /// Whether `is` answers true of a slot; those after it are not looked at. For drains, which look at every slot: eight a turn,
    /// so that the loop costs next to nothing where the library is compiled for size too.
    #[inline]
    pub(crate) fn any(&self, mut is: impl FnMut(&'static Slot) -> bool) -> bool {
        for stripe in 0..runtime::get().stripes() {
            let (eights, rest) = storage::slots(self.memory, stripe, self.slots).as_chunks();
            for [a, b, c, d, e, f, g, h] in eights {
                if is(a) || is(b) || is(c) || is(d) || is(e) || is(f) || is(g) || is(h) {
                    return true;
                }
            }
            if rest.iter().any(&mut is) {
                return true;
            }
        }
        false
    }

    /// Every slot of every stripe, with its stripe.
    pub(crate) fn into_slots(self) -> impl Iterator<Item = (usize, &'static Slot)> {
        let stripes = runtime::get().stripes();
        (0..stripes).flat_map(move |s| (0..self.slots).map(move |i| (s, self.slot(s, i))))
    }

    /// The note beside the slot at `address`; `None`: there are none, or no slot of this block lies there.
    pub(crate) fn note(&self, address: usize) -> Option<&'static Note> {
        storage::note(self, address)
    }

    /// Claims a slot of the caller's CPU for `target`, beginning at `home`. With a guard: never once the guard was set and
    /// the setter's membarrier is over. The guard must stay readable until this returns (R1).
    ///
    /// `Err(Guarded)` of an unregistered thread comes after a full undo; the caller then owes the waiters a look (R2):
    /// `undone` is called for it.
    pub(crate) fn claim(
        &self,
        target: usize,
        holder: u64,
        guard: Option<&AtomicU8>,
        home: usize,
        undone: impl Fn(),
    ) -> Result<Claimed, Refused> {
        let facts = runtime::get();
        if facts.backend() == Backend::Rseq {
            for _ in 0..RETRIES {
                match storage::claim_in_section(self, target, holder, guard, home) {
                    Claim::Slot(at) => {
                        return Ok(Claimed { slot: storage::slot_at(at), by_exchange: false });
                    }
                    Claim::Guarded => return Err(Refused::Guarded),
                    Claim::Full => return Err(Refused::Full),
                    Claim::NoCpu => break,
                    Claim::Aborted => {}
                }
            }
        }
        self.claim_atomically(facts, target, holder, guard, home, undone)
    }

    fn claim_atomically(
        &self,
        facts: &Runtime,
        target: usize,
        holder: u64,
        guard: Option<&AtomicU8>,
        home: usize,
        undone: impl Fn(),
    ) -> Result<Claimed, Refused> {
        #[cfg(any(loom, feature = "inject"))]
        let guard = match guard {
            Some(g) if plant::planted(Bug::NoSecondLook) => {
                if g.load(Ordering::SeqCst) != 0 {
                    return Err(Refused::Guarded);
                }
                None
            }
            guard => guard,
        };
        #[cfg(feature = "inject")]
        crate::sys::inject::pause();
        let by_exchange = facts.backend() == Backend::Atomic;
        let stripe = if by_exchange {
            (holder as usize / 2) % facts.stripes() // any will do; a thread's own number spreads them (L3, T3)
        } else {
            facts.cpus()
        };
        for i in 0..self.slots {
            let slot = self.slot(stripe, (home + i) & (self.slots - 1));
            if !atomic::claim(&slot.target, &slot.holder, target, holder) {
                continue;
            }
            // R2, R5. Fence A: the claim's SeqCst store before this load; its partner is a drain's SeqCst store of the flag
            // (and membarrier) before its scan. Claim first: the scan finds it. Flag first: it is seen here.
            if guard.is_some_and(|g| g.load(Ordering::SeqCst) != 0) {
                atomic::clear(&slot.target);
                #[cfg(any(loom, feature = "inject"))]
                if plant::planted(Bug::SilentUndo) {
                    return Err(Refused::Guarded);
                }
                undone(); // after the clear, so nothing of the target is touched any more (R4)
                return Err(Refused::Guarded);
            }
            return Ok(Claimed { slot, by_exchange });
        }
        // Not to be found is no answer where the guard is set: the caller would make room for nothing.
        if guard.is_some_and(|g| g.load(Ordering::SeqCst) != 0) { Err(Refused::Guarded) } else { Err(Refused::Full) }
    }
}

/// Whether a slot's word is a hold (or about to be one).
pub(crate) fn is_hold(word: usize) -> bool {
    word != 0 && word != TOMBSTONE
}

#[cfg(not(loom))]
mod storage {
    use super::{Block, Claim, NOTE_SHIFT, Note, SLOT_SHIFT, Slot};
    use crate::percpu::region::{self, Piece};
    use crate::percpu::runtime;
    use crate::sys::errno::Errno;
    use crate::sys::sync::AtomicU8;
    use crate::sys::{STRIPE_SHIFT, section};

    pub(crate) type Memory = Piece;
    pub(super) type Notes = Piece;

    static OPEN: AtomicU8 = AtomicU8::new(0);

    pub(super) fn alloc(slots: usize) -> Result<Memory, Errno> {
        region::alloc(slots << SLOT_SHIFT)
    }

    pub(super) fn alloc_notes(slots: usize) -> Result<Notes, Errno> {
        region::alloc(slots << NOTE_SHIFT)
    }

    pub(super) fn note(block: &Block, address: usize) -> Option<&'static Note> {
        let offset = address.wrapping_sub(block.memory.base);
        let (stripe, within) = (offset >> STRIPE_SHIFT, offset & ((1 << STRIPE_SHIFT) - 1));
        let (i, rest) = (within >> SLOT_SHIFT, within & ((1 << SLOT_SHIFT) - 1));
        if stripe >= runtime::get().stripes() || i >= block.slots || rest != 0 {
            return None;
        }
        let place = block.notes?.at(stripe) + (i << NOTE_SHIFT);
        // SAFETY: an address inside a piece (G1): mapped for ever, aligned, all its fields atomics.
        Some(unsafe { &*std::ptr::with_exposed_provenance(place) })
    }

    /// # Safety
    /// As of `Block::free`.
    pub(super) unsafe fn free(memory: Memory) {
        // SAFETY: passed on.
        unsafe { region::free(memory) }
    }

    pub(super) fn slot(memory: Memory, stripe: usize, i: usize) -> &'static Slot {
        slot_at(memory.at(stripe) + (i << SLOT_SHIFT))
    }

    /// All of a block's in one stripe.
    pub(super) fn slots(memory: Memory, stripe: usize, slots: usize) -> &'static [Slot] {
        // SAFETY: a piece (G1) of so many slots: mapped for ever, aligned, all their fields atomics.
        unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(memory.at(stripe)), slots) }
    }

    pub(super) fn slot_at(address: usize) -> &'static Slot {
        // SAFETY: an address inside a piece (G1): mapped for ever, aligned, all its fields atomics.
        unsafe { &*std::ptr::with_exposed_provenance(address) }
    }

    pub(super) fn claim_in_section(
        block: &Block,
        target: usize,
        holder: u64,
        guard: Option<&AtomicU8>,
        home: usize,
    ) -> Claim {
        let mask = (block.slots - 1) << SLOT_SHIFT;
        let guard = guard.unwrap_or(&OPEN).as_ptr();
        // SAFETY: the block's slots lie in every stripe; the guard is borrowed for the call.
        unsafe { section::claim(block.memory.base, target, holder, guard, (home << SLOT_SHIFT) & mask, mask) }
    }
}

/// loom's atomics are no plain memory: a block is a list of slots.
#[cfg(loom)]
mod storage {
    use super::{Block, Claim, Note, Slot};
    use crate::percpu::runtime;
    use crate::sys::errno::Errno;
    use crate::sys::sync::{AtomicU8, AtomicU64, AtomicUsize};

    pub(crate) type Memory = &'static [Vec<Slot>];
    pub(super) type Notes = Memory;

    /// Models have no strict classes.
    pub(super) fn alloc_notes(_: usize) -> Result<Notes, Errno> {
        unreachable!("no notes under loom")
    }

    pub(super) fn note(_: &Block, _: usize) -> Option<&'static Note> {
        None
    }

    pub(super) fn alloc(slots: usize) -> Result<Memory, Errno> {
        let stripe = || (0..slots).map(|_| Slot { target: AtomicUsize::new(0), holder: AtomicU64::new(0) }).collect();
        Ok(Box::leak((0..runtime::get().stripes()).map(|_| stripe()).collect::<Box<[_]>>()))
    }

    /// # Safety
    /// None is needed.
    pub(super) unsafe fn free(_: Memory) {}

    pub(super) fn slot(memory: Memory, stripe: usize, i: usize) -> &'static Slot {
        &memory[stripe][i]
    }

    pub(super) fn slots(memory: Memory, stripe: usize, _: usize) -> &'static [Slot] {
        &memory[stripe]
    }

    pub(super) fn slot_at(_: usize) -> &'static Slot {
        unreachable!("no sections under loom")
    }

    pub(super) fn claim_in_section(_: &Block, _: usize, _: u64, _: Option<&AtomicU8>, _: usize) -> Claim {
        Claim::NoCpu
    }
}
