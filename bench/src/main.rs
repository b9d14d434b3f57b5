// SPDX-License-Identifier: MIT OR Apache-2.0
//! `psref-lab`: experiments from a shell. Exit status: 0, 1 where a run was unsafe or failed, 2 for bad usage.

mod options;
mod show;

use clap::Parser;
use options::{Command, Experiment, Options};
use psref_bench::{Config, Error, Kind, Report};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

const UNSAFE_OR_FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    match Options::parse().command {
        Command::Strategies => {
            // A reader that has seen enough closes the pipe.
            let _ = writeln!(io::stdout(), "{}", show::strategies());
            ExitCode::SUCCESS
        }
        Command::Compare(compare) => experiment(&compare.config(), &compare.common),
        Command::Pool(pool) => experiment(&pool.config(), &pool.common),
    }
}

fn experiment(config: &Config, common: &Experiment) -> ExitCode {
    match measure(config, common) {
        Ok(report) if report.is_safe() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(UNSAFE_OR_FAILED),
        Err(Failure::Run(e @ Error::Config(_))) => fail(&e, BAD_USAGE),
        Err(Failure::Run(e)) => fail(&e, UNSAFE_OR_FAILED),
        Err(Failure::Output(e)) => fail(&e, UNSAFE_OR_FAILED),
    }
}

fn fail(why: &dyn std::fmt::Display, status: u8) -> ExitCode {
    eprintln!("psref-lab: {why}");
    ExitCode::from(status)
}

enum Failure {
    Run(Error),
    Output(String),
}

fn measure(config: &Config, common: &Experiment) -> Result<Report, Failure> {
    config.check().map_err(Failure::Run)?;
    // Before the run: nobody wants to wait for a file that cannot be written.
    let json = common.json.as_deref().map(|path| Ok((path, create(path)?))).transpose().map_err(Failure::Output)?;
    let bar = show::bar();
    let report = psref_bench::run(config, &mut |progress| {
        show::update(&bar, &progress);
        true
    });
    bar.finish_and_clear();
    let report = report.map_err(Failure::Run)?;
    let table_too = common.json.as_deref().is_none_or(|path| path != Path::new("-"));
    if let Some((path, mut file)) = json {
        let written =
            serde_json::to_writer_pretty(&mut file, &report).map_err(io::Error::from).and_then(|()| writeln!(file));
        written.and_then(|()| file.flush()).map_err(|e| Failure::Output(format!("{}: {e}", path.display())))?;
    }
    if table_too {
        let _ = writeln!(io::stdout(), "{}", show::report(&report, config.kind == Kind::Lookup));
    }
    Ok(report)
}

fn create(path: &Path) -> Result<Box<dyn Write>, String> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdout()));
    }
    match File::create(path) {
        Ok(file) => Ok(Box::new(io::BufWriter::new(file))),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}
