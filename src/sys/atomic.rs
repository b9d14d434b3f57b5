// SPDX-License-Identifier: MIT OR Apache-2.0
//! The atomics back end: the operations of the sections with ordinary atomics, for threads that have no section. It cannot
//! reuse their order (R5): claim by compare-and-swap and look again; clear by exchange and then look for waiters. The
//! looking is the caller's; every access here is SeqCst because of it: the claim (or clear) and the look that follows are
//! one half of a Dekker pair whose other half is a drain's flag (or waiter word) and its scan.

use super::sync::{AtomicU64, AtomicUsize, Ordering};

/// A claim under way: neither free nor anybody's hold yet. Scans pass over it, for its claimer has still to look at the
/// draining flag. No object lies at this address.
pub(crate) const BUSY: usize = 1;

/// Claims a free slot for `target`; false: it was taken.
pub(crate) fn claim(slot: &AtomicUsize, slot_holder: &AtomicU64, target: usize, holder: u64) -> bool {
    if slot.load(Ordering::Relaxed) != 0 {
        return false; // a look that may be stale costs a slot, not a hold
    }
    if slot.compare_exchange(0, BUSY, Ordering::SeqCst, Ordering::Relaxed).is_err() {
        return false;
    }
    #[cfg(any(loom, feature = "inject"))]
    if super::plant::planted(super::plant::Bug::HolderLate) {
        slot.store(target, Ordering::SeqCst);
    }
    // Release: whoever sees this holder sees that the slot is no longer what it was (R26).
    slot_holder.store(holder, Ordering::Release);
    slot.store(target, Ordering::SeqCst);
    true
}

/// The planted bug of the Miri and ThreadSanitizer runs makes it Relaxed, so that nothing of a hold happens before the end of
/// the drain that waited for it.
const CLEARING: Ordering = if cfg!(psref_planted) { Ordering::Relaxed } else { Ordering::SeqCst };

/// Clears a slot that the caller's hold owns.
pub(crate) fn clear(slot: &AtomicUsize) {
    slot.swap(0, CLEARING);
}
