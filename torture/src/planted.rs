// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bugs that are planted into the library to see the torture fail. Each is run by itself, in a process of its own, with the primitives
//! that show it. Those that loom alone sees (a lost wake-up that the next one heals, a window of one instruction) are not here.

use crate::args::{Args, List, Which};
use crate::faults::Fault;
use crate::report::Figures;
use crate::supervisor::{self, Run};
use psref::inject::{self, Barrier, Bug};
use std::time::Instant;

/// A bug, and what shows it.
struct Planted {
    name: &'static str,
    which: Which,
    /// On the atomics back end.
    atomic: bool,
    plant: fn(),
}

macro_rules! bugs {
    ($($name:literal $which:ident $($atomic:ident)? => $plant:expr;)*) => {
        &[$(Planted {
            name: concat!($name, "-", stringify!($which)),
            which: Which::$which,
            atomic: bugs!(@ $($atomic)?),
            plant: || $plant,
        }),*]
    };
    (@) => { false };
    (@ atomic) => { true };
}

const ALL: &[Planted] = bugs! {
    "no-membarrier" Psref => inject::set_barrier(Barrier::None);
    "no-membarrier" Localcount => inject::set_barrier(Barrier::None);
    "no-membarrier" Gate => inject::set_barrier(Barrier::None);
    "no-membarrier" Objpool => inject::set_barrier(Barrier::None);
    "no-restart" Psref => inject::set_barrier(Barrier::WithoutRestart);
    "no-restart" Localcount => inject::set_barrier(Barrier::WithoutRestart);
    "no-restart" Gate => inject::set_barrier(Barrier::WithoutRestart);
    "no-restart" Objpool => inject::set_barrier(Barrier::WithoutRestart);
    "disarmed" Psref => inject::arm_sections(false);
    "disarmed" Localcount => inject::arm_sections(false);
    "disarmed" Gate => inject::arm_sections(false);
    "disarmed" Objpool => inject::arm_sections(false);
    "scans-first" Psref => inject::plant(&[Bug::ScansFirst]);
    "sums-first" Localcount => inject::plant(&[Bug::SumsFirst]);
    "sums-first" Gate => inject::plant(&[Bug::SumsFirst]);
    "touches-after-release" Psref => inject::plant(&[Bug::TouchesAfterRelease]);
    "wakes-one" Gate => inject::plant(&[Bug::WakesOne]);
    "word-read-late" Localcount => inject::plant(&[Bug::WordReadLate]);
    "no-second-look" Psref atomic => inject::plant(&[Bug::NoSecondLook]);
    "copies-ignored" Psref => {
        inject::set_scan_delay(5_000);
        inject::plant(&[Bug::CopiesIgnored]);
    };
    "first-name-kept" Psref => inject::plant(&[Bug::FirstNameKept]);
    "late-addition-counts" Localcount atomic => inject::plant(&[Bug::LateAdditionCounts]);
    "cells-not-closed" Localcount atomic => inject::plant(&[Bug::CellsNotClosed]);
    "clone-uncounted" Localcount => inject::plant(&[Bug::CloneUncounted]);
    "silent-leave" Localcount => inject::plant(&[Bug::SilentLeave]);
    "silent-leave" Gate => inject::plant(&[Bug::SilentLeave]);
    "silent-seal" Gate => inject::plant(&[Bug::SilentSeal]);
    "silent-exit" Pserialize => inject::plant(&[Bug::SilentExit]);
    "joins-under-way" Pserialize => inject::plant(&[Bug::JoinsUnderWay]);
    "giving-up-completes" Pserialize => inject::plant(&[Bug::GivingUpCompletes]);
    "recall-without-guard" Objpool => inject::plant(&[Bug::NotClosed]);
    "count-unversioned" Objpool => inject::plant(&[Bug::CountUnversioned]);
    "no-tag" Objpool => inject::plant(&[Bug::NoTag]);
    "link-late" Objpool => inject::plant(&[Bug::LinkLate]);
    "disarmed" Retire => inject::arm_sections(false);
    "readers-ignored" Retire => inject::plant(&[Bug::ReadersIgnored]);
    "holders-ignored" Retire => inject::plant(&[Bug::HoldersIgnored]);
    "no-second-scan" Retire => inject::plant(&[Bug::NoSecondScan]);
    "called-twice" Retire => inject::plant(&[Bug::CalledTwice]);
    "never-called" Retire => inject::plant(&[Bug::NeverCalled]);
    "head-read-late" Objpool => inject::plant(&[Bug::HeadReadLate]);
};

/// In a run: plants it.
pub fn plant(name: &str) {
    // As long as a membarrier takes, at each pause.
    inject::set_delay(60_000);
    if let Some(bug) = ALL.iter().find(|bug| bug.name == name) {
        (bug.plant)();
    }
}

/// The same without a bug: what is seen with one is not seen anyway. What was wrong, if anything was.
fn control(args: &Args, seed: u64) -> std::io::Result<Option<String>> {
    const SECS: u64 = 8; // longer than the patience
    let run = Run { secs: SECS, seed, plant: Some("none"), silent: true, ..Run::default() };
    for which in [Which::Psref, Which::Localcount, Which::Pserialize, Which::Gate, Which::Objpool, Which::Retire] {
        let ended = supervisor::run(&Args { which, ..args.clone() }, &run)?;
        let name = format!("{which:?}").to_lowercase();
        match ended.failure {
            Some(why) => return Ok(Some(format!("{name} fails without a planted bug: {why}"))),
            None => println!("{:28} nothing seen in {SECS} s", format!("none-{name}")),
        }
    }
    Ok(None)
}

/// Each in its turn; how many were caught, of how many.
pub fn all(args: &Args, seed: u64) -> std::io::Result<Figures> {
    let mut figures = Figures { seed, ..Figures::default() };
    let (mut caught, mut all) = (0, 0);
    let faults = args.faults.clone().unwrap_or_else(|| List(vec![Fault::Affinity, Fault::Rseq]));
    let args = Args { faults: Some(faults), patience: args.patience.min(6), ..args.clone() };
    if args.only.is_none() {
        figures.failure = control(&args, seed)?;
    }
    for bug in ALL {
        let wanted = args.only.as_ref().is_none_or(|text| bug.name.contains(text.as_str()));
        if !wanted || supervisor::is_interrupted() {
            continue;
        }
        let backend = if bug.atomic { "atomic" } else { psref::backend().name() };
        let name = bug.name.to_lowercase();
        if !bug.atomic && psref::backend() != psref::Backend::Rseq {
            println!("{name:28} skipped: no sections here");
            continue;
        }
        let args = Args { which: bug.which, ..args.clone() };
        let began = Instant::now();
        let run = Run {
            secs: args.secs.unwrap_or(40),
            seed,
            plant: Some(bug.name),
            environment: vec![("PSREF_BACKEND", backend.to_owned())],
            silent: true,
            ..Run::default()
        };
        let ended = supervisor::run(&args, &run)?;
        all += 1;
        let seconds = began.elapsed().as_secs_f64();
        match &ended.failure {
            Some(why) => {
                caught += 1;
                println!("{name:28} caught in {seconds:4.1} s: {why}");
            }
            None => println!("{name:28} NOT CAUGHT in {seconds:4.1} s"),
        }
        let failed = std::mem::take(&mut figures.failure);
        figures.add(Figures { failure: None, ..ended.figures });
        figures.failure =
            failed.or_else(|| ended.failure.is_none().then(|| format!("the planted bug {name} was not caught")));
    }
    figures.seed = seed;
    figures.planted = Some((caught, all));
    Ok(figures)
}
