// SPDX-License-Identifier: MIT OR Apache-2.0
//! The primitives, each used in every way it may be used: by users, by those who end things, by signal handlers, by forked
//! children. A turn of any of them leaves nothing held but what it handed over.

pub mod gate;
mod ledger;
pub mod localcount;
pub mod objpool;
pub mod pserialize;
pub mod psref;
pub mod retire;
mod retire_alone;

use crate::board::{Count, Desk};
use crate::page::Page;
use crate::random::Random;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A thread's turn.
pub struct Turn<'a> {
    pub random: Random,
    pub desk: &'static Desk,
    pub mix: usize,
    /// CPUs to move between; one or none: stay.
    pub cpus: &'a [usize],
}

impl Turn<'_> {
    /// Goes on on another CPU, now and then.
    pub fn wander(&mut self) {
        if self.cpus.len() > 1 && self.random.one_in(12) {
            crate::system::run_on(&[self.cpus[self.random.below(self.cpus.len())]]);
            self.count(Count::Moves, 1);
        }
    }

    /// Now and then for as long as a drain takes that should wait.
    pub fn linger(&mut self) {
        if self.random.one_in(4) {
            let until = Instant::now() + Duration::from_micros(self.random.below(200) as u64);
            while Instant::now() < until {
                std::hint::spin_loop();
            }
        }
    }

    /// Gives one of what this thread holds to whoever comes next, and takes some of what others gave; nothing, where others do so now.
    pub fn exchange<H>(&mut self, handed: &Mutex<Vec<H>>, mine: &mut Vec<H>, page: impl Fn(&H) -> &'static Page) {
        let Ok(mut handed) = handed.try_lock() else { return };
        if let Some(held) = mine.pop() {
            self.desk.lets_go(page(&held));
            self.count(Count::Handed, 1);
            handed.push(held);
        }
        let others = self.random.below(3).min(handed.len());
        mine.extend(handed.drain(..others));
    }

    pub fn count(&self, what: Count, n: u64) {
        self.desk.count(self.mix, what, n);
    }
}

/// A primitive under torture.
pub trait Mix: Sync {
    /// A user's turn.
    fn used(&self, turn: &mut Turn);
    /// A turn of one who ends things.
    fn ended(&self, turn: &mut Turn);
    /// In a signal handler that interrupted whatever.
    fn in_handler(&self, random: &mut Random);
    /// In a forked child, by the thread that forked.
    fn in_child(&self);
    /// While the threads that end things run out: what others wait for in vain else.
    fn give_back(&self);
    /// Everybody has left: ends everything, and looks whether anything is left over.
    fn settle(&self);
    /// What a pool says of its slow paths.
    fn statistics(&self) -> Option<::psref::objpool::raw::Statistics> {
        None
    }
}

/// Their names, in the order of their numbers.
pub const NAMES: [&str; 6] = ["psref", "localcount", "pserialize", "gate", "objpool", "retire"];

/// Makes one.
pub fn new(number: usize, threads: usize) -> Box<dyn Mix> {
    match number {
        0 => Box::new(psref::Psref::new()),
        1 => Box::new(localcount::Counts::new()),
        2 => Box::new(pserialize::Readers::new()),
        3 => Box::new(gate::Devices::new()),
        4 => Box::new(objpool::Stock::new(threads)),
        _ => Box::new(retire::Retired::new()),
    }
}
