// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meaning: random sequences of operations by four threads, one at a time but for drains that wait, beside an oracle that
//! counts. Mutants of the oracle must differ from the library, or the sequences show nothing.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use psref::{Class, Guard, Patience, Target};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

const THREADS: usize = 4;

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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mutant {
    None,
    DrainedTargetsAcquire,
    DrainingTargetsAreNotCopied,
    CopiesDoNotCount,
    HeldByAnybody,
    HeldWhereReleased,
    DrainsReopen,
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does what it is told.
struct Worker(Sender<Job>);

impl Worker {
    fn start() -> Worker {
        let (jobs, job): (Sender<Job>, Receiver<Job>) = channel();
        std::thread::spawn(move || job.into_iter().for_each(|job| job()));
        Worker(jobs)
    }

    fn begin<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> Receiver<R> {
        let (answer, answered) = channel();
        self.0.send(Box::new(move || drop(answer.send(f())))).expect("the worker lives");
        answered
    }

    fn run<R: Send + 'static>(&self, f: impl FnOnce() -> R + Send + 'static) -> R {
        self.begin(f).recv().expect("the job ends")
    }
}

struct Object {
    target: Arc<Target<u64>>,
    value: u64,
    draining: bool,
}

struct Held {
    guard: Guard<u64>,
    value: u64,
    by: usize,
    is_copy: bool,
}

struct World {
    mutant: Mutant,
    class: Class,
    born: u64,
    objects: Vec<Object>,
    held: Vec<Held>,
    /// Drains that wait: thread, value of the target, what tells their end.
    waiting: Vec<(usize, u64, Receiver<()>)>,
    workers: Vec<Worker>,
}

/// Holds end before anything waits for them, however a case ends.
impl Drop for World {
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

impl World {
    fn new(mutant: Mutant) -> World {
        let class = Class::new("oracle").unwrap();
        let workers = (0..THREADS).map(|_| Worker::start()).collect();
        World { mutant, class, born: 0, objects: vec![], held: vec![], waiting: vec![], workers }
    }

    fn holds(&self, value: u64) -> usize {
        let counts = |held: &&Held| !(self.mutant == Mutant::CopiesDoNotCount && held.is_copy);
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
                let target = Arc::new(Target::new(&self.class, self.born));
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
                self.class = Class::new("oracle").unwrap();
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
        let got = self.workers[thread].run(move || target.acquire());
        same!(got.is_ok(), !draining || self.mutant == Mutant::DrainedTargetsAcquire, "acquire");
        if let Ok(guard) = got {
            same!(*guard, value, "the value held");
            self.held.push(Held { guard, value, by: thread, is_copy: false });
        }
        Ok(())
    }

    fn copy(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Held { guard, value, by, is_copy } = self.held.swap_remove(which);
        let (guard, copy) = self.workers[thread].run(move || {
            let copy = guard.clone();
            (guard, copy)
        });
        self.held.push(Held { guard, value, by, is_copy });
        let draining = self.objects.iter().any(|object| object.value == value && object.draining);
        same!(true, !(draining && self.mutant == Mutant::DrainingTargetsAreNotCopied), "copy");
        same!(*copy, value, "the value copied");
        self.held.push(Held { guard: copy, value, by: thread, is_copy: true });
        Ok(())
    }

    fn release(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let Held { guard, value, .. } = self.held.swap_remove(which);
        same!(*guard, value, "the value at the end");
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
        let says = self.workers[thread].run(move || target.is_held_here());
        let anybody = self.mutant == Mutant::HeldByAnybody;
        same!(says, self.held.iter().any(|held| held.value == value && (anybody || held.by == thread)), "held");
        Ok(())
    }

    fn try_drain(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let target = Arc::clone(&self.objects[which].target);
        let drained = self.workers[thread].run(move || target.drain_within(Patience::at_most(Duration::ZERO)));
        same!(drained.is_ok(), self.holds(self.objects[which].value) == 0, "a drain with no time");
        self.objects[which].draining = drained.is_ok() || self.mutant != Mutant::DrainsReopen;
        Ok(())
    }

    fn drain(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let value = self.objects[which].value;
        let target = Arc::clone(&self.objects[which].target);
        // Its first step: until it is over an acquire elsewhere may still succeed.
        self.objects[which].draining = true;
        let begun = Arc::clone(&target);
        let ended = self.workers[thread].begin(move || target.drain());
        while begun.acquire().is_ok() {
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
        let got = self.workers[thread].run(move || Arc::into_inner(target).map(Target::into_inner));
        same!(got, Some(value), "the value given back");
        Ok(())
    }
}

fn play(mutant: Mutant, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::new(mutant);
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

#[test]
fn random_operations_agree_with_the_oracle() {
    runner(cases(), 1000).run(&steps(), |steps| play(Mutant::None, &steps)).unwrap();
}

#[test]
#[cfg_attr(miri, ignore = "shows nothing about the library")]
fn every_mutant_of_the_oracle_differs() {
    use Mutant::*;
    let mutants = [
        DrainedTargetsAcquire,
        DrainingTargetsAreNotCopied,
        CopiesDoNotCount,
        HeldByAnybody,
        HeldWhereReleased,
        DrainsReopen,
    ];
    for mutant in mutants {
        let outcome = runner(300, 0).run(&steps(), |steps| play(mutant, &steps));
        assert!(outcome.is_err(), "300 cases did not show {mutant:?}");
    }
}
