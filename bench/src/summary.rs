// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the samples of all rounds to one record.

use crate::catalogue::Measure;
use crate::crew::{Latency, Outcome};
use crate::{Memory, Percentiles, Record, Sample};

/// One strategy with one number of threads, growing by a sample a round.
pub(crate) struct Summary {
    pub strategy: String,
    pub threads: usize,
    pub measure: Measure,
    lookups: Latency,
    destroys: Latency,
    memory: Memory,
    samples: Vec<Sample>,
}

impl Summary {
    pub fn new(strategy: &str, threads: usize, measure: Measure) -> Summary {
        Summary {
            strategy: strategy.to_owned(),
            threads,
            measure,
            lookups: Latency::new(),
            destroys: Latency::new(),
            memory: Memory::default(),
            samples: Vec::new(),
        }
    }

    pub fn add(&mut self, round: usize, outcome: Outcome) {
        let sum = |what: fn(&crate::crew::Tally) -> u64| outcome.tallies.iter().map(what).sum::<u64>();
        let (ops, seconds) = (sum(|tally| tally.ops), outcome.elapsed.as_secs_f64());
        for tally in &outcome.tallies {
            self.lookups.add(&tally.latency);
        }
        self.destroys.add(&outcome.destroys);
        self.memory = outcome.memory;
        self.samples.push(Sample {
            round,
            ops,
            seconds,
            ops_per_s: ops as f64 / seconds,
            cpu_seconds: outcome.tallies.iter().map(|tally| tally.cpu.as_secs_f64()).sum(),
            thread_ops: outcome.tallies.iter().map(|tally| tally.ops).collect(),
            misses: sum(|tally| tally.misses),
            destroys: outcome.destroys.0.len(),
            violations: sum(|tally| tally.violations) + outcome.violations,
        });
    }

    pub fn into_record(self) -> Record {
        let mut rates: Vec<f64> = self.samples.iter().map(|sample| sample.ops_per_s).collect();
        rates.sort_unstable_by(f64::total_cmp);
        let median = quantile(&rates, 0.5);
        let destroys = self.samples.iter().map(|sample| sample.destroys).sum::<u64>();
        let violations = self.samples.iter().map(|sample| sample.violations).sum();
        let seconds = self.samples.iter().map(|sample| sample.seconds).sum();
        Record {
            strategy: self.strategy,
            threads: self.threads,
            ops_per_s: median,
            ops_per_s_per_thread: median / self.threads as f64,
            ops_low: quantile(&rates, 0.25),
            ops_high: quantile(&rates, 0.75),
            lookup_ns: percentiles(&self.lookups),
            destroy_ns: percentiles(&self.destroys),
            destroys,
            destroys_per_s: destroys as f64 / seconds,
            memory: self.memory,
            safe: violations == 0,
            violations,
            rounds: self.samples.len(),
            seconds,
            samples: self.samples,
        }
    }
}

/// Between the two nearest of sorted values, by weight.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = q * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

fn percentiles(times: &Latency) -> Option<Percentiles> {
    let at = |q| times.0.value_at_quantile(q) as f64;
    (!times.0.is_empty()).then(|| Percentiles {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: times.0.max() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crew::Tally;
    use std::time::Duration;

    fn outcome(ops: [u64; 2], violations: u64) -> Outcome {
        let tally = |ops| {
            let mut tally = Tally { ops, misses: 1, ..Tally::new() };
            tally.latency.record(Duration::from_nanos(130), 30);
            tally
        };
        Outcome {
            tallies: ops.map(tally).into(),
            elapsed: Duration::from_millis(500),
            destroys: Latency::new(),
            violations,
            memory: Memory::default(),
        }
    }

    fn record(outcomes: impl IntoIterator<Item = Outcome>) -> Record {
        let mut summary = Summary::new("lock", 2, |_, _| unreachable!());
        outcomes.into_iter().enumerate().for_each(|(round, outcome)| summary.add(round, outcome));
        summary.into_record()
    }

    #[test]
    fn a_record_is_the_median_of_its_rounds_with_their_quartiles() {
        let record = record([
            outcome([10, 10], 0),
            outcome([1, 1], 0),
            outcome([20, 10], 0),
            outcome([50, 0], 0),
            outcome([5, 0], 0),
        ]);
        assert_eq!((record.ops_low, record.ops_per_s, record.ops_high), (10.0, 40.0, 60.0));
        assert_eq!(record.ops_per_s_per_thread, 20.0);
        assert_eq!((record.rounds, record.seconds, record.samples[3].thread_ops.clone()), (5, 2.5, vec![50, 0]));
        assert_eq!(record.lookup_ns.map(|times| (times.p50, times.max)), Some((100.0, 100.0)));
        assert_eq!((record.destroy_ns, record.safe, record.samples[0].misses), (None, true, 2));
    }

    #[test]
    fn one_violation_in_one_round_makes_the_record_unsafe() {
        let record = record([outcome([1, 1], 0), outcome([1, 1], 1)]);
        assert!(!record.safe && record.violations == 1);
    }
}
