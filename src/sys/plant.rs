// SPDX-License-Identifier: MIT OR Apache-2.0
//! Planted bugs of the test builds, loom's and those with pauses in the sections: a model or a stress run that passes has shown
//! something only when it fails with these. Elsewhere no trace of them is left.

use std::sync::atomic::Ordering;

/// A kind of access, of those that the models weaken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the access is its name")]
pub enum Access {
    Load,
    Store,
    Swap,
    Change,
}

/// A rule left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// Accesses that should be SeqCst, of one kind to words of one type, are Relaxed.
    Relaxed(Access, &'static str),
    /// Accesses of a weaker order, to words of one type, are Relaxed.
    Weakened(Ordering, &'static str),
    /// There are no SeqCst fences.
    NoFence,
    /// A claim looks at the guard before it, and not again (R2).
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
    /// A drain that has closed the cells wakes no other drain.
    SilentClose,
    /// One more hold of what drains already is not counted.
    CloneUncounted,
    /// Whoever makes the total 0 wakes nobody.
    SilentLeave,
    /// A release changes the total without the interlock.
    InterlockIgnored,
    /// A read section's end wakes nobody.
    SilentExit,
    /// A nested read section takes the newest sequence.
    NestedRenews,
    /// A perform is content with a grace period that is under way (R22).
    JoinsUnderWay,
    /// A grace period is counted as started after its sequence has moved (R22).
    StartedLate,
    /// Who follows a perform sleeps without having told it.
    LeaderUntold,
    /// A perform without patience left hands over to nobody.
    SilentHandover,
    /// A perform without patience left counts as a grace period.
    GivingUpCompletes,
    /// A closing gate shows itself closed before the cells' sum is in the total.
    ShownClosedEarly,
    /// A sealing wakes no late-comer.
    SilentSeal,
    /// A late-comer sleeps uncounted (R20).
    Uncounted,
    /// A depot's head has no generation (R25).
    NoTag,
    /// A push writes the link of the last object after the head.
    LinkLate,
    /// A pop reads the head that its exchange expects after the links.
    HeadReadLate,
    /// Whoever finds a magazine being recalled leaves it to others (R24).
    NoHelp,
    /// A magazine is frozen without having been closed.
    NotClosed,
    /// The guard of a magazine that was emptied opens in the version that it had.
    GuardUnversioned,
    /// The count of a magazine that was emptied keeps its version.
    CountUnversioned,
    /// A magazine that was emptied is opened before its count's version moves.
    OpenedFirst,
    /// A drain scans before its membarrier.
    ScansFirst,
    /// A closing sums the cells before its membarrier.
    SumsFirst,
    /// A release looks at the target after its slot is cleared (R4).
    TouchesAfterRelease,
    /// Whoever gives a virtual CPU back wakes nobody.
    SilentGive,
    /// Whoever retires something wakes nobody.
    SilentRetire,
    /// A batch is counted after it was taken.
    TakenLate,
    /// A batch does not wait for its readers.
    ReadersIgnored,
    /// A batch does not look who holds its targets.
    HoldersIgnored,
    /// What is held is not looked at again after the releases were asked to tell.
    NoSecondScan,
    /// What was retired is called once more.
    CalledTwice,
    /// What was retired is given back uncalled.
    NeverCalled,
    /// A class is destroyed whoever looks at its slots for statistics.
    LooksIgnored,
    /// The end of such a look wakes nobody.
    SilentLook,
    /// A pool's statistics are taken for what they were, whoever's they are by now.
    StaleListing,
    /// Memory lies where it is first touched.
    NodesIgnored,
}

#[cfg(not(loom))]
pub use native::plant;
#[cfg(not(loom))]
pub(crate) use native::{about_to_sleep, planted};

/// Bugs of the whole process.
#[cfg(not(loom))]
mod native {
    use super::Bug;
    use std::sync::atomic::{AtomicPtr, Ordering};

    static PLANTED: AtomicPtr<&'static [Bug]> = AtomicPtr::new(std::ptr::null_mut());

    /// Plants bugs, in place of those before. What was planted before is never freed: others look at it.
    pub fn plant(bugs: &'static [Bug]) {
        PLANTED.store(Box::leak(Box::new(bugs)), Ordering::SeqCst);
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        // SAFETY: null, or leaked by `plant`.
        unsafe { PLANTED.load(Ordering::Acquire).as_ref() }.is_some_and(|bugs| bugs.contains(&bug))
    }

    pub(crate) fn about_to_sleep() {}
}

#[cfg(loom)]
pub(crate) use models::*;

/// Bugs of one model.
#[cfg(loom)]
mod models {
    use super::Bug;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    std::thread_local! {
        // loom runs all threads of a model on the thread that asked for it.
        static PLANTED: Cell<&'static [Bug]> = const { Cell::new(&[]) };
        static ASLEEP_SOON: RefCell<Rc<dyn Fn()>> = RefCell::new(Rc::new(|| ()));
    }

    /// Plants bugs, in place of those before, in the models that this thread runs from now on.
    pub(crate) fn plant(bugs: &'static [Bug]) {
        PLANTED.set(bugs);
    }

    pub(crate) fn planted(bug: Bug) -> bool {
        PLANTED.get().contains(&bug)
    }

    /// What a late-comer at a gate does from now on before it sleeps: its caller's protection may end there (R20).
    #[cfg(test)]
    pub(crate) fn before_sleep(f: impl Fn() + 'static) {
        ASLEEP_SOON.replace(Rc::new(f));
    }

    pub(crate) fn about_to_sleep() {
        let f = ASLEEP_SOON.with_borrow(Rc::clone);
        f();
    }
}
