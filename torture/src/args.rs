// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line.

use crate::faults::{self, Fault};
use crate::mix::NAMES;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// What is tortured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Which {
    Psref,
    Localcount,
    Pserialize,
    Gate,
    Objpool,
    Retire,
    All,
}

/// Kinds of faults.
#[derive(Clone, Debug)]
pub struct List(pub Vec<Fault>);

fn list(text: &str) -> Result<List, String> {
    if text.is_empty() || text == "none" {
        return Ok(List(Vec::new()));
    }
    let known = || faults::ALL.map(Fault::name).join(", ");
    let one = |name: &str| Fault::from_str(name, true).map_err(|_| format!("\"{name}\" is none of: {}", known()));
    text.split(',').map(one).collect::<Result<_, _>>().map(List)
}

fn list_help() -> String {
    let one = |fault: Fault| {
        let value = fault.to_possible_value();
        let help = value.and_then(|value| value.get_help().map(ToString::to_string));
        format!("\n  {:11} {}", fault.name(), help.unwrap_or_default())
    };
    let all: String = faults::ALL.map(one).concat();
    format!("Kinds of faults, separated by commas, or none [default: all that this build and machine have]{all}")
}

/// Uses the primitives of psref in every way at once, injects faults, and looks whether anything is destroyed under its users.
///
/// Ends with a table of what was done; exit status 0, or 1 where something failed, 2 for a bad command line. Ctrl-C ends it early, with the
/// table. The same seed makes each thread decide the same; when they meet, the machine decides.
#[derive(Clone, Debug, Parser)]
#[command(name = "torture", version, max_term_width = 110)]
pub struct Args {
    /// Seconds, over all configurations; with --planted, for each bug at most [default: 10; with --planted 40]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub secs: Option<u64>,

    /// Users; those who end things come on top [default: six times the CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub threads: Option<u64>,

    /// What decisions come from [default: the clock]
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,

    #[arg(long, value_name = "LIST", value_parser = list, help = list_help())]
    pub faults: Option<List>,

    /// Writes the figures there too
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Plants one bug after the other, and demands that each is caught (test builds)
    #[arg(long)]
    pub planted: bool,

    /// With --planted: only bugs whose names contain this
    #[arg(long, value_name = "TEXT", requires = "planted")]
    pub only: Option<String>,

    /// Seconds after which a drain hangs
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub patience: u64,

    /// The shared library that is loaded and unloaded
    #[arg(long, value_name = "FILE", default_value = "libpsref.so.0")]
    pub library: String,

    /// What is tortured
    #[arg(value_name = "PRIMITIVE", default_value = "all")]
    pub which: Which,

    /// The run itself, in a process of its own.
    #[arg(long, hide = true)]
    pub run: bool,

    /// In a run: milliseconds until membarrier is refused.
    #[arg(long, hide = true)]
    pub refuse_after: Option<u64>,

    /// In a run: a bug.
    #[arg(long, hide = true)]
    pub plant: Option<String>,
}

impl Args {
    /// Numbers of the primitives.
    pub fn mixes(&self) -> Vec<usize> {
        match self.which {
            Which::All => (0..NAMES.len()).collect(),
            which => vec![which as usize],
        }
    }

    /// Faults that were asked for, or all.
    pub fn faults(&self) -> Vec<Fault> {
        let asked = self.faults.clone();
        asked.map(|list| list.0).unwrap_or_else(|| {
            let all = faults::ALL.iter().copied();
            all.filter(|&fault| fault != Fault::Delays || cfg!(feature = "inject")).collect()
        })
    }
}
