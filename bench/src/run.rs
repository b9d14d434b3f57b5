// SPDX-License-Identifier: MIT OR Apache-2.0
//! The rounds: every strategy with every number of threads once in each, in an order drawn anew.

use crate::catalogue;
use crate::crew::{Busy, Setting, clock_ns};
use crate::keys::Keys;
use crate::summary::Summary;
use crate::{Config, Error, Report, machine, place};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use std::time::Duration;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// From 0 to 1.
    pub done: f64,
    /// What is being measured now.
    pub strategy: &'a str,
    /// With how many threads.
    pub threads: usize,
    /// In which round, from 0.
    pub round: usize,
}

/// Of the version that this crate writes.
pub(crate) const SCHEMA: u32 = 1;

/// Part of the measured time that goes before it uncounted, and what it is at least.
const WARM_UP: (f64, Duration) = (0.2, Duration::from_millis(2));

/// Measures what `config` says. Blocks for about `seconds` times the number of strategies, and a fifth more for warming up.
///
/// `progress` is called on this thread, some twenty times a second, and stops the run by answering false: no thread of it is
/// left when this returns. Prints nothing; what it allocates it frees. Runs at the same time disturb each other's figures only.
///
/// # Errors
/// [`Error::Config`], before anything is run; [`Error::Stopped`]; [`Error::System`].
///
/// ```
/// let config = psref_bench::Config::from_json(r#"{"strategies": ["psref"], "threads": [2], "seconds": 0.01, "rounds": 1}"#)?;
/// let report = psref_bench::run(&config, &mut |_| true)?;
/// assert!(report.is_safe() && report.records[0].ops_per_s > 0.0);
/// # Ok::<(), psref_bench::Error>(())
/// ```
pub fn run(config: &Config, progress: &mut dyn FnMut(Progress<'_>) -> bool) -> Result<Report, Error> {
    config.check()?;
    let allowed = place::allowed()?;
    let config = config.settled(allowed.len());
    let machine = machine::describe(allowed.len());
    let most = config.threads.iter().copied().max().unwrap_or(1);
    let (keys, cpus) = (Keys::draw(&config, most), place::order(config.placement, &allowed));
    let (busy, clock_ns) = (Busy::calibrate(config.hold_ns), clock_ns());

    let mut summaries = Vec::new();
    for strategy in &config.strategies {
        // Known: the configuration was checked.
        let Some(measure) = catalogue::find(config.kind, strategy) else { continue };
        summaries.extend(config.threads.iter().map(|&threads| Summary::new(strategy, threads, measure)));
    }
    let measured = Duration::from_secs_f64(config.seconds / (config.threads.len() * config.rounds) as f64);
    let warm_up = measured.mul_f64(WARM_UP.0).max(WARM_UP.1);

    let mut order: Vec<usize> = (0..summaries.len()).collect();
    let mut dice = StdRng::seed_from_u64(config.seed);
    let all = (summaries.len() * config.rounds) as f64;
    for round in 0..config.rounds {
        order.shuffle(&mut dice);
        for (nth, &which) in order.iter().enumerate() {
            let summary = &mut summaries[which];
            let setting = Setting {
                config: &config,
                threads: summary.threads,
                warm_up,
                measured,
                cpus: &cpus,
                keys: &keys,
                busy,
                clock_ns,
            };
            let before = (round * order.len() + nth) as f64;
            let (strategy, threads) = (summary.strategy.as_str(), summary.threads);
            let mut watch = |part: f64| progress(Progress { done: (before + part) / all, strategy, threads, round });
            let outcome = (summary.measure)(&setting, &mut watch)?;
            summary.add(round, outcome);
        }
    }
    let records = summaries.into_iter().map(Summary::into_record).collect();
    Ok(Report { schema: SCHEMA, machine, config, records })
}

/// What `measure` calls with the part of the sample that is done; false: stop.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(f64) -> bool;
