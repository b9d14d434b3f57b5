// SPDX-License-Identifier: MIT OR Apache-2.0
//! The workload of look-ups, and its own check: a held object keeps its generation, is never poison, and stays under its key.

use super::{Stock, Table};
use crate::Error;
use crate::crew::{self, Latency, Outcome, Setting, Signal, Tally};
use crate::run::Watch;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

/// Objects more than keys: as many are destroyed before one is used again, so that poison is seen.
const SPARE: u32 = 64;

/// One sample of one strategy.
pub(crate) fn measure<T: Table>(setting: &Setting<'_>, watch: Watch<'_>) -> Result<Outcome, Error> {
    let keys = setting.config.keys;
    let table = T::new(keys, Stock::new(keys + SPARE as usize))?;
    let mut destroyer = Destroyer::fill(&table, setting)?;
    let aside = (setting.config.destroy_rate > 0.0).then_some(|signal: &Signal| destroyer.work(signal));
    let (tallies, elapsed, destroys) =
        crew::run(setting, watch, |number, signal| work(&table, number, setting, signal), aside)?;
    Ok(Outcome {
        tallies,
        elapsed,
        destroys: destroys.unwrap_or_else(Latency::new),
        violations: 0,
        memory: T::memory(keys),
    })
}

fn work<T: Table>(table: &T, number: usize, setting: &Setting<'_>, signal: &Signal) -> Tally {
    let batch = setting.batch();
    let mut keys = setting.keys.of(number);
    signal.count(|tally| {
        once::<T, true>(table, keys.next(), setting, tally);
        for _ in 1..batch {
            once::<T, false>(table, keys.next(), setting, tally);
        }
    })
}

/// In line in both of its forms: the clock is the one difference between them.
#[inline(always)]
fn once<T: Table, const TIMED: bool>(table: &T, key: usize, setting: &Setting<'_>, tally: &mut Tally) {
    let begin = TIMED.then(Instant::now);
    let found = table.hold(key, |body| {
        let took = begin.map(|begin| begin.elapsed());
        let generation = body.generation();
        setting.busy.hold();
        (body.unchanged(key, generation), took)
    });
    let Some((safe, took)) = found else {
        tally.misses += 1;
        return;
    };
    tally.ops += 1;
    tally.violations += u64::from(!safe);
    if let Some(took) = took {
        tally.latency.record(took, setting.clock_ns);
    }
}

/// The one that removes, poisons and replaces.
struct Destroyer<'a, T> {
    table: &'a T,
    keys: usize,
    period: Duration,
    clock_ns: u64,
    dice: StdRng,
    generation: u64,
    /// In the order in which they were destroyed.
    unused: VecDeque<u32>,
}

impl<'a, T: Table> Destroyer<'a, T> {
    /// Fills the table first.
    fn fill(table: &'a T, setting: &Setting<'_>) -> Result<Self, Error> {
        let config = setting.config;
        const LONGEST: Duration = Duration::from_secs(86_400);
        let period = Duration::try_from_secs_f64(config.destroy_rate.recip()).unwrap_or(LONGEST).min(LONGEST);
        let mut destroyer = Destroyer {
            table,
            keys: config.keys,
            period,
            clock_ns: setting.clock_ns,
            dice: StdRng::seed_from_u64(!config.seed),
            generation: 0,
            unused: (0..config.keys as u32 + SPARE).collect(),
        };
        (0..config.keys).try_for_each(|key| destroyer.put_new(key))?;
        Ok(destroyer)
    }

    fn put_new(&mut self, key: usize) -> Result<(), Error> {
        let Some(object) = self.unused.pop_front() else { return Ok(()) };
        self.generation += 1;
        if let Some(fresh) = self.table.stock().get(object) {
            fresh.body.become_another(key, self.generation);
        }
        self.table.publish(key, object)
    }

    fn replace(&mut self, key: usize) -> Result<Duration, Error> {
        let begin = Instant::now();
        let removed = self.table.remove(key);
        let took = begin.elapsed();
        if let Some(object) = removed {
            if let Some(gone) = self.table.stock().get(object) {
                gone.body.poison();
            }
            self.unused.push_back(object);
        }
        self.put_new(key)?;
        Ok(took)
    }

    /// Destroys keys drawn alike, at the rate asked for or as fast as it can.
    fn work(&mut self, signal: &Signal) -> Result<Latency, Error> {
        let mut latency = Latency::new();
        let mut due = Instant::now();
        while !signal.is_over() {
            let now = Instant::now();
            if now < due {
                park_timeout(due - now);
                continue;
            }
            let key = self.dice.random_range(0..self.keys);
            let took = self.replace(key)?;
            if signal.is_counting() {
                latency.record(took, self.clock_ns);
            }
            // What it could not keep up with is not caught up with later.
            due = (due + self.period).max(now);
        }
        Ok(latency)
    }
}
