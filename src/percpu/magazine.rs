// SPDX-License-Identifier: MIT OR Apache-2.0
//! Magazines: on every CPU a small stack of objects, pushed and popped by sections; and recall, which opens another CPU's for
//! everybody.
//!
//! A guard's low half is what sections compare with: how many objects the magazine may hold, or 0, and then nothing can be popped
//! nor pushed. Its high half is the version, and whether what is closed is frozen; a count's, the version.
//!
//! M1. While the guard is open only sections of the own CPU change count and entries (R6).
//! M2. Whoever finds it closing issues the membarrier itself before it makes it `FROZEN`: in a frozen magazine no section is under
//!     way, so its entries stand still and its count changes by compare-and-swap alone. Nobody waits for anybody (R24).
//! M3. Guard and count carry a version; in `FROZEN` both are the same until the magazine is empty. Then the count's version moves
//!     first, and only then the guard goes to the next version, open: a compare-and-swap of an earlier recall fails on either.
//! M4. An object is in one place: a committed entry below the count, or in the hands of whoever took it. Recall moves none.

use super::runtime;
use crate::sys::backend::Backend;
use crate::sys::errno::Errno;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{Bug, planted};
use crate::sys::probe;
use crate::sys::sync::{AtomicU64, Ordering};

pub(crate) use crate::sys::magazine::{Moved, cpu};
pub use crate::sys::objpool_entry::{COUNT, ENTRIES, GUARD};

/// What sections compare and store, of either word; a closed guard's is 0.
const LOW: u64 = 0xffff_ffff;
/// In a closed guard: no section is under way.
const FROZEN: u64 = 1 << 32;
/// The versions' unit.
const VERSION: u64 = 1 << 33;

/// What is left of a word without its low half and its state.
fn version_of(word: u64) -> u64 {
    word & !(VERSION - 1)
}

/// Bytes of a magazine with what belongs to its CPU.
pub const BYTES: usize = 1024;
/// The CPU's depot, on a line of its own: others come there.
const DEPOT: usize = 896;
/// The CPU's counters, on another.
const STATISTICS: usize = 960;
/// Counters of a CPU.
pub(crate) const COUNTERS: usize = (BYTES - STATISTICS) / 8;
/// Where what all CPUs share begins, in the stripe before the magazines: not at what sections store in these, for a processor takes a
/// load for one of a store before it where the last twelve bits of both are the same, and waits.
pub(crate) const SHARED: usize = 576;
/// Objects that a magazine can hold.
pub const LARGEST: usize = 64;
const _: () = assert!(ENTRIES + 8 * LARGEST <= SHARED && SHARED <= DEPOT);

/// How often a section is tried before the thread is served without one (R11).
const RETRIES: usize = 64;

/// The magazines of one pool.
#[derive(Clone, Copy)]
pub(crate) struct Magazines {
    memory: storage::Memory,
    capacity: u32,
}

/// What became of an attempt to recall.
pub(crate) enum Recalled {
    /// An object.
    Object(usize),
    /// The magazine is empty, and open.
    Nothing,
}

impl Magazines {
    /// Empty ones, open, which hold up to `capacity` objects each.
    pub(crate) fn new(capacity: usize) -> Result<Magazines, Errno> {
        debug_assert!((1..=LARGEST).contains(&capacity));
        let made = Magazines { memory: storage::alloc()?, capacity: capacity as u32 };
        for cpu in 0..runtime::get().cpus() {
            // Relaxed: whoever learns of the pool learns of this before.
            made.guard(cpu).store(made.opened(0), Ordering::Relaxed);
        }
        Ok(made)
    }

    /// An open guard.
    fn opened(self, version: u64) -> u64 {
        version | u64::from(self.capacity)
    }

    /// Objects that each may hold.
    pub(crate) fn capacity(self) -> usize {
        self.capacity as usize
    }

    /// Where all CPUs' sections find what they need to know of the pool: `BYTES - SHARED` bytes, zeroed, aligned to a line.
    #[cfg(not(loom))]
    pub(crate) fn shared(self) -> usize {
        self.memory.at_shared() + SHARED
    }

    /// The magazines that begin at `base`, for those who read their numbers: what they find in memory that is another's
    /// by now they throw away.
    #[cfg(not(loom))]
    pub(crate) fn at(base: usize) -> Magazines {
        Magazines { memory: storage::at(base), capacity: 0 }
    }

    /// # Safety
    /// Nobody uses them any more.
    pub(crate) unsafe fn free(self) {
        // SAFETY: passed on.
        unsafe { storage::free(self.memory) }
    }

    /// Address of the first CPU's.
    pub(crate) fn base(self) -> usize {
        storage::base(self.memory)
    }

    fn guard(self, cpu: usize) -> &'static AtomicU64 {
        storage::word(self.memory, cpu, GUARD)
    }

    fn count(self, cpu: usize) -> &'static AtomicU64 {
        storage::word(self.memory, cpu, COUNT)
    }

    /// The depot's head of a CPU, which has nothing to do with its magazine but the place.
    pub(crate) fn depot(self, cpu: usize) -> &'static AtomicU64 {
        storage::word(self.memory, cpu, DEPOT)
    }

    pub(crate) fn counter(self, cpu: usize, which: usize) -> &'static AtomicU64 {
        storage::word(self.memory, cpu, STATISTICS + 8 * which)
    }

    /// Takes up to `out.len()` objects of the own CPU's magazine. `None`: there is no magazine for this thread now.
    pub(crate) fn pop(self, out: &mut [usize]) -> Option<usize> {
        self.bounded(|| storage::pop(self.memory, out))
    }

    /// Gives as many of `objects` as there is room for to the own CPU's magazine. `None`: there is none for this thread now.
    pub(crate) fn push(self, objects: &[usize]) -> Option<usize> {
        self.bounded(|| storage::push(self.memory, objects, self.capacity()))
    }

    fn bounded(self, mut section: impl FnMut() -> Moved) -> Option<usize> {
        if runtime::get().backend() != Backend::Rseq {
            return None;
        }
        for _ in 0..RETRIES {
            match section() {
                Moved::Some(n) => return Some(n),
                Moved::Guarded | Moved::NoCpu => return None,
                Moved::Aborted => {}
            }
        }
        None
    }

    /// Whether a magazine is being recalled.
    pub(crate) fn is_recalled(self, cpu: usize) -> bool {
        self.guard(cpu).load(Ordering::SeqCst) & LOW == 0
    }

    /// How many objects it shows.
    #[cfg(not(loom))]
    pub(crate) fn shown(self, cpu: usize) -> usize {
        (self.count(cpu).load(Ordering::SeqCst) & LOW) as usize
    }

    /// Whether it shows objects, or is being recalled.
    pub(crate) fn shows_objects(self, cpu: usize) -> bool {
        self.count(cpu).load(Ordering::SeqCst) & LOW != 0 || self.is_recalled(cpu)
    }

    /// Takes an object out of any CPU's magazine. `restart` is the cross-call, which every recall that closes one needs.
    ///
    /// ```text
    /// loop
    ///     {v, state} = guard
    ///     open:    count == 0 -> nothing; CAS guard {v, capacity} -> {v, closing}
    ///     closing: membarrier; CAS guard {v, closing} -> {v, FROZEN}
    ///     FROZEN:  {w, n} = count
    ///              w != v -> CAS guard {v, FROZEN} -> {v + 1, capacity}; nothing      somebody emptied it
    ///              n == 0 -> CAS count {v, 0} -> {v + 1, 0}; again                     the count's version first (M3)
    ///              object = entries[n - 1]; CAS count {v, n} -> {v, n - 1} -> object
    /// ```
    pub(crate) fn recall(self, cpu: usize, restart: impl Fn()) -> Recalled {
        let (guard, count) = (self.guard(cpu), self.count(cpu));
        #[cfg(any(loom, feature = "inject"))]
        if planted(Bug::NoHelp) && self.is_recalled(cpu) {
            return Recalled::Nothing;
        }
        loop {
            let seen = guard.load(Ordering::SeqCst);
            let version = version_of(seen);
            match (seen & LOW != 0, seen & FROZEN != 0) {
                (true, _) => {
                    if count.load(Ordering::SeqCst) & LOW == 0 {
                        return Recalled::Nothing;
                    }
                    let next = version;
                    #[cfg(any(loom, feature = "inject"))]
                    let next = if planted(Bug::NotClosed) { version | FROZEN } else { next };
                    if guard.compare_exchange(seen, next, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                        probe::recall_start(self.base(), cpu, (count.load(Ordering::Relaxed) & LOW) as usize);
                    }
                }
                (false, false) => {
                    restart();
                    let _ = guard.compare_exchange(seen, version | FROZEN, Ordering::SeqCst, Ordering::Relaxed);
                }
                (false, true) => {
                    let now = count.load(Ordering::SeqCst);
                    let over = version_of(now) != version;
                    #[cfg(any(loom, feature = "inject"))]
                    if now & LOW == 0 && self.ends_wrongly(cpu, seen, now) {
                        return Recalled::Nothing;
                    }
                    #[cfg(any(loom, feature = "inject"))]
                    let over = over && !planted(Bug::GuardUnversioned) && !planted(Bug::CountUnversioned);
                    if over {
                        let next = self.opened(version.wrapping_add(VERSION));
                        if guard.compare_exchange(seen, next, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                            probe::recall_end(self.base(), cpu);
                        }
                        return Recalled::Nothing;
                    }
                    if now & LOW == 0 {
                        let next = version.wrapping_add(VERSION);
                        let _ = count.compare_exchange(now, next, Ordering::SeqCst, Ordering::Relaxed);
                        continue;
                    }
                    // May be anything where the recall is over meanwhile; then the exchange fails (M3).
                    let at = ENTRIES + 8 * ((now & LOW) as usize - 1).min(LARGEST - 1);
                    let object = storage::word(self.memory, cpu, at).load(Ordering::SeqCst);
                    #[cfg(feature = "inject")]
                    crate::sys::inject::pause();
                    if count.compare_exchange(now, now - 1, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
                        return Recalled::Object(object as usize);
                    }
                }
            }
        }
    }
}

#[cfg(any(loom, feature = "inject"))]
impl Magazines {
    /// Of an empty frozen magazine, what the planted bugs make of it; false: none of them is planted.
    fn ends_wrongly(self, cpu: usize, seen: u64, now: u64) -> bool {
        let open = |to| self.guard(cpu).compare_exchange(seen, to, Ordering::SeqCst, Ordering::Relaxed).is_ok();
        let count_moves = || {
            let next = version_of(now).wrapping_add(VERSION);
            self.count(cpu).compare_exchange(now, next, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        };
        let version = version_of(seen);
        let next = version.wrapping_add(VERSION);
        if planted(Bug::CountUnversioned) {
            open(self.opened(next));
        } else if planted(Bug::GuardUnversioned) {
            count_moves();
            open(self.opened(version));
        } else if planted(Bug::OpenedFirst) && version_of(now) == version {
            open(self.opened(next));
            count_moves();
        } else {
            return false;
        }
        true
    }

    /// Models have no sections: what they do, and what they find, is in the words themselves.
    #[cfg(all(test, loom))]
    pub(crate) fn word(self, cpu: usize, offset: usize) -> &'static AtomicU64 {
        storage::word(self.memory, cpu, offset)
    }
}

#[cfg(not(loom))]
mod storage {
    use super::{BYTES, Moved};
    use crate::percpu::region::{self, Piece};
    use crate::sys::errno::Errno;
    use crate::sys::magazine;
    use crate::sys::sync::AtomicU64;

    pub(super) type Memory = Piece;

    pub(super) fn alloc() -> Result<Memory, Errno> {
        region::alloc(BYTES)
    }

    /// # Safety
    /// As of `Magazines::free`.
    pub(super) unsafe fn free(memory: Memory) {
        // SAFETY: passed on.
        unsafe { region::free(memory) }
    }

    pub(super) fn base(memory: Memory) -> usize {
        memory.base
    }

    pub(super) fn at(base: usize) -> Memory {
        // SAFETY: that of magazines, of this size.
        unsafe { Piece::of_bytes(base, BYTES) }
    }

    pub(super) fn word(memory: Memory, cpu: usize, offset: usize) -> &'static AtomicU64 {
        // SAFETY: a word inside a piece (G1): mapped for ever, aligned; all access to it is by atomics or one-word sections.
        unsafe { &*std::ptr::with_exposed_provenance(memory.at(cpu) + offset) }
    }

    pub(super) fn pop(memory: Memory, out: &mut [usize]) -> Moved {
        // SAFETY: the magazine lies in every stripe; `out` has the room.
        unsafe { magazine::pop(memory.base, out.as_mut_ptr(), out.len()) }
    }

    pub(super) fn push(memory: Memory, objects: &[usize], capacity: usize) -> Moved {
        // SAFETY: the magazine lies in every stripe and has room for `capacity`.
        unsafe { magazine::push(memory.base, objects.as_ptr(), objects.len(), capacity) }
    }
}

/// loom's atomics are no plain memory: the words of each CPU are a list, with few entries, for making words takes its time.
#[cfg(loom)]
mod storage {
    use super::{BYTES, DEPOT, ENTRIES, Moved};
    use crate::percpu::runtime;
    use crate::sys::errno::Errno;
    use crate::sys::sync::AtomicU64;

    pub(super) type Memory = &'static [Vec<AtomicU64>];

    /// Up to here there are entries, and from here on what the depot's offset and those behind it are.
    const FEW: usize = ENTRIES / 8 + 4;

    pub(super) fn alloc() -> Result<Memory, Errno> {
        let words = |_| (0..FEW + (BYTES - DEPOT) / 8).map(|_| AtomicU64::new(0)).collect();
        Ok(Box::leak((0..runtime::get().cpus()).map(words).collect::<Box<[_]>>()))
    }

    /// # Safety
    /// None is needed.
    pub(super) unsafe fn free(_: Memory) {}

    pub(super) fn base(_: Memory) -> usize {
        0
    }

    pub(super) fn word(memory: Memory, cpu: usize, offset: usize) -> &'static AtomicU64 {
        &memory[cpu][if offset < DEPOT { (offset / 8).min(FEW - 1) } else { FEW + (offset - DEPOT) / 8 }]
    }

    pub(super) fn pop(_: Memory, _: &mut [usize]) -> Moved {
        Moved::NoCpu
    }

    pub(super) fn push(_: Memory, _: &[usize], _: usize) -> Moved {
        Moved::NoCpu
    }
}
