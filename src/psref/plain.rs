// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plain cases of acquire and release, inlined into Rust callers; false: nothing was done. They make the tests that the naked functions
//! make (`sys/psref_entry_x86_64.rs`), which are called then.

use super::entry::{CLASS_LIMIT, CLASS_SLOTS, HOME_MASK, TARGET_DRAINING, release_wake};
use super::state::{ClassState, Hold, TargetState};
use crate::sys::inline;
use crate::sys::sync::{AtomicUsize, Ordering, compiler_fence};

/// # Safety
/// The target is alive until this returns (R1), the class is or was one, and the hold is the caller's to write.
#[inline(always)]
pub(crate) unsafe fn acquire(hold: *mut Hold, target: *const TargetState, class: *const ClassState) -> bool {
    // SAFETY: the target is alive.
    if !std::ptr::eq(unsafe { (*target).class.load(Ordering::Relaxed) }, class) {
        return false;
    }
    let number = inline::thread_number();
    if number == 0 {
        return false;
    }
    let home = hold.addr().wrapping_add(8 * number) & HOME_MASK;
    // Twice: slots are twice as large as the alignment of a hold, by which the mask counts.
    // SAFETY: the class has its home block's slots in every stripe below its limit.
    let slot = unsafe {
        inline::claim::<TARGET_DRAINING, CLASS_LIMIT, CLASS_SLOTS>(target.cast(), class.cast(), 2 * home, number)
    };
    if slot == 0 {
        return false;
    }
    // SAFETY: the caller's to write.
    unsafe {
        (*hold).slot = slot;
        (*hold).target = target.expose_provenance();
    }
    true
}

/// # Safety
/// The hold is the caller's and of this class, or of nothing; the target is alive while it holds it.
#[inline(always)]
pub(crate) unsafe fn release(hold: *mut Hold, target: *const TargetState, class: *const ClassState) -> bool {
    // SAFETY: the caller's.
    let slot = unsafe { (*hold).slot };
    if slot == 0 {
        return false;
    }
    // SAFETY: a slot, or with `MARK` its holder: a word of a class's block, which stays mapped.
    let slot = unsafe { AtomicUsize::from_ptr(std::ptr::with_exposed_provenance_mut(slot)) };
    if slot.load(Ordering::Relaxed) != target.addr() {
        return false;
    }
    // SAFETY: the slot names the target: this hold keeps it alive.
    if !std::ptr::eq(unsafe { (*target).class.load(Ordering::Relaxed) }, class) {
        return false;
    }
    // SAFETY: the caller's to write.
    unsafe { (*hold).slot = 0 };
    // Release: what the holder did comes before. From here on the target may be gone (R4).
    slot.store(0, Ordering::Release);
    // The processor may look at the word before the store is seen: the drain's membarrier stands between its raising of the
    // word and its scan.
    compiler_fence(Ordering::SeqCst);
    // SAFETY: classes are type-stable (P3).
    if unsafe { (*class).waiters.raised() } {
        // SAFETY: as above; the target is a number.
        unsafe { release_wake(hold, target.addr(), class) };
    }
    true
}
