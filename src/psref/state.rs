// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three structures: class, target, hold. The last two are the caller's memory and part of the C ABI.

use super::waiters::Waiters;
use crate::park::Futex;
use crate::percpu::slots::{Block, NOTED_MAX, Note, Slot};
use crate::percpu::tally::Tally;
use crate::stable::{Pool, Stable};
use crate::sys::sync::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::tally::Ledger;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;

/// Slots that a class has on every CPU from the start. A power of two; the sections hash to it.
pub const HOME_SLOTS: usize = if cfg!(loom) { 1 } else { 32 };

/// Longest name that diagnostics show whole.
pub(crate) const NAME_MAX: usize = 48;

/// A class: the slots of its targets' holds, and where their drains wait. Type-stable (P3).
#[repr(C, align(128))]
pub struct ClassState {
    /// Address in stripe 0 of the home block, which the fast path claims in.
    pub(crate) slots: AtomicUsize,
    /// CPU ids from here on take the slow path: the number of stripes; 0 sends everybody there (atomics, destroyed).
    pub(crate) limit: AtomicU32,
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | 0 | never used | create: `LIVE` |
    /// | `LIVE` | in use | destroy: `CLOSING` |
    /// | `CLOSING` | destroy is looking for holds | destroy: `DEAD`, or back to `LIVE` |
    /// | `DEAD` | destroyed, poison | create: `LIVE` |
    pub(crate) state: AtomicU32,
    pub(crate) waiters: Waiters,
    /// Moved by every copy that was made past a draining flag (R18).
    pub(crate) copies: AtomicU64,
    /// What drains sleep on.
    pub(crate) moved: Futex,
    /// The blocks, newest and largest first; the home block is the last.
    pub(crate) blocks: AtomicPtr<Link>,
    /// What is demanded of its users:
    ///
    /// | value | meaning |
    /// |---|---|
    /// | 0 | nothing: the fast paths |
    /// | `RECORDS` | slow paths that remember where and when |
    /// | `RULES` | the same, and all rules of psref(9) |
    pub(crate) strict: AtomicU32,
    /// Watches that are live (V2).
    pub(crate) watched: AtomicU32,
    /// Targets that were retired and are not ended yet.
    pub(crate) retired: AtomicU64,
    /// Of a strict class: targets initialised and neither drained nor destroyed.
    pub(crate) targets: AtomicU64,
    /// Who looks at the blocks without a word from the class's owner; a destroy waits for them.
    pub(crate) lookers: AtomicU32,
    /// Acquires and copies that took the slow path.
    pub(crate) slow: Tally,
    /// Drains of its targets.
    pub(crate) drains: Ledger,
    /// Its bytes, eight to a word: whoever holds an old pointer may read them while the class is made anew.
    name: [AtomicU64; NAME_MAX / 8],
}

pub(crate) const LIVE: u32 = 1;
pub(crate) const CLOSING: u32 = 2;
pub(crate) const DEAD: u32 = 0xdead;

pub(crate) const RECORDS: u32 = 1;
pub(crate) const RULES: u32 = 2;

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for ClassState {
    #[cfg(loom)]
    fn fresh() -> Self {
        ClassState {
            slots: AtomicUsize::new(0),
            limit: AtomicU32::new(0),
            state: AtomicU32::new(0),
            waiters: Waiters::new(),
            copies: AtomicU64::new(0),
            moved: Futex::new(),
            blocks: AtomicPtr::new(ptr::null_mut()),
            strict: AtomicU32::new(0),
            watched: AtomicU32::new(0),
            retired: AtomicU64::new(0),
            targets: AtomicU64::new(0),
            lookers: AtomicU32::new(0),
            slow: Tally,
            drains: Ledger::new(),
            name: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

pub(crate) static CLASSES: Pool<ClassState> = Pool::new();

impl ClassState {
    pub(crate) fn is_live(&self) -> bool {
        self.state.load(Ordering::Acquire) == LIVE
    }

    /// 0, [`RECORDS`] or [`RULES`].
    pub(crate) fn strict(&self) -> u32 {
        self.strict.load(Ordering::Relaxed) // published with the class
    }

    /// The note of the slot at `address`, if it is one of this class's and the class is strict.
    pub(crate) fn note(&self, address: usize) -> Option<&'static Note> {
        self.blocks().find_map(|block| block.note(address))
    }

    /// The bytes of the class's name, zeros behind it.
    pub(crate) fn name(&self) -> [u8; NAME_MAX] {
        let mut bytes = [0; NAME_MAX];
        for (eight, word) in bytes.chunks_exact_mut(8).zip(&self.name) {
            // Relaxed: published with the class.
            eight.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
        }
        bytes
    }

    /// What it is for tracers.
    pub(crate) fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    pub(crate) fn name_address(&self) -> usize {
        self.name.as_ptr().addr()
    }

    /// For `create`, before the class is known.
    pub(crate) fn set_name(&self, name: &[u8]) {
        let mut bytes = [0; NAME_MAX];
        let n = name.len().min(NAME_MAX);
        bytes[..n].copy_from_slice(&name[..n]);
        for (eight, word) in bytes.chunks_exact(8).zip(&self.name) {
            word.store(u64::from_ne_bytes(eight.try_into().expect("eight bytes")), Ordering::Relaxed);
        }
    }

    /// The class's blocks, newest first.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let mut next = self.blocks.load(Ordering::SeqCst); // fence A, see `grow`
        std::iter::from_fn(move || {
            // SAFETY: links are type-stable; those of a live class stay linked.
            let link = unsafe { next.as_ref() }?;
            next = link.next.load(Ordering::Relaxed); // written before the link was published
            Some(link.block())
        })
    }

    /// Whether `is` answers true of a slot of the class; slots after that are not looked at.
    #[inline]
    pub(crate) fn any_slot(&self, mut is: impl FnMut(&'static Slot) -> bool) -> bool {
        self.blocks().any(|block| block.any(&mut is))
    }

    /// Every slot of the class, with its stripe.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (usize, &'static Slot)> + '_ {
        self.blocks().flat_map(Block::into_slots)
    }

    /// Makes room: a block twice the size of the newest, up to the allocator's largest piece. In signal handlers too.
    pub(crate) fn grow(&self) -> Result<(), crate::sys::errno::Errno> {
        const LARGEST: usize = if cfg!(loom) { 1 } else { 2048 };
        let noted = self.strict() != 0;
        let largest = if noted { NOTED_MAX } else { LARGEST };
        let slots = self.blocks().next().map_or(HOME_SLOTS, |newest| (newest.slots * 2).min(largest));
        let block = Block::new(slots, noted)?;
        let link = match LINKS.take() {
            Ok(link) => link,
            Err(e) => {
                // SAFETY: nobody knows of it.
                unsafe { block.free() };
                return Err(e);
            }
        };
        // SAFETY: the caller alone has this link.
        unsafe { (*link.block.get()).write(block) };
        let mut head = self.blocks.load(Ordering::Relaxed);
        loop {
            link.next.store(head, Ordering::Relaxed);
            // SeqCst: the link's fields before the link, and part of fence A: a scan that comes after a drain's flag finds the
            // block that a claimer linked before it saw the flag unset.
            let ours = ptr::from_ref(link).cast_mut();
            match self.blocks.compare_exchange(head, ours, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => head = now,
            }
        }
    }

    /// Gives all blocks back.
    ///
    /// # Safety
    /// No slot is held, and nobody uses the class any more.
    pub(crate) unsafe fn shrink(&self) {
        let mut next = self.blocks.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: type-stable; unlinked by the swap.
        while let Some(link) = unsafe { next.as_ref() } {
            next = link.next.load(Ordering::Relaxed);
            // SAFETY: the caller's promise; the link is this thread's alone now.
            unsafe {
                link.block().free();
                LINKS.give(link);
            }
        }
    }
}

/// A block in a class's list.
pub(crate) struct Link {
    next: AtomicPtr<Link>,
    block: UnsafeCell<MaybeUninit<Block>>,
}

// SAFETY: the block is written before the link is published and not changed while it is linked.
unsafe impl Sync for Link {}
// SAFETY: as above; nobody reads a link that is not linked.
unsafe impl Stable for Link {
    #[cfg(loom)]
    fn fresh() -> Self {
        Link { next: AtomicPtr::new(ptr::null_mut()), block: UnsafeCell::new(MaybeUninit::uninit()) }
    }
}

static LINKS: Pool<Link> = Pool::new();

impl Link {
    fn block(&self) -> Block {
        // SAFETY: only linked links are asked, and those were written (see Sync).
        unsafe { (*self.block.get()).assume_init() }
    }
}

/// What can be held: `struct psref_target`.
#[repr(C)]
pub struct TargetState {
    /// The class; null before `init` and, as poison, after `destroy`.
    pub(crate) class: AtomicPtr<ClassState>,
    /// 0, or 1 from the moment a drain began: the guard of every claim.
    pub(crate) draining: AtomicU8,
    /// 1 once a drain has ended: nobody holds the target.
    pub(crate) drained: AtomicU8,
    /// What of its address fits: holds name the address, so a target that was moved is not the one they hold.
    pub(crate) place: AtomicU32,
}

impl TargetState {
    pub(crate) fn place_of(target: *const TargetState) -> u32 {
        (target.addr() >> 3) as u32
    }

    pub(crate) fn is_in_place(&self) -> bool {
        self.place.load(Ordering::Relaxed) == Self::place_of(self)
    }
}

/// A hold: `struct psref`. The holder's own memory, which nobody else looks at.
#[repr(C)]
#[derive(Debug)]
pub struct Hold {
    /// Address of the slot, with [`MARK`]; 0: holds nothing.
    pub(crate) slot: usize,
    /// Strict: where it was acquired, an address of code.
    pub(crate) debug: usize,
    /// Address of the target.
    pub(crate) target: usize,
    /// Strict: number of the thread that acquired it.
    pub(crate) lwp: usize,
    /// Strict: the CPU that the thread was bound to, plus one.
    pub(crate) cpu: usize,
}

/// In a hold's slot address: the release must take the slow path (clear by exchange). The fast path notices without a test
/// of its own: it compares what lies there with the target's address, and there lies the slot's holder, which is odd (T3).
pub(crate) const MARK: usize = if cfg!(loom) { 1 } else { std::mem::offset_of!(Slot, holder) };

impl Hold {
    /// A hold of nothing.
    pub const EMPTY: Hold = Hold { slot: 0, debug: 0, target: 0, lwp: 0, cpu: 0 };

    /// What it holds, or held last.
    pub fn target(&self) -> *const TargetState {
        ptr::with_exposed_provenance(self.target)
    }
}

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<TargetState>() == 16 && size_of::<Hold>() == 40);
    assert!(std::mem::offset_of!(TargetState, draining) == 8 && std::mem::offset_of!(Hold, target) == 16);
};
