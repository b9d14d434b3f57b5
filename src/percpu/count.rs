// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts: the guarded addition. A signed cell for every CPU, of which only the sum means something; and a total, which takes
//! the cells' place once the object is closed.
//!
//! N1. While the guard is 0 every addition is in exactly one cell; a closing sums each cell once.
//! N2. Stripes of CPUs are added to by sections alone, the last stripe by atomics alone (R6); where the back end is atomic
//!     every stripe is added to by atomics.
//! N3. After the membarrier that follows the guard no section adds any more: the CPUs' cells are frozen.
//! N4. A cell that atomics add to is closed by an exchange for [`CLOSED`]. An addition that finds it closed came too late and is
//!     not counted; what it left in the cell means nothing.
//! N5. The total lies beside the cells in memory that is never unmapped, so the addition that makes it zero needs nothing of
//!     the object, which may be gone by then (R4, R7).

use super::runtime;
use crate::park::Futex;
use crate::sys::backend::Backend;
use crate::sys::errno::Errno;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::section::Add;
use crate::sys::sync::{AtomicUsize, Ordering};
use crate::thread;

/// The two words that every counted object begins with: what the sections read.
#[repr(C)]
pub struct Counted {
    /// 0: the cells count. Else they do not (any more), and the value is the family's to give a meaning.
    pub(crate) guard: AtomicUsize,
    /// The cells; 0 where there are none.
    pub(crate) cells: AtomicUsize,
}

impl Counted {
    /// Adds N where the plain case is given; false: nothing was done. Inlined into Rust callers.
    #[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
    #[inline(always)]
    pub(crate) fn add_plainly<const N: i32>(&self) -> bool {
        let cells = self.cells.load(Ordering::Relaxed);
        // SAFETY: the guard lives in `self`; while it is 0 the cells are there (N1), and else nothing is added.
        unsafe { crate::sys::inline::add::<N>(self.guard.as_ptr(), cells) }
    }
}

/// The guard is set: the cells do not count any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Guarded;

/// What a closed cell holds, give or take the additions that came too late.
const CLOSED: i64 = -(1 << 62);
/// Less than this and the cell is closed: no program makes 2^61 additions.
const OPEN_ABOVE: i64 = -(1 << 61);

/// How often a section is tried before the thread is served without one (R11).
const RETRIES: usize = 64;

/// The planted bug of the Miri and ThreadSanitizer runs makes it Relaxed, so that nothing of a hold happens before the end of
/// the drain that waited for it. SeqCst else: half of fence C in [`Counted::close`], and the release of what a holder did.
const ADDING: Ordering = if cfg!(psref_planted) { Ordering::Relaxed } else { Ordering::SeqCst };

/// An object's cells and total.
#[derive(Clone, Copy)]
pub(crate) struct Cells(storage::Memory);

impl Counted {
    /// Makes cells. May sleep the first time.
    pub(crate) fn open(&self) -> Result<(), Errno> {
        let facts = runtime::try_get().map(drop);
        let memory = facts.and_then(|()| storage::alloc())?;
        self.cells.store(storage::to_word(memory), Ordering::Relaxed);
        // Release: the cells before the guard that lets sections into them.
        self.guard.store(0, Ordering::Release);
        Ok(())
    }

    /// Gives the cells back.
    ///
    /// # Safety
    /// The object is closed or nobody holds it or will, and the cells are used no more.
    pub(crate) unsafe fn free(&self) {
        let word = self.cells.swap(0, Ordering::Relaxed);
        if word != 0 {
            // SAFETY: the caller's promise; made by `open`.
            unsafe { storage::free(storage::from_word(word)) }
        }
    }

    /// The cells, if there are any.
    pub(crate) fn cells(&self) -> Option<Cells> {
        let word = self.cells.load(Ordering::Relaxed);
        // SAFETY: made by `open`.
        (word != 0).then(|| Cells(unsafe { storage::from_word(word) }))
    }

    /// Adds `n` to the caller's cell. `Err`: the guard is set, and nothing was counted.
    ///
    /// The object must stay readable until this returns (R1); of an addition that ends a hold it is not touched after the
    /// hold has ended.
    pub(crate) fn add(&self, n: i64) -> Result<(), Guarded> {
        #[cfg(feature = "inject")]
        crate::sys::inject::at_slow_path();
        let Some(cells) = self.cells() else { return Err(Guarded) };
        if runtime::get().backend() == Backend::Rseq {
            for _ in 0..RETRIES {
                match storage::add_in_section(cells.0, &self.guard, n) {
                    Add::Done => return Ok(()),
                    Add::Guarded => return Err(Guarded),
                    Add::NoCpu => break,
                    Add::Aborted => {}
                }
            }
        }
        self.add_atomically(cells, n)
    }

    /// Adds to the cell that [`Counted::sum`] reads last: what moves behind the back of a sum, from a cell that it has still to
    /// read, is in it.
    pub(crate) fn add_last(&self, n: i64) -> Result<(), Guarded> {
        let Some(cells) = self.cells() else { return Err(Guarded) };
        self.add_to(cells, runtime::get().cpus(), n)
    }

    fn add_atomically(&self, cells: Cells, n: i64) -> Result<(), Guarded> {
        let facts = runtime::get();
        let stripe = match facts.backend() {
            Backend::Atomic => (thread::number() as usize / 2) % facts.stripes(), // any will do; this spreads them (N2)
            Backend::Rseq => facts.cpus(),
        };
        self.add_to(cells, stripe, n)
    }

    fn add_to(&self, cells: Cells, stripe: usize, n: i64) -> Result<(), Guarded> {
        // A closed object's cells may have a new owner by now.
        if self.guard.load(Ordering::SeqCst) != 0 {
            return Err(Guarded);
        }
        #[cfg(feature = "inject")]
        crate::sys::inject::pause();
        let before = storage::cell(cells.0, stripe).fetch_add(n as u64, ADDING).cast_signed();
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::LateAdditionCounts) {
            return Ok(());
        }
        if before < OPEN_ABOVE { Err(Guarded) } else { Ok(()) } // N4
    }

    /// The caller, who alone calls this, once, has set the guard (SeqCst) and then restarted the sections. Answers the sum of what
    /// was counted before; what is counted later is counted in the total, by whoever finds the guard.
    pub(crate) fn close(&self) -> i64 {
        let Some(cells) = self.cells() else { return 0 };
        let facts = runtime::get();
        // N3. Fence C: the caller's store of the guard, its membarrier, then these looks at the cells; the partner is a section, which
        // has committed before and is in the sum, or is restarted and finds the guard. Atomics need none: the exchange below is
        // before the addition, which then finds the mark, or after it and takes it out.
        let frozen = |stripe: usize| facts.backend() == Backend::Rseq && stripe < facts.cpus();
        (0..facts.stripes())
            .map(|stripe| {
                #[cfg(feature = "inject")]
                crate::sys::inject::at_scan(stripe);
                let cell = storage::cell(cells.0, stripe);
                if frozen(stripe) {
                    return cell.load(Ordering::SeqCst).cast_signed();
                }
                #[cfg(any(loom, feature = "inject"))]
                if plant::planted(Bug::CellsNotClosed) {
                    return cell.load(Ordering::SeqCst).cast_signed();
                }
                cell.swap(CLOSED.cast_unsigned(), Ordering::SeqCst).cast_signed()
            })
            .fold(0, i64::wrapping_add)
    }

    /// The sum of the cells, which are left as they are, in order, the one of [`add_last`](Self::add_last) at the end. Exact when
    /// nobody adds meanwhile; where nothing but subtraction and `add_last` goes on and the caller has restarted the sections, so
    /// that earlier additions are visible, 0 means that nothing is left.
    pub(crate) fn sum(&self) -> i64 {
        let Some(cells) = self.cells() else { return 0 };
        (0..runtime::get().stripes())
            .map(|stripe| {
                #[cfg(feature = "inject")]
                crate::sys::inject::at_scan(stripe);
                storage::cell(cells.0, stripe).load(Ordering::SeqCst).cast_signed()
            })
            .fold(0, i64::wrapping_add)
    }
}

impl Cells {
    /// Adds to the total; answers what it became.
    pub(crate) fn add_to_total(self, n: i64) -> i64 {
        storage::total(self.0).fetch_add(n as u64, ADDING).cast_signed().wrapping_add(n)
    }

    pub(crate) fn total(self) -> i64 {
        storage::total(self.0).load(Ordering::SeqCst).cast_signed()
    }

    /// Where the total lies.
    pub(crate) fn total_address(self) -> usize {
        std::ptr::from_ref(storage::total(self.0)).expose_provenance()
    }

    /// What those who wait for the total sleep on. Shared with others' totals: every wake-up is spurious until the total was
    /// looked at.
    pub(crate) fn moved(self) -> &'static Futex {
        storage::moved(self.0)
    }

    /// One less in the total; wakes those who wait for it to become 0. Nothing but the library's own memory is touched (N5).
    pub(crate) fn leave_total(self) {
        let moved = self.moved();
        let left = self.add_to_total(-1);
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::SilentLeave) {
            return;
        }
        if left == 0 {
            moved.advance_and_wake_all();
        }
    }
}

#[cfg(not(loom))]
mod storage {
    use super::Add;
    use crate::park::{self, Futex};
    use crate::percpu::region::{self, Piece};
    use crate::sys::errno::Errno;
    use crate::sys::section;
    use crate::sys::sync::{AtomicU64, AtomicUsize};

    pub(super) type Memory = Piece;

    pub(super) fn alloc() -> Result<Memory, Errno> {
        region::alloc(size_of::<AtomicU64>())
    }

    /// # Safety
    /// As of `Counted::free`.
    pub(super) unsafe fn free(memory: Memory) {
        // SAFETY: passed on.
        unsafe { region::free(memory) }
    }

    pub(super) fn to_word(memory: Memory) -> usize {
        memory.base
    }

    /// # Safety
    /// `word` came from `to_word`.
    pub(super) unsafe fn from_word(word: usize) -> Memory {
        // SAFETY: the caller's promise.
        unsafe { Piece::of_word(word) }
    }

    fn at(address: usize) -> &'static AtomicU64 {
        // SAFETY: a word inside a piece (G1): mapped for ever, aligned; all access to it is by atomics or one-word sections.
        unsafe { &*std::ptr::with_exposed_provenance(address) }
    }

    pub(super) fn cell(memory: Memory, stripe: usize) -> &'static AtomicU64 {
        at(memory.at(stripe))
    }

    pub(super) fn total(memory: Memory) -> &'static AtomicU64 {
        at(memory.at_shared())
    }

    pub(super) fn moved(memory: Memory) -> &'static Futex {
        park::bucket(memory.base)
    }

    pub(super) fn add_in_section(memory: Memory, guard: &AtomicUsize, n: i64) -> Add {
        // SAFETY: the cell lies in every stripe; the guard is borrowed for the call.
        unsafe { section::add(memory.base, guard.as_ptr(), n) }
    }
}

/// loom's atomics are no plain memory: the cells are a list, and what waits for a total has a word of its own.
#[cfg(loom)]
mod storage {
    use super::Add;
    use crate::park::Futex;
    use crate::percpu::runtime;
    use crate::sys::errno::Errno;
    use crate::sys::sync::{AtomicU64, AtomicUsize};

    pub(super) struct Cell {
        stripes: Vec<AtomicU64>,
        total: AtomicU64,
        moved: Futex,
    }

    pub(super) type Memory = &'static Cell;

    pub(super) fn alloc() -> Result<Memory, Errno> {
        let stripes = (0..runtime::get().stripes()).map(|_| AtomicU64::new(0)).collect();
        Ok(Box::leak(Box::new(Cell { stripes, total: AtomicU64::new(0), moved: Futex::new() })))
    }

    /// # Safety
    /// None is needed.
    pub(super) unsafe fn free(_: Memory) {}

    pub(super) fn to_word(memory: Memory) -> usize {
        std::ptr::from_ref(memory).expose_provenance()
    }

    /// # Safety
    /// `word` came from `to_word`.
    pub(super) unsafe fn from_word(word: usize) -> Memory {
        // SAFETY: the caller's promise; leaked.
        unsafe { &*std::ptr::with_exposed_provenance(word) }
    }

    pub(super) fn cell(memory: Memory, stripe: usize) -> &'static AtomicU64 {
        &memory.stripes[stripe]
    }

    pub(super) fn total(memory: Memory) -> &'static AtomicU64 {
        &memory.total
    }

    pub(super) fn moved(memory: Memory) -> &'static Futex {
        &memory.moved
    }

    pub(super) fn add_in_section(_: Memory, _: &AtomicUsize, _: i64) -> Add {
        Add::NoCpu
    }
}
