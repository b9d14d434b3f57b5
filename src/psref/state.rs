// SPDX-License-Identifier: MIT OR Apache-2.0
//! The three structures: class, target, hold. The last two are the caller's memory and part of the C ABI.

use super::waiters::Waiters;
use crate::park::Futex;
use crate::percpu::slots::{Block, Slot};
use crate::stable::{Pool, Stable};
use crate::sys::sync::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
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
    /// What the creator said; nothing in user space depends on it.
    pub(crate) ipl: AtomicU32,
    name: UnsafeCell<[u8; NAME_MAX]>,
}

pub(crate) const LIVE: u32 = 1;
pub(crate) const CLOSING: u32 = 2;
pub(crate) const DEAD: u32 = 0xdead;

// SAFETY: atomics for which zero is a value, but for the name: written only by `create`, before the class is known.
unsafe impl Sync for ClassState {}
// SAFETY: as above.
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
            ipl: AtomicU32::new(0),
            name: UnsafeCell::new([0; NAME_MAX]),
        }
    }
}

pub(crate) static CLASSES: Pool<ClassState> = Pool::new();

impl ClassState {
    pub(crate) fn is_live(&self) -> bool {
        self.state.load(Ordering::Acquire) == LIVE
    }

    /// The class's name as diagnostics show it.
    pub(crate) fn name(&self) -> &str {
        // SAFETY: written before the class was known, and only then.
        let bytes = unsafe { &*self.name.get() };
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(NAME_MAX);
        let text = bytes.get(..end).unwrap_or_default();
        match std::str::from_utf8(text) {
            Ok(name) => name,
            Err(e) => std::str::from_utf8(&text[..e.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// # Safety
    /// The caller alone knows this class.
    pub(crate) unsafe fn set_name(&self, name: &[u8]) {
        let n = name.len().min(NAME_MAX);
        // SAFETY: the caller's promise.
        let place = unsafe { &mut *self.name.get() };
        *place = [0; NAME_MAX];
        place[..n].copy_from_slice(&name[..n]);
    }

    /// The class's blocks, newest first.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let mut next = self.blocks.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: links are type-stable; those of a live class stay linked.
            let link = unsafe { next.as_ref() }?;
            next = link.next.load(Ordering::Relaxed); // written before the link was published
            Some(link.block())
        })
    }

    /// Every slot of the class, with its stripe.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (usize, &'static Slot)> + '_ {
        self.blocks().flat_map(Block::into_slots)
    }

    /// Makes room: a block twice the size of the newest, up to the allocator's largest piece. In signal handlers too.
    pub(crate) fn grow(&self) -> Result<(), crate::sys::errno::Errno> {
        const LARGEST: usize = if cfg!(loom) { 1 } else { 2048 };
        let slots = self.blocks().next().map_or(HOME_SLOTS, |newest| (newest.slots * 2).min(LARGEST));
        let block = Block::new(slots)?;
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
            // Release: the link's fields before the link.
            let ours = ptr::from_ref(link).cast_mut();
            match self.blocks.compare_exchange(head, ours, Ordering::Release, Ordering::Relaxed) {
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
}

/// A hold: `struct psref`. The holder's own memory, which nobody else looks at.
#[repr(C)]
#[derive(Debug)]
pub struct Hold {
    /// Address of the slot, with [`MARK`]; 0: holds nothing.
    pub(crate) slot: usize,
    pub(crate) debug: usize,
    /// Address of the target.
    pub(crate) target: usize,
    pub(crate) lwp: usize,
    pub(crate) cpu: usize,
}

/// In a hold's slot address: the release must take the slow path (clear by exchange). The fast path notices without a test
/// of its own, for one byte past a slot's start never reads as the target's address: its top byte would be the holder's lowest,
/// and addresses have none, so the rest would be the address shifted by a byte.
pub(crate) const MARK: usize = 1;

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
