// SPDX-License-Identifier: MIT OR Apache-2.0
//! What may be said on the command line. What is said too much or wrongly the library refuses, in its own words.

use clap::{Args, Parser, Subcommand};
use psref_bench::{Config, Kind, Placement};
use std::path::PathBuf;

/// Ways of holding onto things while others destroy them, measured side by side.
///
/// Exit status: 0; 1 where a run was unsafe or failed; 2 for bad usage.
#[derive(Debug, Parser)]
#[command(name = "psref-lab", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look objects up, hold them and let go, while a thread destroys and replaces them
    Compare(Compare),
    /// Take objects out of a stock and give them back
    Pool(Pool),
    /// What can be compared
    Strategies,
}

#[derive(Args, Debug)]
pub(crate) struct Experiment {
    /// Which, by name; all where none is named
    #[arg(short, long, value_delimiter = ',', value_name = "NAME,...")]
    strategies: Vec<String>,
    /// Numbers of threads [default: 1, 2, 4 ... to the CPUs, and twice these]
    #[arg(short, long, value_delimiter = ',', value_name = "N,...")]
    threads: Vec<usize>,
    /// For each strategy, for all its thread counts and rounds
    #[arg(long, default_value_t = Config::default().seconds)]
    seconds: f64,
    /// In each every strategy has its turn, in a new order
    #[arg(long, default_value_t = Config::default().rounds)]
    rounds: usize,
    /// How long an object is held, by a busy loop
    #[arg(long, default_value_t = Config::default().hold_ns, value_name = "NS")]
    hold_ns: u64,
    /// Where threads run: compact (near CPUs first), spread (nodes in turn), free (not pinned)
    #[arg(long, default_value = "compact", value_parser = placement)]
    placement: Placement,
    /// Of keys and of the order in the rounds
    #[arg(long, default_value_t = Config::default().seed)]
    seed: u64,
    /// Write all figures to FILE too; `-`: to standard output, and no table
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct Compare {
    #[command(flatten)]
    pub common: Experiment,
    /// Objects in the table
    #[arg(long, default_value_t = Config::default().keys)]
    keys: usize,
    /// Exponent of the keys' popularity; 0: all alike
    #[arg(long, default_value_t = Config::default().zipf)]
    zipf: f64,
    /// Objects destroyed and replaced in a second
    #[arg(long, default_value_t = Config::default().destroy_rate, value_name = "PER_S")]
    destroy_rate: f64,
}

#[derive(Args, Debug)]
pub(crate) struct Pool {
    #[command(flatten)]
    pub common: Experiment,
    /// Objects in the pool
    #[arg(long, default_value_t = Config::default().objects)]
    objects: usize,
    /// Bytes of each
    #[arg(long, default_value_t = Config::default().object_size, value_name = "BYTES")]
    object_size: usize,
    /// Objects that a thread pops before it pushes them back
    #[arg(long, default_value_t = Config::default().burst)]
    burst: usize,
}

impl Experiment {
    fn config(&self, kind: Kind) -> Config {
        Config {
            kind,
            strategies: self.strategies.clone(),
            threads: self.threads.clone(),
            seconds: self.seconds,
            rounds: self.rounds,
            hold_ns: self.hold_ns,
            placement: self.placement,
            seed: self.seed,
            ..Config::default()
        }
    }
}

impl Compare {
    pub fn config(&self) -> Config {
        Config { keys: self.keys, zipf: self.zipf, destroy_rate: self.destroy_rate, ..self.common.config(Kind::Lookup) }
    }
}

impl Pool {
    pub fn config(&self) -> Config {
        Config {
            objects: self.objects,
            object_size: self.object_size,
            burst: self.burst,
            ..self.common.config(Kind::Pool)
        }
    }
}

fn placement(word: &str) -> Result<Placement, String> {
    serde_json::from_value(word.into()).map_err(|e| e.to_string())
}
