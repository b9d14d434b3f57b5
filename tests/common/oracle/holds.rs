// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meaning of passive references: random sequences of operations by four threads, one at a time but for drains that wait, beside
//! an oracle that counts; of any face of the library. Mutants of the oracle must differ from the library, or the sequences show
//! nothing.

#[macro_use]
#[path = "mutants.rs"]
mod mutants;

use crate::worker::Worker;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

const THREADS: usize = 4;

/// What there is in every language. What is dropped ends: holds at once, targets when nobody holds them, classes with nothing held.
pub trait Face: 'static {
    type Class;
    type Target: Send + Sync;
    type Hold: Send;

    fn class() -> Self::Class;
    fn target(class: &Self::Class, value: u64) -> Self::Target;
    /// None: it drains.
    fn acquire(target: &Arc<Self::Target>) -> Option<Self::Hold>;
    fn copy(hold: &Self::Hold) -> Self::Hold;
    fn value(hold: &Self::Hold) -> u64;
    fn is_held_here(target: &Self::Target) -> bool;
    /// With no time: whether it has drained.
    fn try_drain(target: &Self::Target) -> bool;
    fn drain(target: &Self::Target);
    fn into_inner(target: Self::Target) -> u64;
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    New,
    Acquire,
    Clone,
    Drop,
    Held,
    /// A drain with no time.
    TryDrain,
    /// A drain that waits as long as it takes; its thread does nothing else meanwhile.
    Drain,
    /// The end of a target; only where nobody would have to wait.
    Take,
    /// The end of the class with all its targets, if nothing is held; then a new one.
    Renew,
}

/// What, by which thread, on which of the objects there are.
type Step = (Op, usize, usize);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let op = prop_oneof![
        2 => Just(Op::New), 8 => Just(Op::Acquire), 4 => Just(Op::Clone), 9 => Just(Op::Drop), 4 => Just(Op::Held),
        2 => Just(Op::TryDrain), 2 => Just(Op::Drain), 1 => Just(Op::Take), 1 => Just(Op::Renew),
    ];
    vec((op, 0..THREADS, 0..1000_usize), 1..80)
}

mutants! {
    DrainedTargetsAcquire,
    DrainingTargetsAreNotCopied,
    CopiesDoNotCount,
    HeldByAnybody,
    HeldWhereReleased,
    DrainsReopen,
}

struct Object<F: Face> {
    target: Arc<F::Target>,
    value: u64,
    draining: bool,
}

struct Held<F: Face> {
    guard: F::Hold,
    value: u64,
    by: usize,
    is_copy: bool,
}

struct World<F: Face> {
    mutant: Mutant,
    class: F::Class,
    born: u64,
    objects: Vec<Object<F>>,
    held: Vec<Held<F>>,
    /// Drains that wait: thread, value of the target, what tells their end.
    waiting: Vec<(usize, u64, Receiver<()>)>,
    workers: Vec<Worker>,
}

/// Holds end before anything waits for them, however a case ends.
impl<F: Face> Drop for World<F> {
    fn drop(&mut self) {
        self.held.clear();
    }
}

macro_rules! same {
    ($library:expr, $oracle:expr, $what:literal) => {{
        let (library, oracle) = ($library, $oracle);
        prop_assert!(library == oracle, "{}: the library says {library:?}, the oracle {oracle:?}", $what);
    }};
}

impl<F: Face> World<F> {
    fn new(mutant: Mutant) -> Self {
        let class = F::class();
        let workers = (0..THREADS).map(|_| Worker::start()).collect();
        World { mutant, class, born: 0, objects: vec![], held: vec![], waiting: vec![], workers }
    }

    fn holds(&self, value: u64) -> usize {
        let counts = |held: &&Held<F>| !(self.mutant == Mutant::CopiesDoNotCount && held.is_copy);
        self.held.iter().filter(|held| held.value == value).filter(counts).count()
    }

    fn is_busy(&self, thread: usize) -> bool {
        self.waiting.iter().any(|&(busy, ..)| busy == thread)
    }

    fn step(&mut self, (op, thread, which): Step) -> Result<(), TestCaseError> {
        let Some(thread) = (0..THREADS).map(|i| (thread + i) % THREADS).find(|&t| !self.is_busy(t)) else {
            return self.step_of_none(which);
        };
        let (objects, guards) = (self.objects.len(), self.held.len());
        match op {
            Op::New if objects < 5 => {
                self.born += 1;
                let target = Arc::new(F::target(&self.class, self.born));
                self.objects.push(Object { target, value: self.born, draining: false });
            }
            Op::Acquire if objects > 0 => self.acquire(thread, which % objects)?,
            Op::Clone if guards > 0 => self.copy(thread, which % guards)?,
            Op::Drop if guards > 0 => self.release(thread, which % guards)?,
            Op::Held if objects > 0 => self.ask(thread, which % objects)?,
            Op::TryDrain if objects > 0 => self.try_drain(thread, which % objects)?,
            Op::Drain if objects > 0 => self.drain(thread, which % objects)?,
            Op::Take if objects > 0 => self.take(thread, which % objects)?,
            Op::Renew if guards == 0 => {
                self.objects.clear();
                self.class = F::class();
            }
            _ => {}
        }
        self.nobody_returned_early()
    }

    /// All threads wait in drains: somebody else releases.
    fn step_of_none(&mut self, which: usize) -> Result<(), TestCaseError> {
        let held = self.held.swap_remove(which % self.held.len());
        let value = held.value;
        drop(held);
        self.released(value)
    }

    fn acquire(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Object { ref target, value, draining } = self.objects[which];
        let target = Arc::clone(target);
        let got = self.workers[thread].run(move || F::acquire(&target));
        same!(got.is_some(), !draining || self.mutant == Mutant::DrainedTargetsAcquire, "acquire");
        if let Some(guard) = got {
            same!(F::value(&guard), value, "the value held");
            self.held.push(Held { guard, value, by: thread, is_copy: false });
        }
        Ok(())
    }

    fn copy(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Held { guard, value, by, is_copy } = self.held.swap_remove(which);
        let (guard, copy) = self.workers[thread].run(move || {
            let copy = F::copy(&guard);
            (guard, copy)
        });
        self.held.push(Held { guard, value, by, is_copy });
        let draining = self.objects.iter().any(|object| object.value == value && object.draining);
        same!(true, !(draining && self.mutant == Mutant::DrainingTargetsAreNotCopied), "copy");
        same!(F::value(&copy), value, "the value copied");
        self.held.push(Held { guard: copy, value, by: thread, is_copy: true });
        Ok(())
    }

    fn release(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Held { guard, value, .. } = self.held.swap_remove(which);
        same!(F::value(&guard), value, "the value at the end");
        self.workers[thread].run(move || drop(guard));
        if self.mutant == Mutant::HeldWhereReleased {
            self.held.iter_mut().filter(|held| held.value == value).for_each(|held| held.by = thread);
        }
        self.released(value)
    }

    /// The last release ends every drain that waited for it.
    fn released(&mut self, value: u64) -> Result<(), TestCaseError> {
        if self.held.iter().any(|held| held.value == value) {
            return Ok(());
        }
        let (over, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|&(_, v, _)| v == value);
        self.waiting = waiting;
        let over: Vec<_> = over;
        for (_, _, ended) in over {
            let ended = ended.recv_timeout(Duration::from_secs(60));
            prop_assert!(ended.is_ok(), "nobody holds the target, and its drain waits");
        }
        Ok(())
    }

    fn nobody_returned_early(&self) -> Result<(), TestCaseError> {
        for (_, value, ended) in &self.waiting {
            let early = !matches!(ended.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
            prop_assert!(!early, "a drain returned while target {value} was held");
        }
        Ok(())
    }

    fn ask(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Object { ref target, value, .. } = self.objects[which];
        let target = Arc::clone(target);
        let says = self.workers[thread].run(move || F::is_held_here(&target));
        let anybody = self.mutant == Mutant::HeldByAnybody;
        same!(says, self.held.iter().any(|held| held.value == value && (anybody || held.by == thread)), "held");
        Ok(())
    }

    fn try_drain(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let target = Arc::clone(&self.objects[which].target);
        let drained = self.workers[thread].run(move || F::try_drain(&target));
        same!(drained, self.holds(self.objects[which].value) == 0, "a drain with no time");
        self.objects[which].draining = drained || self.mutant != Mutant::DrainsReopen;
        Ok(())
    }

    fn drain(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let value = self.objects[which].value;
        let target = Arc::clone(&self.objects[which].target);
        // Its first step: until it is over an acquire elsewhere may still succeed.
        self.objects[which].draining = true;
        let begun = Arc::clone(&target);
        let ended = self.workers[thread].begin(move || F::drain(&target));
        while F::acquire(&begun).is_some() {
            std::thread::yield_now();
        }
        self.waiting.push((thread, value, ended));
        self.released(value)
    }

    fn take(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let value = self.objects[which].value;
        if self.held.iter().any(|held| held.value == value) {
            return Ok(());
        }
        let target = self.objects.swap_remove(which).target;
        let got = self.workers[thread].run(move || Arc::into_inner(target).map(F::into_inner));
        same!(got, Some(value), "the value given back");
        Ok(())
    }
}

fn play<F: Face>(mutant: Mutant, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::<F>::new(mutant);
    for &step in steps {
        world.step(step)?;
    }
    // Everything ends: also the class, which would end the program if anything were still held.
    while !world.held.is_empty() {
        world.step_of_none(0)?;
    }
    same!(world.waiting.len(), 0, "drains left");
    Ok(())
}

fn cases() -> u32 {
    let told = std::env::var("PROPTEST_CASES").ok().map(|cases| cases.parse().expect("a number"));
    told.unwrap_or(if cfg!(miri) { 2 } else { 300 })
}

fn runner(cases: u32, max_shrink_iters: u32) -> TestRunner {
    TestRunner::new(Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() })
}

/// Random operations agree with the oracle.
pub fn agree<F: Face>() {
    runner(cases(), 1000).run(&steps(), |steps| play::<F>(Mutant::None, &steps)).unwrap();
}

/// Every mutant of the oracle differs.
pub fn mutants_differ<F: Face>() {
    for &mutant in Mutant::ALL {
        let outcome = runner(300, 0).run(&steps(), |steps| play::<F>(mutant, &steps));
        assert!(outcome.is_err(), "300 cases did not show {mutant:?}");
    }
}
