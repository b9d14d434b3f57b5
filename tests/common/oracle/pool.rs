// SPDX-License-Identifier: MIT OR Apache-2.0
//! The meaning of object pools: random pops and pushes, single and in bulk, by four threads that wander over the CPUs, one at a time, beside an
//! oracle that is a set; of any face of the library. As nobody else runs meanwhile, every answer is exact. Mutants of the oracle must differ from the
//! library, or the sequences show nothing.

#[macro_use]
#[path = "mutants.rs"]
mod mutants;

use crate::common;
use crate::stock::{Api, Hands, Object, StockOf};
use crate::worker::Worker;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::collections::BTreeSet;
use std::ffi::c_int;
use std::sync::Arc;

const THREADS: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Pop,
    Push,
    PopBulk,
    PushBulk,
    /// A bulk with one in it that is no object.
    PushBulkWrong,
    PushForeign,
    /// The thread goes to another CPU.
    Move,
}

/// What, by which thread, how many or which.
type Step = (Op, usize, usize);

fn cases_of() -> impl Strategy<Value = (usize, Vec<Step>)> {
    let op = prop_oneof![
        8 => Just(Op::Pop), 7 => Just(Op::Push), 3 => Just(Op::PopBulk), 3 => Just(Op::PushBulk),
        1 => Just(Op::PushBulkWrong), 1 => Just(Op::PushForeign), 2 => Just(Op::Move),
    ];
    (prop_oneof![1..4_usize, 1..40_usize, 60..140_usize], vec((op, 0..THREADS, 0..1000_usize), 1..120))
}

mutants! {
    /// The last object is kept.
    EmptyTooEarly,
    /// One more than there are.
    OneMore,
    /// A pushed object can be popped twice.
    PushedTwice,
    /// A refused bulk push gave those before the wrong one.
    HalfABulk,
    /// What is no object counts when it was pushed.
    ForeignCounts,
    /// Bulk pops answer all or nothing.
    AllOrNothing,
}

struct World<A: Api> {
    mutant: Mutant,
    stock: Arc<StockOf<A>>,
    workers: Vec<Worker>,
    /// How many objects are free; which ones they are, those in hands tell.
    free: usize,
    held: BTreeSet<usize>,
    hands: Vec<usize>,
}

macro_rules! same {
    ($library:expr, $oracle:expr, $what:literal) => {{
        let (library, oracle) = ($library, $oracle);
        prop_assert!(library == oracle, "{}: the library says {library:?}, the oracle {oracle:?}", $what);
    }};
}

fn object(at: usize) -> Object {
    std::ptr::with_exposed_provenance_mut(at)
}

impl<A: Api> World<A> {
    fn new(mutant: Mutant, objects: usize) -> Self {
        let workers = (0..THREADS).map(|_| Worker::start()).collect();
        let stock = Arc::new(StockOf::new(objects));
        World { mutant, stock, workers, free: objects, held: BTreeSet::new(), hands: vec![] }
    }

    fn on<R: Send + 'static>(&self, thread: usize, f: impl FnOnce(&StockOf<A>) -> R + Send + 'static) -> R {
        let stock = Arc::clone(&self.stock);
        self.workers[thread].run(move || f(&stock))
    }

    fn step(&mut self, (op, thread, which): Step) -> Result<(), TestCaseError> {
        match op {
            Op::Pop => self.pop(thread, 1, false)?,
            Op::PopBulk => self.pop(thread, which % 150, true)?,
            Op::Push if !self.hands.is_empty() => self.push(thread, which, 1, false)?,
            Op::PushBulk => self.push(thread, which, which % (self.hands.len() + 1), true)?,
            Op::PushBulkWrong => self.push_wrong(thread, which)?,
            Op::PushForeign => {
                let at = self.hands.first().map_or(0, |at| at + 8 + which % 48);
                let head = self.on(thread, move |stock| push_one(at, stock));
                same!(head, -libc::EINVAL, "a push of what is no object");
                self.free += usize::from(self.mutant == Mutant::ForeignCounts);
            }
            Op::Move => {
                let cpus = common::cpus();
                let cpu = cpus[which % cpus.len()];
                self.on(thread, move |_| common::pin(cpu));
            }
            Op::Push => {}
        }
        Ok(())
    }

    fn pop(&mut self, thread: usize, n: usize, bulk: bool) -> Result<(), TestCaseError> {
        let got = self.on(thread, move |stock| {
            let objects = if bulk { stock.pop_bulk(n) } else { stock.pop().into_iter().collect() };
            objects.into_iter().map(|object| object.expose_provenance()).collect::<Vec<_>>()
        });
        let free = match self.mutant {
            Mutant::EmptyTooEarly if self.free == 1 => 0,
            Mutant::OneMore => self.free + 1,
            Mutant::AllOrNothing if self.free < n => 0,
            _ => self.free,
        };
        same!(got.len(), n.min(free), "how many were popped");
        self.free -= got.len();
        for at in got {
            prop_assert!(self.held.insert(at), "{at:#x} was popped and is in other hands");
            self.hands.push(at);
        }
        Ok(())
    }

    fn push(&mut self, thread: usize, which: usize, n: usize, bulk: bool) -> Result<(), TestCaseError> {
        let objects: Vec<usize> = (0..n).map(|_| self.hands.swap_remove(which % self.hands.len())).collect();
        self.held.retain(|at| !objects.contains(at));
        self.free += n + usize::from(self.mutant == Mutant::PushedTwice);
        let hands = Hands(objects.into_iter().map(object).collect());
        self.on(thread, move |stock| {
            let Hands(objects) = { hands };
            if bulk { stock.push_bulk(&objects) } else { objects.into_iter().for_each(|object| stock.push(object)) }
        });
        Ok(())
    }

    fn push_wrong(&mut self, thread: usize, which: usize) -> Result<(), TestCaseError> {
        let mut objects = self.hands.clone();
        let place = which % (objects.len() + 1);
        objects.insert(place, which * 8);
        let hands = Hands(objects.into_iter().map(object).collect());
        let answer = self.on(thread, move |stock| {
            let Hands(objects) = { hands };
            // SAFETY: all but one were popped, and that one is refused.
            unsafe { A::push_bulk(objects.as_ptr(), objects.len(), stock.head()) }
        });
        same!(answer, -libc::EINVAL, "a bulk push with one that is no object");
        self.free += if self.mutant == Mutant::HalfABulk { place } else { 0 };
        Ok(())
    }
}

fn push_one<A: Api>(at: usize, stock: &StockOf<A>) -> c_int {
    // SAFETY: no object: refused.
    unsafe { A::push(object(at), stock.head()) }
}

fn play<A: Api>(mutant: Mutant, objects: usize, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut world = World::<A>::new(mutant, objects);
    for &step in steps {
        world.step(step)?;
    }
    // Everything that is free comes out, wherever it lies.
    world.pop(0, objects + 10, true)?;
    same!(world.hands.len(), objects, "objects at the end");
    Ok(())
}

fn cases() -> u32 {
    let told = std::env::var("PROPTEST_CASES").ok().map(|cases| cases.parse().expect("a number"));
    told.unwrap_or(if cfg!(miri) { 2 } else { 200 })
}

fn runner(cases: u32, max_shrink_iters: u32) -> TestRunner {
    TestRunner::new(Config { cases, max_shrink_iters, failure_persistence: None, ..Config::default() })
}

/// Random operations agree with the oracle.
pub fn agree<A: Api>() {
    runner(cases(), 1000).run(&cases_of(), |(objects, steps)| play::<A>(Mutant::None, objects, &steps)).unwrap();
}

/// Every mutant of the oracle differs.
pub fn mutants_differ<A: Api>() {
    for &mutant in Mutant::ALL {
        let outcome = runner(200, 0).run(&cases_of(), |(objects, steps)| play::<A>(mutant, objects, &steps));
        assert!(outcome.is_err(), "200 cases did not show {mutant:?}");
    }
}
