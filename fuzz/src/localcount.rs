// SPDX-License-Identifier: MIT OR Apache-2.0
//! Local counts under an interlock: acquires and releases by four threads, drains that wait and that do not, trydrains.

use crate::crew::{At, Crew, Place, one_of};
use crate::interlock::Interlock;
use crate::limit::Limit;
use arbitrary::Arbitrary;
use libc::EINVAL;
use psref_ffi::base::psref_set_strict;
use psref_ffi::localcount::*;
use std::ptr::null_mut;

#[derive(Arbitrary, Debug)]
pub struct Case {
    strict: bool,
    ops: Vec<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    New,
    Acquire {
        count: u8,
        by: u8,
        n: u8,
    },
    Release {
        count: u8,
        by: u8,
        n: u8,
    },
    /// Without an interlock, which is looked at only while somebody drains.
    ReleaseBare {
        count: u8,
        by: u8,
    },
    Drain {
        count: u8,
    },
    DrainTimed {
        count: u8,
        limit: Limit,
    },
    TryDrain {
        count: u8,
    },
    Count {
        count: u8,
        by: u8,
    },
    Fini {
        count: u8,
    },
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Draining,
    Drained,
}

struct Count {
    at: Place<localcount>,
    number: u64,
    state: State,
    references: u32,
}

#[derive(Default)]
struct Model {
    strict: bool,
    crew: Crew,
    born: u64,
    counts: Vec<Count>,
}

static INTERLOCK: Interlock = Interlock::new();

pub fn play(case: Case) {
    psref_set_strict(case.strict);
    let mut model = Model { strict: case.strict, crew: Crew::new(), ..Model::default() };
    model.new_count();
    case.ops.into_iter().take(200).for_each(|op| model.step(op));
    while !model.counts.is_empty() {
        model.end(0);
    }
    assert_eq!(model.crew.waits_left(), 0, "waits left");
}

impl Model {
    fn step(&mut self, op: Op) {
        let counts = self.counts.len();
        let one = |number| one_of(number, counts);
        match op {
            Op::New if counts < 6 => self.new_count(),
            Op::Acquire { count, by, n } => one(count).into_iter().for_each(|at| self.acquire(at, by, n)),
            Op::Release { count, by, n } => one(count).into_iter().for_each(|at| self.release(at, by, n)),
            Op::ReleaseBare { count, by } => one(count).into_iter().for_each(|at| self.release_bare(at, by)),
            Op::Drain { count } => one(count).into_iter().for_each(|at| self.drain(at)),
            Op::DrainTimed { count, limit } => one(count).into_iter().for_each(|at| self.drain_timed(at, limit)),
            Op::TryDrain { count } => one(count).into_iter().for_each(|at| self.trydrain(at)),
            Op::Count { count, by } => one(count).into_iter().for_each(|at| self.look(at, by)),
            Op::Fini { count } => one(count).into_iter().for_each(|at| self.fini(at)),
            Op::New => {}
        }
        let Model { crew, counts, .. } = self;
        crew.may_end(|number| counts.iter().any(|count| count.number == number && count.references > 0));
    }

    fn new_count(&mut self) {
        self.born += 1;
        // SAFETY: pointers and numbers.
        let at = unsafe { Place::<localcount>::zeroed() };
        // SAFETY: ours alone.
        assert_eq!(unsafe { localcount_init(at.at().get()) }, 0);
        self.counts.push(Count { at, number: self.born, state: State::Open, references: 0 });
    }

    fn acquire(&mut self, count: usize, by: u8, n: u8) {
        let by = self.crew.who(by);
        let count = &mut self.counts[count];
        if count.state != State::Open {
            return; // its owner has unpublished it
        }
        count.references += u32::from(n);
        let at = count.at.at();
        // SAFETY: alive, and nobody drains it.
        self.crew.run(by, move || (0..n).for_each(|_| unsafe { localcount_acquire(at.get()) }));
    }

    fn release(&mut self, count: usize, by: u8, n: u8) {
        let by = self.crew.who(by);
        let count = &mut self.counts[count];
        let n = count.references.min(u32::from(n));
        count.references -= n;
        let at = count.at.at();
        self.crew.run(by, move || {
            for _ in 0..n {
                // SAFETY: held.
                unsafe { localcount_release(at.get(), INTERLOCK.cv(), INTERLOCK.mutex()) }
            }
        });
        if count.references == 0 && n > 0 {
            self.drained(self.counts.iter().position(|one| one.at.at().get() == at.get()).expect("it is there"));
        }
    }

    /// Nobody holds it, so whoever drains it is done.
    fn drained(&mut self, count: usize) {
        let Count { number, ref mut state, .. } = self.counts[count];
        if self.crew.is_waited_on(number) {
            *state = State::Drained;
        }
        self.crew.must_end(number, 0);
    }

    fn release_bare(&mut self, count: usize, by: u8) {
        let by = self.crew.who(by);
        let count = &mut self.counts[count];
        if count.references == 0 || count.state != State::Open || self.strict {
            return;
        }
        count.references -= 1;
        let at = count.at.at();
        // SAFETY: held, and nobody drains it.
        self.crew.run(by, move || unsafe { localcount_release(at.get(), null_mut(), null_mut()) });
    }

    fn drain(&mut self, count: usize) {
        let Some(helper) = self.crew.idle().next() else { return };
        let Count { ref at, number, ref mut state, references } = self.counts[count];
        // Once it is drained nobody may drain it, and only the last of several learns it.
        if *state == State::Drained || self.crew.is_waited_on(number) {
            return;
        }
        *state = State::Draining;
        let at = at.at();
        self.crew.wait(helper, number, move || {
            INTERLOCK.with(|| {
                // SAFETY: alive until the wait is over, and unpublished.
                unsafe { localcount_drain(at.get(), INTERLOCK.cv(), INTERLOCK.mutex()) };
                0
            })
        });
        if references == 0 {
            self.drained(count);
        }
    }

    fn drain_timed(&mut self, count: usize, limit: Limit) {
        let Count { ref at, number, state, references } = self.counts[count];
        let Some(expected) = limit.answer(references > 0) else { return };
        if state == State::Drained || self.crew.is_waited_on(number) {
            return;
        }
        let time = limit.timespec();
        let limit = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let answer = INTERLOCK.with(|| {
            // SAFETY: alive and unpublished; the limit is null or a limit.
            unsafe { localcount_drain_timed(at.at().get(), INTERLOCK.cv(), INTERLOCK.mutex(), limit) }
        });
        assert_eq!(answer, expected, "drain_timed");
        self.counts[count].state = match answer {
            0 => State::Drained,
            EINVAL => state,
            _ => State::Draining,
        };
    }

    fn trydrain(&mut self, count: usize) {
        let Count { ref at, ref mut state, references, .. } = self.counts[count];
        if *state != State::Open {
            return;
        }
        // SAFETY: alive, and nobody acquires meanwhile.
        let drained = unsafe { localcount_trydrain(at.at().get()) };
        assert_eq!(drained, references == 0, "trydrain");
        if drained {
            *state = State::Drained;
        }
    }

    fn look(&mut self, count: usize, by: u8) {
        let by = self.crew.who(by);
        let Count { ref at, number, references, .. } = self.counts[count];
        let at: At<localcount> = at.at();
        // SAFETY: alive.
        let says = self.crew.run(by, move || unsafe { localcount_debug_refcnt(at.get()) });
        // A drain that a helper is in may be just beginning.
        let begins = self.crew.is_waited_on(number);
        assert!(says == references || (begins && says == 0), "debug_refcnt: {says} of {references}");
    }

    fn fini(&mut self, count: usize) {
        if self.counts[count].state == State::Drained {
            let count = self.counts.swap_remove(count);
            // SAFETY: drained, and nobody uses it.
            unsafe { localcount_fini(count.at.at().get()) }
        }
    }

    fn end(&mut self, count: usize) {
        while self.counts[count].references > 0 {
            self.release(count, 0, u8::MAX);
        }
        if self.counts[count].state != State::Drained {
            self.drain_timed(count, Limit::Null);
        }
        self.fini(count);
    }
}
