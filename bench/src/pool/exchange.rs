// SPDX-License-Identifier: MIT OR Apache-2.0
//! The workload of pools, and its own check: an object has one owner, and in the end all are there again, each once.
//!
//! The owner's word is read and written without atomic exchanges, which would cost more than the pools do: two owners overwrite
//! each other's number, and at least one of them finds the other's when it pushes, or nobody's when it should be its own.

use super::{NOBODY, Pool};
use crate::Error;
use crate::crew::{self, Latency, Outcome, Setting, Signal, Tally};
use crate::run::Watch;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// One sample of one strategy.
pub(crate) fn measure<P: Pool>(setting: &Setting<'_>, watch: Watch<'_>) -> Result<Outcome, Error> {
    let config = setting.config;
    let pool = P::new(config.objects, config.object_size)?;
    let nobody_aside = None::<fn(&Signal) -> Result<(), Error>>;
    let (tallies, elapsed, _) =
        crew::run(setting, watch, |number, signal| work(&pool, number, setting, signal), nobody_aside)?;
    let violations = if P::IS_FIXED { missing(&pool, config.objects) } else { 0 };
    Ok(Outcome { tallies, elapsed, destroys: Latency::new(), violations, memory: pool.memory() })
}

fn work<P: Pool>(pool: &P, number: usize, setting: &Setting<'_>, signal: &Signal) -> Tally {
    let burst = setting.config.burst;
    let bursts = setting.batch().div_ceil(burst);
    let mut hands = Hands { own: number as u64 + 1, burst, taken: Vec::with_capacity(burst) };
    signal.count(|tally| {
        hands.once::<P, true>(pool, setting, tally);
        for _ in 1..bursts {
            hands.once::<P, false>(pool, setting, tally);
        }
    })
}

/// One thread's.
struct Hands<O> {
    own: u64,
    burst: usize,
    taken: Vec<O>,
}

impl<O: Copy> Hands<O> {
    /// In line in both of its forms: the clock, at the first pop, is the one difference between them.
    #[inline(always)]
    fn once<P: Pool<Object = O>, const TIMED: bool>(&mut self, pool: &P, setting: &Setting<'_>, tally: &mut Tally) {
        let mut begin = TIMED.then(Instant::now);
        while self.taken.len() < self.burst {
            let Some(object) = pool.pop() else {
                tally.misses += 1;
                break;
            };
            if let Some(begin) = begin.take() {
                tally.latency.record(begin.elapsed(), setting.clock_ns);
            }
            // Relaxed, here and below: whether the pool orders one owner before the next is the question.
            let owner = pool.owner(object);
            tally.violations += u64::from(owner.load(Ordering::Relaxed) != NOBODY);
            owner.store(self.own, Ordering::Relaxed);
            self.taken.push(object);
        }
        setting.busy.hold();
        for object in self.taken.drain(..) {
            let owner = pool.owner(object);
            tally.violations += u64::from(owner.load(Ordering::Relaxed) != self.own);
            owner.store(NOBODY, Ordering::Relaxed);
            pool.push(object);
            tally.ops += 1;
        }
    }
}

/// How many objects are not there, or there twice, when all were given back.
fn missing<P: Pool>(pool: &P, objects: usize) -> u64 {
    const SEEN: u64 = u64::MAX;
    let (mut found, mut twice) = (0, 0);
    // A pool that gives out for ever is seen by what it gives twice.
    while let Some(object) = pool.pop() {
        match pool.owner(object).swap(SEEN, Ordering::Relaxed) {
            SEEN => twice += 1,
            _ => found += 1,
        }
        if twice > objects {
            break;
        }
    }
    (objects.abs_diff(found) + twice) as u64
}
