// SPDX-License-Identifier: MIT OR Apache-2.0
//! A class's waiter word: 0 while no drain waits; else how many do, and the target they wait for, or that they are many.
//! Releases look at it after their slot is cleared, so only those of the drained target pay for a wake-up.

#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::sync::{AtomicU64, Ordering};

/// | bits | meaning |
/// |---|---|
/// | 63..44 | drains that wait |
/// | 43..0 | the target's address / 16, or 0: many targets |
///
/// Changed by compare-and-swap only: enter adds a drain, leave takes one away; the last to leave makes it 0.
#[repr(transparent)]
pub(crate) struct Waiters(AtomicU64);

const ONE: u64 = 1 << 44;
const NAME: u64 = ONE - 1;
const MANY: u64 = 0;

/// Two targets of 16 bytes each share a name only if their addresses differ above bit 47: then a wake-up is spurious.
fn name(target: usize) -> u64 {
    (target as u64 >> 4) & NAME
}

impl Waiters {
    #[cfg(loom)]
    pub(crate) fn new() -> Self {
        Waiters(AtomicU64::new(0))
    }

    /// Whether a release of `target` owes somebody a wake-up.
    pub(crate) fn wait_for(&self, target: usize) -> bool {
        // SeqCst: the second half of fence B, after the slot's clearing (P4, R5).
        let word = self.0.load(Ordering::SeqCst);
        word != 0 && (word & NAME == MANY || word & NAME == name(target))
    }

    /// Whether any drain waits: for a release that has cleared its slot and stands on x86, where the drain's membarrier does the rest (P4).
    #[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
    #[inline(always)]
    pub(crate) fn raised(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether any drain waits.
    pub(crate) fn any(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// A drain of `target` is going to wait. Fence B: this store, a membarrier (or SeqCst), then the scan; its partner is a
    /// release's clearing, then its look at this word.
    pub(crate) fn enter(&self, target: usize) {
        self.change(|word| match word {
            0 => ONE | name(target),
            #[cfg(any(loom, feature = "inject"))]
            _ if plant::planted(Bug::FirstNameKept) => word + ONE,
            _ if word & NAME == name(target) => word + ONE,
            _ => ((word & !NAME) + ONE) | MANY,
        });
    }

    /// A drain of several targets is going to wait: every release owes it a wake-up. Fence B as in `enter`.
    pub(crate) fn enter_for_many(&self) {
        self.change(|word| ((word & !NAME) + ONE) | MANY);
    }

    /// A drain stops waiting, for whatever reason. After a fork the word was cleared under it; then it is
    /// 0, or another's entry goes and the watchdog's looks replace the wake-up.
    pub(crate) fn leave(&self) {
        self.change(|word| match word {
            0 => 0,
            #[cfg(any(loom, feature = "inject"))]
            _ if plant::planted(Bug::FirstLeaverClears) => 0,
            _ if word < 2 * ONE => 0,
            _ => word - ONE,
        });
    }

    /// In a forked child, where nobody waits.
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    fn change(&self, to: impl Fn(u64) -> u64) {
        let mut word = self.0.load(Ordering::Relaxed);
        while let Err(now) = self.0.compare_exchange_weak(word, to(word), Ordering::SeqCst, Ordering::Relaxed) {
            word = now;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const A: usize = 0x7f00_1234_5670;
    const B: usize = 0x7f00_1234_5680;

    #[test]
    fn one_drain_is_waited_for_by_its_target_alone() {
        let w = Waiters(AtomicU64::new(0));
        assert!(!w.any());
        w.enter(A);
        assert!(w.wait_for(A) && !w.wait_for(B));
        w.leave();
        assert!(!w.any());
    }

    #[test]
    fn drains_of_two_targets_wake_for_everybody_until_the_last_leaves() {
        let w = Waiters(AtomicU64::new(0));
        w.enter(A);
        w.enter(B);
        w.leave();
        assert!(w.wait_for(A) && w.wait_for(B));
        w.leave();
        assert!(!w.any());
    }

    #[test]
    fn a_drain_of_many_is_woken_by_everybody() {
        let w = Waiters(AtomicU64::new(0));
        w.enter_for_many();
        assert!(w.wait_for(A) && w.wait_for(B));
        w.enter(A);
        assert!(w.wait_for(B));
        w.leave();
        w.leave();
        w.enter(A);
        w.enter_for_many();
        assert!(w.wait_for(B));
    }

    #[test]
    fn two_drains_of_one_target_keep_its_name() {
        let w = Waiters(AtomicU64::new(0));
        w.enter(A);
        w.enter(A);
        assert!(w.wait_for(A) && !w.wait_for(B));
        w.leave();
        assert!(w.wait_for(A));
        w.leave();
        assert!(!w.any());
    }

    #[test]
    fn leaving_a_cleared_word_leaves_it_clear() {
        let w = Waiters(AtomicU64::new(0));
        w.enter(A);
        w.clear();
        w.leave();
        assert!(!w.any());
    }
}
