// SPDX-License-Identifier: MIT OR Apache-2.0
//! `torture`: uses every primitive of psref in every way at once, injects faults, and looks whether anything was destroyed under
//! its users. The run lives in a process of its own, which another starts, stops, continues and outlives; that one shows the
//! figures. docs/verification.md says what it has seen.

mod args;
mod board;
mod failure;
mod faults;
mod injector;
mod interlock;
mod mix;
mod page;
mod place;
#[cfg_attr(not(feature = "inject"), path = "unplanted.rs")]
mod planted;
mod random;
mod report;
mod run;
mod say;
mod supervisor;
mod system;
mod unload;
mod world;

use args::Args;
use clap::{CommandFactory, Parser, error::ErrorKind};
use faults::Fault;
use report::Figures;
use std::process::ExitCode;
use supervisor::Run;

fn refuse(why: &str) -> ! {
    Args::command().error(ErrorKind::InvalidValue, why).exit()
}

/// All configurations one after the other.
fn torture(args: &Args, seed: u64) -> std::io::Result<Figures> {
    let secs = args.secs.unwrap_or(10);
    let refusing = args.faults().contains(&Fault::Refused) && psref::backend() == psref::Backend::Rseq;
    // A fifth of the time with membarrier refused in the middle: a filter is never taken back.
    let refused = if refusing { (secs / 5).max(1) } else { 0 };
    let runs = [
        Run { secs: (secs - refused.min(secs)).max(1), seed, ..Run::default() },
        Run { secs: refused, seed, refuse_after: Some(refused * 500), ..Run::default() },
    ];
    let mut figures = Figures { seed, ..Figures::default() };
    for run in runs.iter().filter(|run| run.secs > 0) {
        if figures.failure.is_some() || supervisor::is_interrupted() {
            break;
        }
        let ended = supervisor::run(args, run)?;
        figures.add(ended.figures);
        figures.failure = figures.failure.or(ended.failure);
    }
    Ok(figures)
}

#[cfg(feature = "inject")]
fn planted(args: &Args, seed: u64) -> std::io::Result<Figures> {
    planted::all(args, seed)
}

#[cfg(not(feature = "inject"))]
fn planted(_: &Args, _: u64) -> std::io::Result<Figures> {
    refuse(
        "--planted: this build has no bugs to plant; cargo build -p psref-torture --features inject makes one that has",
    )
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !cfg!(feature = "inject") && args.faults().contains(&Fault::Delays) {
        refuse("--faults delays: this build cannot pause inside sections; one with --features inject can");
    }
    if args.run {
        run::run(&args);
        return ExitCode::SUCCESS;
    }
    let seed = args.seed.unwrap_or_else(|| {
        std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| u64::from(since.subsec_nanos()) ^ since.as_secs())
    });
    supervisor::forward_interrupts();
    eprintln!("torture: seed {seed}, {} back end", psref::backend().name());
    let figures = match if args.planted { planted(&args, seed) } else { torture(&args, seed) } {
        Ok(figures) => figures,
        Err(error) => {
            eprintln!("torture: a run cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("{}", figures.table());
    if let Some(file) = &args.json {
        let text = serde_json::to_string_pretty(&figures).unwrap_or_default();
        if let Err(error) = std::fs::write(file, text + "\n") {
            eprintln!("torture: {}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    match figures.failure {
        Some(why) => {
            eprintln!("torture: failed: {why} (again with: --seed {seed})");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
