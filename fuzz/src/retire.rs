// SPDX-License-Identifier: MIT OR Apache-2.0
//! Retiring: targets and calls that come to their end when nobody holds or reads any more, once each, and not before.

use crate::crew::{At, Crew, HELPERS, Place, one_of};
use arbitrary::Arbitrary;
use psref_ffi::pserialize::*;
use psref_ffi::psref::*;
use psref_ffi::retire::{self, pserialize_call, psref_retire_barrier, psref_retire_poll};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

#[derive(Arbitrary, Debug)]
pub struct Case {
    ops: Vec<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    New,
    Acquire { target: u8, by: u8 },
    Copy { hold: u8, by: u8 },
    Release { hold: u8, by: u8 },
    Retire { target: u8, by: u8, again: bool },
    Call { by: u8, again: bool },
    Enter { by: u8 },
    Exit { by: u8 },
    Poll { by: u8 },
    Barrier,
    Destroy { target: u8 },
}

/// What everybody knows who looks whether an end came too early.
#[derive(Default)]
struct Known {
    /// Sections that each thread has ended.
    ended: [AtomicU64; HELPERS + 1],
    /// Functions that were called.
    called: AtomicUsize,
}

struct Target {
    at: Place<psref_target>,
    holds: Arc<AtomicUsize>,
}

struct Hold {
    at: Place<psref>,
    of: At<psref_target>,
    holds: Arc<AtomicUsize>,
}

/// What comes to its end later: what must be over by then.
struct End {
    known: Arc<Known>,
    holds: Option<Arc<AtomicUsize>>,
    /// Threads whose section was open, and how many they had ended.
    reading: Vec<(usize, u64)>,
    /// Retires one thing more.
    again: bool,
    target: Option<Place<psref_target>>,
}

struct Model {
    crew: Crew,
    class: At<psref_class>,
    known: Arc<Known>,
    targets: Vec<Target>,
    holds: Vec<Hold>,
    depth: [Vec<i32>; HELPERS + 1],
    promised: usize,
}

// SAFETY: addresses; the model says who may use what is there.
unsafe impl Send for End {}

unsafe extern "C" fn end(argument: *mut c_void) {
    // SAFETY: what `promise` leaked; called once.
    let End { known, holds, reading, again, target } = *unsafe { Box::from_raw(argument.cast::<End>()) };
    assert!(holds.is_none_or(|holds| holds.load(SeqCst) == 0), "the end of what is held");
    for (who, ended) in reading {
        assert!(known.ended[who].load(SeqCst) > ended, "an end inside a section that was open");
    }
    drop(target);
    if again {
        let next = End { known: Arc::clone(&known), holds: None, reading: vec![], again: false, target: None };
        // SAFETY: what it leaks is taken once.
        assert_eq!(unsafe { pserialize_call(Some(end), Box::into_raw(Box::new(next)).cast()) }, 0);
    }
    known.called.fetch_add(1, SeqCst);
}

pub fn play(case: Case) {
    // Before anything is retired: then the library starts no thread for it.
    if std::env::var_os("PSREF_FUZZ_POLL").is_some() {
        psref_retire_poll();
    }
    let mut model = Model::new();
    case.ops.into_iter().take(150).for_each(|op| model.step(op));
    model.end();
}

impl Model {
    fn new() -> Model {
        // SAFETY: a terminated string.
        let class = At::new(unsafe { psref_class_create(c"retire".as_ptr(), 0) });
        assert!(!class.get().is_null());
        Model {
            crew: Crew::new(),
            class,
            known: Arc::default(),
            targets: vec![],
            holds: vec![],
            depth: Default::default(),
            promised: 0,
        }
    }

    fn step(&mut self, op: Op) {
        let (targets, holds) = (self.targets.len(), self.holds.len());
        match op {
            Op::New if targets < 8 => self.new_target(),
            Op::Acquire { target, by } if holds < 60 => {
                one_of(target, targets).into_iter().for_each(|at| self.acquire(at, by));
            }
            Op::Copy { hold, by } if holds < 60 => one_of(hold, holds).into_iter().for_each(|at| self.copy(at, by)),
            Op::Release { hold, by } => one_of(hold, holds).into_iter().for_each(|at| self.release(at, by)),
            Op::Retire { target, by, again } => {
                one_of(target, targets).into_iter().for_each(|at| self.retire(at, by, again));
            }
            Op::Call { by, again } => self.call(by, again),
            Op::Enter { by } => self.enter(by),
            Op::Exit { by } => self.exit(by),
            Op::Poll { by } => {
                let left = self.crew.run(self.crew.who(by), || psref_retire_poll());
                assert!(left <= self.promised, "things left: {left} of {}", self.promised);
            }
            Op::Barrier => self.barrier(),
            Op::Destroy { target } => one_of(target, targets).into_iter().for_each(|at| self.destroy(at)),
            _ => {}
        }
    }

    fn new_target(&mut self) {
        // SAFETY: pointers and numbers.
        let at = unsafe { Place::<psref_target>::zeroed() };
        // SAFETY: ours alone.
        unsafe { psref_target_init(at.at().get(), self.class.get()) };
        self.targets.push(Target { at, holds: Arc::default() });
    }

    fn acquire(&mut self, target: usize, by: u8) {
        let (by, class) = (self.crew.who(by), self.class);
        let Target { ref at, ref holds, .. } = self.targets[target];
        let of = at.at();
        // SAFETY: pointers.
        let hold = unsafe { Place::<psref>::zeroed() };
        let to = hold.at();
        // Before it is: who retires it looks at any moment.
        holds.fetch_add(1, SeqCst);
        // SAFETY: the target is alive.
        let answer = self.crew.run(by, move || unsafe { psref_acquire(to.get(), of.get(), class.get()) });
        assert_eq!(answer, 0, "acquire");
        self.holds.push(Hold { at: hold, of, holds: Arc::clone(holds) });
    }

    fn copy(&mut self, hold: usize, by: u8) {
        let (by, class) = (self.crew.who(by), self.class);
        let Hold { ref at, of, ref holds } = self.holds[hold];
        let (from, holds) = (at.at(), Arc::clone(holds));
        // SAFETY: pointers.
        let copy = unsafe { Place::<psref>::zeroed() };
        let to = copy.at();
        holds.fetch_add(1, SeqCst);
        // SAFETY: held.
        self.crew.run(by, move || unsafe { psref_copy(to.get(), from.get(), class.get()) });
        self.holds.push(Hold { at: copy, of, holds });
    }

    fn release(&mut self, hold: usize, by: u8) {
        let (by, class) = (self.crew.who(by), self.class);
        let Hold { at, of, holds } = self.holds.swap_remove(hold);
        let from = at.at();
        holds.fetch_sub(1, SeqCst);
        // SAFETY: held, and released once.
        self.crew.run(by, move || unsafe { psref_release(from.get(), of.get(), class.get()) });
    }

    /// A promise to be called, made now.
    fn promise(
        &mut self,
        again: bool,
        holds: Option<Arc<AtomicUsize>>,
        target: Option<Place<psref_target>>,
    ) -> *mut End {
        let open = (0..=HELPERS).filter(|&who| !self.depth[who].is_empty());
        let reading = open.map(|who| (who, self.known.ended[who].load(SeqCst))).collect();
        self.promised += 1 + usize::from(again);
        Box::into_raw(Box::new(End { known: Arc::clone(&self.known), holds, reading, again, target }))
    }

    fn retire(&mut self, target: usize, by: u8, again: bool) {
        let (by, class) = (self.crew.who(by), self.class);
        let Target { at, holds, .. } = self.targets.swap_remove(target);
        let of = at.at();
        let argument = At::new(self.promise(again, Some(holds), Some(at)));
        // SAFETY: unlinked, and alive until the function is called, once.
        let answer = self.crew.run(by, move || unsafe {
            retire::psref_target_retire(of.get().cast(), class.get().cast(), Some(end), argument.get().cast())
        });
        assert_eq!(answer, 0, "retire");
    }

    fn call(&mut self, by: u8, again: bool) {
        let by = self.crew.who(by);
        let argument = At::new(self.promise(again, None, None));
        // SAFETY: the function may be called so, once.
        let answer = self.crew.run(by, move || unsafe { pserialize_call(Some(end), argument.get().cast()) });
        assert_eq!(answer, 0, "call");
    }

    fn enter(&mut self, by: u8) {
        let who = self.crew.who(by);
        let s = self.crew.run(who, || pserialize_read_enter());
        self.depth[who].push(s);
    }

    fn exit(&mut self, by: u8) {
        let who = self.crew.who(by);
        let Some(s) = self.depth[who].pop() else { return };
        if self.depth[who].is_empty() {
            self.known.ended[who].fetch_add(1, SeqCst);
        }
        self.crew.run(who, move || pserialize_read_exit(s));
    }

    fn barrier(&mut self) {
        if self.holds.is_empty() && self.depth.iter().all(Vec::is_empty) {
            psref_retire_barrier();
            if self.known.called.load(SeqCst) < self.promised {
                psref_retire_barrier(); // what was retired by what was retired
            }
            assert_eq!(self.known.called.load(SeqCst), self.promised, "functions called");
        }
    }

    fn destroy(&mut self, target: usize) {
        if self.targets[target].holds.load(SeqCst) == 0 {
            let target = self.targets.swap_remove(target);
            // SAFETY: nobody acquires it any more.
            unsafe { psref_target_destroy(target.at.at().get(), self.class.get()) };
        }
    }

    fn end(mut self) {
        while !self.holds.is_empty() {
            self.release(0, 0);
        }
        for who in 0..=HELPERS {
            while !self.depth[who].is_empty() {
                self.exit(who as u8);
            }
        }
        self.barrier();
        while !self.targets.is_empty() {
            self.destroy(0);
        }
        // SAFETY: its targets are gone.
        unsafe { psref_class_destroy(self.class.get()) }
    }
}
