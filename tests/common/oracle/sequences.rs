// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meaning of counts, gates and read sections: random sequences of operations by four threads, one at a time but for those
//! that wait, beside an oracle that writes everything into one list; of any face of the library. Mutants of the oracle must
//! differ from the library, or the sequences show nothing.

#[macro_use]
#[path = "mutants.rs"]
mod mutants;
#[path = "face.rs"]
pub mod face;
#[path = "world.rs"]
mod world;

use face::Face;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use world::World;

pub const THREADS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Op {
    NewCount,
    Acquire,
    Clone,
    Release,
    /// A drain with no time.
    DrainNow,
    /// A drain that waits as long as it takes; its thread does nothing else meanwhile.
    Drain,
    TryDrain,
    /// The end of a count that nobody would have to wait for.
    TakeCount,
    NewGate,
    Enter,
    /// Passes, or waits at a closed gate until it is sealed.
    Pass,
    /// Comes to a gate with no time.
    PassNow,
    Exit,
    Close,
    /// Seals with no time.
    SealNow,
    /// Waits for whoever is inside a sealed gate.
    WaitSealed,
    EndGate,
    Read,
    EndRead,
    IsReading,
    /// A perform with no time.
    PerformNow,
    Perform,
}

/// What, by which thread, on which of the objects there are.
pub type Step = (Op, usize, usize);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    use Op::*;
    let ops = [
        (2, NewCount),
        (8, Acquire),
        (4, Clone),
        (8, Release),
        (2, DrainNow),
        (2, Drain),
        (4, TryDrain),
        (1, TakeCount),
        (2, NewGate),
        (6, Enter),
        (3, Pass),
        (5, PassNow),
        (8, Exit),
        (3, Close),
        (4, SealNow),
        (3, WaitSealed),
        (1, EndGate),
        (6, Read),
        (7, EndRead),
        (3, IsReading),
        (4, PerformNow),
        (3, Perform),
    ];
    let op = proptest::strategy::Union::new_weighted(ops.map(|(weight, op)| (weight, Just(op))).to_vec());
    vec((op, 0..THREADS, 0..1000_usize), 1..120)
}

mutants! {
    DrainedCountsAcquire,
    DrainingCountsAreNotCloned,
    ClonesDoNotCount,
    FailedTrydrainsClose,
    TrydrainsReopen,
    DrainsReopen,
    ClosedGatesPass,
    ClosedGatesKeepHandlersOut,
    SealsForgetHandlers,
    SealedGatesMakeWait,
    SealsOpen,
    SectionsDoNotNest,
    SectionsAreTheProcesss,
    PerformsIgnoreOthers,
    PerformsInsideWait,
}

fn play<F: Face>(mutant: Mutant, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::<F>::new(mutant);
    for &step in steps {
        world.step(step)?;
    }
    world.end()
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(300, |cases| cases.parse().expect("a number"))
}

/// Read sections are the process's: those of two tests at once would be waited for by the performs of both.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn runner(cases: u32, max_shrink_iters: u32) -> TestRunner {
    TestRunner::new(Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() })
}

/// Random operations agree with the oracle.
pub fn agree<F: Face>() {
    let _alone = alone();
    // Not shrunk: what a case that failed leaves open would fail all that come after it.
    runner(cases(), 0).run(&steps(), |steps| play::<F>(Mutant::None, &steps)).unwrap();
}

/// Every mutant of the oracle differs, of those that this face can tell from it.
pub fn mutants_differ<F: Face>() {
    let _alone = alone();
    for &mutant in Mutant::ALL {
        if F::IS_C && mutant == Mutant::DrainingCountsAreNotCloned {
            continue; // in C they are not
        }
        // Most show in a few; in C, where what drains is not cloned, clones that do not count seldom do.
        let outcome = runner(10_000, 0).run(&steps(), |steps| play::<F>(mutant, &steps));
        assert!(outcome.is_err(), "10000 cases did not show {mutant:?}");
    }
}
