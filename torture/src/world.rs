// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run: the mixes, the threads that take turns at them, and their births and deaths.

use crate::board::{self, Count};
use crate::faults::Fault;
use crate::mix::{self, Mix, Turn};
use crate::random::Random;
use crate::system;
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::thread;

/// What a run is made of.
pub struct World {
    pub seed: u64,
    /// Numbers and mixes.
    pub mixes: Vec<(usize, Box<dyn Mix>)>,
    pub faults: Vec<Fault>,
    pub cpus: Vec<usize>,
    /// Desks in use: users first, then those who end things.
    pub threads: usize,
    users: usize,
    /// libpsref.so, where it is to be loaded.
    pub library: Option<CString>,
    /// Where all threads run, or `usize::MAX`.
    pub only_cpu: AtomicUsize,
    born: AtomicU64,
    /// Those who end things are to stop; then users, and faults.
    ending: AtomicBool,
    over: AtomicBool,
    enders_left: AtomicUsize,
}

impl World {
    pub fn new(seed: u64, mixes: &[usize], faults: Vec<Fault>, users: usize, library: Option<CString>) -> World {
        let enders = 3 + mixes.len();
        let made = mixes.iter().map(|&number| (number, mix::new(number, users))).collect();
        World {
            seed,
            mixes: made,
            faults,
            cpus: system::cpus(),
            threads: users + enders,
            users,
            library,
            only_cpu: AtomicUsize::new(usize::MAX),
            born: AtomicU64::new(0),
            ending: AtomicBool::new(false),
            over: AtomicBool::new(false),
            enders_left: AtomicUsize::new(enders),
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Acquire)
    }

    /// Whether it is to end: no more faults.
    pub fn is_ending(&self) -> bool {
        self.ending.load(Acquire)
    }

    /// Ends it: first nothing more is ended, for that waits for users, then nothing more is used.
    pub fn end(&self) {
        self.ending.store(true, Release);
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// Starts all threads; they are there until the run is over.
    pub fn start(&'static self) -> Vec<thread::JoinHandle<()>> {
        let seats = (0..self.threads).map(|seat| {
            thread::spawn(move || {
                // The seat is taken by one thread after the other.
                while thread::spawn(move || self.life(seat)).join().is_ok_and(|more| more) {}
                if seat >= self.users && self.enders_left.fetch_sub(1, SeqCst) == 1 {
                    self.over.store(true, Release);
                }
            })
        });
        seats.collect()
    }

    /// One thread's; whether another is to follow.
    fn life(&'static self, seat: usize) -> bool {
        let desk = board::desk(seat);
        let number = self.born.fetch_add(1, Relaxed);
        // What a thread does goes by its seat and its turn, whenever it was born.
        let mut random = Random::of(self.seed, 1 << 33 | seat as u64, desk.turns.load(Relaxed));
        desk.sit(number);
        desk.count(0, Count::Births, 1);
        if self.has(Fault::Rseq) && random.one_in(6) && system::unregister_rseq() {
            Fault::Rseq.count();
        }
        let turns = 20 + random.below(2000) as u64;
        let mut only = usize::MAX;
        let mut more = true;
        for _ in 0..turns {
            more = if seat < self.users { !self.is_over() } else { !self.ending.load(Acquire) };
            if !more {
                break;
            }
            let now = self.only_cpu.load(Acquire);
            if now != only {
                only = now;
                if now == usize::MAX { system::run_on(&self.cpus) } else { system::run_on(&[now]) }
            }
            let mut random = Random::of(self.seed, seat as u64, desk.turns.fetch_add(1, Relaxed));
            let (mix, what) = &self.mixes[random.below(self.mixes.len())];
            let cpus = if only == usize::MAX && self.has(Fault::Affinity) { &self.cpus[..] } else { &[] };
            let mut turn = Turn { random, desk, mix: *mix, cpus };
            if seat < self.users {
                what.used(&mut turn)
            } else {
                what.ended(&mut turn)
            }
            if self.ending.load(Relaxed) {
                what.give_back();
            }
        }
        desk.leave();
        more
    }

    /// Everybody has left.
    pub fn settle(&self) {
        self.mixes.iter().for_each(|(_, mix)| mix.settle());
    }
}
