// SPDX-License-Identifier: MIT OR Apache-2.0
//! Planted bugs of the loom build: a model that passes has shown something only when it fails with these. Compiled for loom
//! alone; elsewhere no trace of them is left.

use std::cell::Cell;

/// A kind of access, of those that the models weaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Load,
    Store,
    Swap,
    Change,
}

/// A rule left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Accesses that should be SeqCst, of one kind to words of one type, are Relaxed.
    Relaxed(Access, &'static str),
    /// There are no SeqCst fences.
    NoFence,
    /// A claim does not look at the guard again (R2).
    NoSecondLook,
    /// A claim that was undone wakes nobody (R2).
    SilentUndo,
    /// A claim writes its holder after the target (R26).
    HolderLate,
    /// A drain does not look at the copy sequence (R18).
    CopiesIgnored,
    /// A drain reads the word that it sleeps on after its scan (R3).
    WordReadLate,
    /// A wait sleeps whatever the word is (R3).
    SleepsWithoutCompare,
    /// Drains of two targets leave the first one's name in the waiter word.
    FirstNameKept,
    /// The first drain that is done clears the waiter word of all.
    FirstLeaverClears,
    /// A wake-up reaches one sleeper (R7).
    WakesOne,
    /// An addition to a closed cell counts.
    LateAdditionCounts,
    /// A closing leaves the cells as they are.
    CellsNotClosed,
    /// A drain shows its total before the cells' sum is in it.
    SumShownLate,
    /// Whoever makes the total 0 wakes nobody.
    SilentLeave,
    /// A read section's end wakes nobody.
    SilentExit,
    /// A perform is content with a grace period that is under way (R22).
    JoinsUnderWay,
    /// A sealing wakes no late-comer.
    SilentSeal,
    /// A late-comer sleeps uncounted (R20).
    Uncounted,
}

std::thread_local! {
    // loom runs all threads of a model on the thread that asked for it.
    static PLANTED: Cell<&'static [Bug]> = const { Cell::new(&[]) };
}

/// Plants bugs, in place of those before, in the models that this thread runs from now on.
pub(crate) fn plant(bugs: &'static [Bug]) {
    PLANTED.set(bugs);
}

pub(crate) fn planted(bug: Bug) -> bool {
    PLANTED.get().contains(&bug)
}
