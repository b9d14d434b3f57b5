// SPDX-License-Identifier: MIT OR Apache-2.0
//! The oracle: what there is, who holds and who waits, beside the library's own. Where something waits the oracle says whether it
//! should be over.

use super::face::Face;
use super::{Mutant, Op, Step, THREADS};
use crate::asleep;
use crate::worker::Worker;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

macro_rules! same {
    ($library:expr, $oracle:expr, $what:literal) => {{
        let (library, oracle) = ($library, $oracle);
        prop_assert!(library == oracle, "{}: the library says {library:?}, the oracle {oracle:?}", $what);
    }};
}

#[path = "counts.rs"]
mod counts;
#[path = "gates.rs"]
mod gates;
#[path = "sections.rs"]
mod sections;

struct Count<F: Face> {
    count: Arc<F::Count>,
    value: u64,
    closed: bool,
}

struct Held<F: Face> {
    guard: F::Hold,
    value: u64,
    is_clone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Open,
    Closed,
    Sealed,
}

struct Door<F: Face> {
    gate: &'static F::Gate,
    number: u64,
    state: State,
    closer: Option<F::Closer>,
}

struct Inside<F: Face> {
    pass: F::Pass,
    number: u64,
    /// Entered when the gate was closed.
    late: bool,
}

/// An open outermost section: whose, which of all, how deep.
struct Section {
    thread: usize,
    number: u64,
    depth: usize,
}

/// What a thread waits for, and what tells its end.
enum Wait {
    Drain(u64, Receiver<Answer>),
    Late(u64, Receiver<Answer>),
    Sealed(u64, Receiver<Answer>),
    Perform(Perform),
}

/// A perform that waits: what waits while another does shares the next grace period with all that do (R22).
struct Perform {
    tid: i32,
    /// The sections that were open when its grace period began, if it has.
    old: Option<Vec<u64>>,
    ended: Receiver<Answer>,
}

/// What a wait answered when it ended: whether as it should.
type Answer = bool;

pub struct World<F: Face> {
    mutant: Mutant,
    psz: Arc<F::Psz>,
    born: u64,
    counts: Vec<Count<F>>,
    held: Vec<Held<F>>,
    doors: Vec<Door<F>>,
    inside: Vec<Inside<F>>,
    sections: Vec<Section>,
    waiting: Vec<(usize, Wait)>,
    workers: Vec<Worker>,
}

impl<F: Face> World<F> {
    pub fn new(mutant: Mutant) -> Self {
        World {
            mutant,
            psz: Arc::new(F::psz()),
            born: 0,
            counts: vec![],
            held: vec![],
            doors: vec![],
            inside: vec![],
            sections: vec![],
            waiting: vec![],
            workers: (0..THREADS).map(|_| Worker::start()).collect(),
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == mutant
    }

    fn holds(&self, value: u64) -> usize {
        let forgotten = self.is(Mutant::ClonesDoNotCount);
        self.held.iter().filter(|held| held.value == value && !(forgotten && held.is_clone)).count()
    }

    fn passes(&self, number: u64) -> usize {
        let forgotten = self.is(Mutant::SealsForgetHandlers);
        self.inside.iter().filter(|inside| inside.number == number && !(forgotten && inside.late)).count()
    }

    fn is_busy(&self, thread: usize) -> bool {
        self.waiting.iter().any(|&(busy, _)| busy == thread)
    }

    pub fn step(&mut self, (op, thread, which): Step) -> Result<(), TestCaseError> {
        let Some(thread) = (0..THREADS).map(|i| (thread + i) % THREADS).find(|&t| !self.is_busy(t)) else {
            return self.step_of_none();
        };
        let (counts, guards, doors, passes) = (self.counts.len(), self.held.len(), self.doors.len(), self.inside.len());
        match op {
            Op::NewCount if counts < 4 => self.new_count(),
            Op::Acquire if counts > 0 => self.acquire(thread, which % counts)?,
            Op::Clone if guards > 0 => self.copy(thread, which % guards)?,
            Op::Release if guards > 0 => self.release(thread, which % guards)?,
            Op::DrainNow if counts > 0 => self.drain_now(thread, which % counts)?,
            Op::Drain if counts > 0 => self.drain(thread, which % counts),
            Op::TryDrain if counts > 0 => self.try_drain(which % counts)?,
            Op::TakeCount if counts > 0 => self.take(which % counts)?,
            Op::NewGate if doors < 3 => self.new_gate(),
            Op::Enter if doors > 0 => self.enter(thread, which % doors)?,
            Op::Pass if doors > 0 => self.pass(thread, which % doors)?,
            Op::PassNow if doors > 0 => self.pass_now(thread, which % doors)?,
            Op::Exit if passes > 0 => self.exit(thread, which % passes),
            Op::Close if doors > 0 => self.close(thread, which % doors)?,
            Op::SealNow if doors > 0 => self.seal_now(thread, which % doors)?,
            Op::WaitSealed if doors > 0 => self.wait_sealed(thread, which % doors)?,
            Op::EndGate if doors > 0 => self.end_gate(which % doors),
            Op::Read => self.read(thread),
            Op::EndRead => self.end_read(thread),
            Op::IsReading => self.is_reading(thread)?,
            Op::PerformNow => self.perform_now(thread)?,
            Op::Perform => self.perform(thread)?,
            _ => {}
        }
        self.waits_end_when_they_should()
    }

    /// All threads wait: somebody else ends what one of them waits for.
    fn step_of_none(&mut self) -> Result<(), TestCaseError> {
        if let Some(held) = self.held.pop() {
            drop(held);
        } else if let Some(inside) = self.inside.pop() {
            drop(inside);
        } else {
            let shut = self.doors.iter_mut().find(|door| door.closer.is_some()).expect("what is waited for");
            shut.state = State::Sealed;
            drop(shut.closer.take());
        }
        self.waits_end_when_they_should()
    }

    /// Whether what a thread waits for has come.
    fn is_over(&self, wait: &Wait) -> bool {
        match wait {
            Wait::Drain(value, _) => self.held.iter().all(|held| held.value != *value),
            Wait::Late(number, _) => {
                self.doors.iter().any(|door| door.number == *number && door.state == State::Sealed)
            }
            Wait::Sealed(number, _) => self.inside.iter().all(|inside| inside.number != *number),
            Wait::Perform(Perform { old: None, .. }) => false,
            Wait::Perform(Perform { old: Some(old), .. }) => {
                !self.sections.iter().any(|section| old.contains(&section.number))
            }
        }
    }

    fn waits_end_when_they_should(&mut self) -> Result<(), TestCaseError> {
        // Those who wait for a perform that is over may have gone on already.
        let under_way =
            |wait: &Wait| matches!(wait, Wait::Perform(Perform { old: Some(_), .. })) && !self.is_over(wait);
        let period = self.waiting.iter().any(|(_, wait)| under_way(wait));
        for (thread, wait) in std::mem::take(&mut self.waiting) {
            let over = self.is_over(&wait);
            let free = !period && matches!(wait, Wait::Perform(Perform { old: None, .. }));
            let (what, ended) = match &wait {
                Wait::Drain(_, ended) => ("drain", ended),
                Wait::Late(_, ended) => ("late-comer", ended),
                Wait::Sealed(_, ended) => ("seal", ended),
                Wait::Perform(Perform { ended, .. }) => ("perform", ended),
            };
            if over {
                let ended = ended.recv_timeout(Duration::from_secs(4));
                prop_assert!(ended == Ok(true), "a {what} that nothing keeps waiting: {ended:?}");
            } else {
                let early = !free && !matches!(ended.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
                prop_assert!(!early, "a {what} returned early");
                self.waiting.push((thread, wait));
            }
        }
        if self.next_period_begins() { self.waits_end_when_they_should() } else { Ok(()) }
    }

    /// Where no grace period is under way and somebody waits for one, it has begun when they sleep again, or is over.
    fn next_period_begins(&mut self) -> bool {
        let open: Vec<u64> = self.sections.iter().map(|section| section.number).collect();
        let performs =
            || self.waiting.iter().filter_map(|(_, wait)| if let Wait::Perform(one) = wait { Some(one) } else { None });
        if performs().any(|one| one.old.is_some()) || performs().next().is_none() {
            return false;
        }
        // Whoever ended the last one has woken them.
        performs().for_each(|one| {
            while !asleep::sleeps(one.tid) {
                std::thread::yield_now()
            }
        });
        for (_, wait) in &mut self.waiting {
            if let Wait::Perform(one) = wait {
                one.old = Some(open.clone());
            }
        }
        true
    }

    /// Everything ends: counts, gates and sections that were used up.
    pub fn end(mut self) -> Result<(), TestCaseError> {
        loop {
            for thread in 0..THREADS {
                while !self.is_busy(thread) && self.sections.iter().any(|section| section.thread == thread) {
                    self.end_read(thread);
                }
            }
            self.waits_end_when_they_should()?;
            let used_up = self.held.is_empty() && self.inside.is_empty();
            if used_up && self.doors.iter().all(|door| door.closer.is_none()) {
                match (self.waiting.len(), self.sections.len()) {
                    (0, 0) => break,
                    (waits, sections) => prop_assert!(sections > 0, "{waits} waits left, and nothing to wait for"),
                }
            } else {
                self.step_of_none()?;
            }
        }
        while !self.doors.is_empty() {
            self.end_gate(0);
        }
        Ok(())
    }
}

/// Gates that cases left which found a difference: somebody may be waiting there still.
static LEFT: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());

/// Holds end before anything waits for them, and sections too, however a case ends.
impl<F: Face> Drop for World<F> {
    fn drop(&mut self) {
        self.held.clear();
        self.inside.clear();
        self.doors.iter_mut().for_each(|door| drop(door.closer.take()));
        let left = self.doors.iter().map(|door| std::ptr::from_ref(door.gate).expose_provenance());
        LEFT.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(left);
        for thread in 0..THREADS {
            // Of a thread that waits too, once it has done waiting.
            drop(self.workers[thread].begin(|| F::sections().with_borrow_mut(Vec::clear)));
        }
    }
}
