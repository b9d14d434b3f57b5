// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a target's end has come, and how many threads wait in a drain of it: those must not see it retired, for what
//! was retired comes to its end without them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Stages: they only grow, but for a retirement that could not be.
pub(crate) const LIVE: u64 = 0;
pub(crate) const DRAINING: u64 = 1;
pub(crate) const DRAINED: u64 = 2;
pub(crate) const DESTROYED: u64 = 3;
pub(crate) const RETIRED: u64 = 4;

/// | bits | meaning |
/// |---|---|
/// | 7..0 | the stage |
/// | 63..8 | threads in a drain |
pub(crate) struct Stage(AtomicU64);

const MASK: u64 = 0xff;
const ONE: u64 = 0x100;

/// A thread in a drain.
pub(crate) struct Waiter<'a>(&'a AtomicU64);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(ONE, Ordering::AcqRel);
    }
}

impl Stage {
    pub(crate) fn new() -> Stage {
        Stage(AtomicU64::new(LIVE))
    }

    pub(crate) fn now(&self) -> u64 {
        // SeqCst: inside a read section it is one side of what `retire` is the other of.
        self.0.load(Ordering::SeqCst) & MASK
    }

    fn change(&self, to: impl Fn(u64) -> Option<u64>) -> Option<u64> {
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, to).ok()
    }

    /// At least this one.
    pub(crate) fn reach(&self, stage: u64) {
        self.change(|word| (word & MASK < stage).then_some(word & !MASK | stage));
    }

    /// A thread is going to wait; `None`: the target is destroyed or retired.
    pub(crate) fn drain(&self) -> Option<Waiter<'_>> {
        self.change(|word| (word & MASK < DESTROYED).then_some(word + ONE))?;
        Some(Waiter(&self.0))
    }

    /// `None`: it is destroyed or retired already.
    pub(crate) fn destroy(&self) -> Option<()> {
        self.change(|word| (word & MASK < DESTROYED).then_some(word & !MASK | DESTROYED)).map(drop)
    }

    /// Answers the stage before; `None`: it is destroyed or retired already, or a thread waits.
    pub(crate) fn retire(&self) -> Option<u64> {
        self.change(|word| (word < DESTROYED).then_some(RETIRED))
    }

    /// It could not be retired after all.
    pub(crate) fn put_back(&self, before: u64) {
        self.0.store(before, Ordering::SeqCst);
    }
}
