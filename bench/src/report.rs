// SPDX-License-Identifier: MIT OR Apache-2.0
//! What came out. The names in JSON are the fields'; times are in nanoseconds where the name ends in `_ns`.

use crate::Config;
use serde::Serialize;

/// The results of one [`run`](crate::run).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Of this structure: moved when a name changes its meaning.
    pub schema: u32,
    /// Where it was measured.
    pub machine: Machine,
    /// What was measured, with every choice made that the caller left open.
    pub config: Config,
    /// One for each strategy and number of threads, in the order of the configuration.
    pub records: Vec<Record>,
}

impl Report {
    /// Whether every held object stayed what it was.
    pub fn is_safe(&self) -> bool {
        self.records.iter().all(|record| record.safe)
    }
}

/// The machine as this process sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// As the kernel names it; empty: it does not.
    pub cpu_model: String,
    /// CPUs online.
    pub cpus: usize,
    /// CPUs that this process may use.
    pub allowed: usize,
    /// NUMA nodes that have CPUs.
    pub nodes: usize,
    /// Its release.
    pub kernel: String,
    /// psref's: `rseq` or `atomic`.
    pub backend: String,
    /// Why the back end is not `rseq`, where it is not.
    pub why_not_rseq: Option<String>,
    /// psref's.
    pub version: String,
    /// When the run began, in UTC (RFC 3339).
    pub date: String,
}

/// One strategy with one number of threads, over all rounds.
///
/// An operation is one look-up that found an object, with hold and release; for pools one object popped and pushed back.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// By name.
    pub strategy: String,
    /// How many did operations; whoever destroys comes on top.
    pub threads: usize,
    /// Of all threads together: the median of the rounds.
    pub ops_per_s: f64,
    /// The same by thread.
    pub ops_per_s_per_thread: f64,
    /// Lower quartile of the rounds.
    pub ops_low: f64,
    /// Upper quartile of the rounds.
    pub ops_high: f64,
    /// From the beginning of a look-up (pop) until the object is held; sampled; none: nothing was found.
    pub lookup_ns: Option<Percentiles>,
    /// From the unlinking of an object until it is safe to reuse; none: nothing was destroyed.
    pub destroy_ns: Option<Percentiles>,
    /// Objects destroyed and replaced, in all rounds.
    pub destroys: u64,
    /// The same by time.
    pub destroys_per_s: f64,
    /// What holding costs in memory.
    pub memory: Memory,
    /// Whether there was no violation.
    pub safe: bool,
    /// Times that a held object changed or was poisoned, or that a pooled object had two owners.
    pub violations: u64,
    /// How many were measured.
    pub rounds: usize,
    /// Measured, in all rounds.
    pub seconds: f64,
    /// One for each round, in order.
    pub samples: Vec<Sample>,
}

/// A distribution of times, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Percentiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// What a strategy takes beside the objects and the table itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Memory {
    /// With what every CPU keeps for this object.
    pub bytes_per_object: f64,
    /// While an object is held.
    pub bytes_per_hold: f64,
    /// Whatever the number of objects.
    pub bytes_per_cpu: f64,
}

/// One round of one strategy with one number of threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// From 0.
    pub round: usize,
    /// Of all threads together.
    pub ops: u64,
    /// Measured.
    pub seconds: f64,
    /// Operations in one second.
    pub ops_per_s: f64,
    /// Processor time of all threads: less than `seconds` for each where they slept or the CPUs were busy with others.
    pub cpu_seconds: f64,
    /// By thread.
    pub thread_ops: Vec<u64>,
    /// Look-ups whose object was just being replaced; pops that found no object.
    pub misses: u64,
    /// Objects destroyed and replaced.
    pub destroys: u64,
    /// See [`Record::violations`].
    pub violations: u64,
}
