// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device gates: threads and handlers that pass, late-comers that wait, one who closes and seals.

use crate::crew::{At, Crew, Place, one_of};
use arbitrary::Arbitrary;
use libc::{ENXIO, c_char};
use psref_ffi::device_gate::*;
use std::ffi::CString;

#[derive(Arbitrary, Debug)]
pub struct Case {
    ops: Vec<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Attach,
    Acquire {
        gate: u8,
        by: u8,
        n: u8,
        interruptible: bool,
    },
    Release {
        gate: u8,
        by: u8,
        n: u8,
    },
    Enter {
        gate: u8,
        by: u8,
        n: u8,
    },
    Exit {
        gate: u8,
        by: u8,
        n: u8,
    },
    /// Comes to a closed gate, as a thread or to close it too.
    Late {
        gate: u8,
        closes: bool,
        interruptible: bool,
    },
    Close {
        gate: u8,
        what: Option<Vec<u8>>,
    },
    Seal {
        gate: u8,
    },
    Detach {
        gate: u8,
    },
}

#[derive(Clone, Copy)]
enum State {
    Open,
    Closed(At<device_gate_t>),
    Sealed,
}

struct Gate {
    at: Place<device_gate_device>,
    number: u64,
    state: State,
    threads: u32,
    handlers: u32,
}

impl Gate {
    fn inside(&self) -> u32 {
        self.threads + self.handlers
    }

    /// What late-comers wait on.
    fn late(&self) -> u64 {
        2 * self.number
    }

    /// What the one who seals waits on.
    fn sealing(&self) -> u64 {
        2 * self.number + 1
    }
}

#[derive(Default)]
struct Model {
    crew: Crew,
    born: u64,
    gates: Vec<Gate>,
}

type Call = unsafe extern "C" fn(*mut device_gate_device);

pub fn play(case: Case) {
    let mut model = Model { crew: Crew::new(), ..Model::default() };
    model.attach();
    case.ops.into_iter().take(200).for_each(|op| model.step(op));
    model.end();
}

impl Model {
    fn step(&mut self, op: Op) {
        let gates = self.gates.len();
        let one = |number| one_of(number, gates);
        match op {
            Op::Attach if gates < 5 => self.attach(),
            Op::Acquire { gate, by, n, interruptible } => {
                one(gate).into_iter().for_each(|at| self.acquire(at, by, n, interruptible));
            }
            Op::Release { gate, by, n } => one(gate).into_iter().for_each(|at| self.release(at, by, n)),
            Op::Enter { gate, by, n } => one(gate).into_iter().for_each(|at| self.enter(at, by, n)),
            Op::Exit { gate, by, n } => one(gate).into_iter().for_each(|at| self.exit(at, by, n)),
            Op::Late { gate, closes, interruptible } => {
                one(gate).into_iter().for_each(|at| self.come_late(at, closes, interruptible));
            }
            Op::Close { gate, what } => one(gate).into_iter().for_each(|at| self.close(at, what.as_deref())),
            Op::Seal { gate } => one(gate).into_iter().for_each(|at| self.seal(at)),
            Op::Detach { gate } => one(gate).into_iter().for_each(|at| self.detach(at)),
            Op::Attach => {}
        }
        let Model { crew, gates, .. } = self;
        crew.may_end(|on| {
            let gate = gates.iter().find(|gate| gate.number == on / 2).expect("what is waited on is there");
            matches!(gate.state, State::Closed(_)) || gate.inside() > 0
        });
    }

    fn attach(&mut self) {
        self.born += 1;
        // SAFETY: pointers.
        let at = unsafe { Place::<device_gate_device>::zeroed() };
        // SAFETY: ours alone.
        assert_eq!(unsafe { device_gate_attach(at.at().get()) }, 0);
        self.gates.push(Gate { at, number: self.born, state: State::Open, threads: 0, handlers: 0 });
    }

    fn acquire(&mut self, gate: usize, by: u8, n: u8, interruptible: bool) {
        let by = self.crew.who(by);
        let gate = &mut self.gates[gate];
        let at = gate.at.at();
        // SAFETY: attached.
        let once = move || unsafe { device_gate_acquire(at.get(), interruptible) };
        match gate.state {
            State::Open => {
                gate.threads += u32::from(n);
                assert!(self.crew.run(by, move || (0..n).all(|_| once() == 0)), "an open gate lets nobody pass");
            }
            State::Closed(_) => {}
            State::Sealed => assert_eq!(self.crew.run(by, once), ENXIO, "a sealed gate"),
        }
    }

    fn many(&self, gate: usize, by: u8, n: u32, call: Call) {
        let (by, at) = (self.crew.who(by), self.gates[gate].at.at());
        // SAFETY: attached; who leaves is inside.
        self.crew.run(by, move || (0..n).for_each(|_| unsafe { call(at.get()) }));
    }

    fn release(&mut self, gate: usize, by: u8, n: u8) {
        let n = self.gates[gate].threads.min(u32::from(n));
        self.gates[gate].threads -= n;
        self.many(gate, by, n, device_gate_release);
        self.left(gate);
    }

    fn exit(&mut self, gate: usize, by: u8, n: u8) {
        let n = self.gates[gate].handlers.min(u32::from(n));
        self.gates[gate].handlers -= n;
        self.many(gate, by, n, device_gate_exit);
        self.left(gate);
    }

    fn left(&mut self, gate: usize) {
        if self.gates[gate].inside() == 0 {
            self.crew.must_end(self.gates[gate].sealing(), 0);
        }
    }

    fn enter(&mut self, gate: usize, by: u8, n: u8) {
        if !matches!(self.gates[gate].state, State::Sealed) {
            self.gates[gate].handlers += u32::from(n);
            self.many(gate, by, n.into(), device_gate_enter);
        }
    }

    fn come_late(&mut self, gate: usize, closes: bool, interruptible: bool) {
        let (Some(helper), State::Closed(_)) = (self.crew.idle().next(), self.gates[gate].state) else { return };
        let at = self.gates[gate].at.at();
        self.crew.wait(helper, self.gates[gate].late(), move || {
            let mut closed = std::ptr::null_mut();
            // SAFETY: attached until the wait is over.
            unsafe {
                if closes {
                    device_gate_close(at.get(), c"late".as_ptr(), &raw mut closed)
                } else {
                    device_gate_acquire(at.get(), interruptible)
                }
            }
        });
    }

    fn close(&mut self, gate: usize, what: Option<&[u8]>) {
        let gate = &mut self.gates[gate];
        let what = what.map(|what| {
            let what: Vec<u8> = what.iter().copied().filter(|&byte| byte != 0).collect();
            CString::new(what).expect("no zero in it")
        });
        let what: *const c_char = what.as_ref().map_or(std::ptr::null(), |what| what.as_ptr());
        let mut closed = std::ptr::null_mut();
        if let State::Closed(_) = gate.state {
            return;
        }
        // SAFETY: attached; a string or null.
        let answer = unsafe { device_gate_close(gate.at.at().get(), what, &raw mut closed) };
        if let State::Sealed = gate.state {
            assert_eq!(answer, ENXIO, "the close of a sealed gate");
            return;
        }
        assert!(answer == 0 && !closed.is_null(), "close: {answer}");
        gate.state = State::Closed(At::new(closed));
    }

    fn seal(&mut self, gate: usize) {
        let State::Closed(closed) = self.gates[gate].state else { return };
        let (inside, late) = (self.gates[gate].inside(), self.gates[gate].late());
        let at = self.gates[gate].at.at();
        // SAFETY: attached until it is over; closed, and sealed once.
        let seal = move || unsafe {
            device_gate_seal(at.get(), closed.get());
            0
        };
        if inside == 0 {
            seal();
        } else {
            let Some(helper) = self.crew.idle().next() else { return };
            self.crew.wait(helper, self.gates[gate].sealing(), seal);
        }
        self.gates[gate].state = State::Sealed;
        self.crew.must_end(late, ENXIO);
    }

    fn detach(&mut self, gate: usize) {
        let known = &self.gates[gate];
        if known.inside() == 0 && !matches!(known.state, State::Closed(_)) {
            let gate = self.gates.swap_remove(gate);
            // SAFETY: nobody uses it any more.
            unsafe { device_gate_detach(gate.at.at().get()) }
        }
    }

    fn end(&mut self) {
        for gate in 0..self.gates.len() {
            while self.gates[gate].threads > 0 {
                self.release(gate, 0, u8::MAX);
            }
            while self.gates[gate].handlers > 0 {
                self.exit(gate, 0, u8::MAX);
            }
            self.seal(gate);
        }
        assert_eq!(self.crew.waits_left(), 0, "waits left");
        while !self.gates.is_empty() {
            self.detach(0);
        }
    }
}
