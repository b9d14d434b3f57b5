// SPDX-License-Identifier: MIT OR Apache-2.0
//! What only the inside can test: strategies that are wrong.

use crate::catalogue::Measure;
use crate::crew::{Busy, Outcome, Setting};
use crate::keys::Keys;
use crate::pool::{self, exchange};
use crate::table::{self, lookup};
use crate::{Config, Error};
use std::time::Duration;

/// Every object is destroyed as soon as it can be, and held for longer than it takes to reuse it.
fn sample(measure: Measure, config: Config, threads: usize) -> Result<Outcome, Error> {
    let setting = Setting {
        keys: &Keys::draw(&config, threads),
        threads,
        warm_up: Duration::from_millis(1),
        measured: Duration::from_millis(50),
        cpus: &[],
        busy: Busy::calibrate(config.hold_ns),
        clock_ns: 0,
        config: &config,
    };
    measure(&setting, &mut |_| true)
}

/// Samples until a violation was seen; a busy machine may not let threads meet in one of them.
#[track_caller]
fn caught(measure: Measure, config: Config, threads: usize) {
    let seen = (0..100).any(|_| violations(&sample(measure, config.clone(), threads).unwrap()) > 0);
    assert!(seen, "100 samples with {threads} threads saw nothing");
}

fn violations(outcome: &Outcome) -> u64 {
    outcome.violations + outcome.tallies.iter().map(|tally| tally.violations).sum::<u64>()
}

fn destructive() -> Config {
    Config { keys: 2, destroy_rate: 1e6, hold_ns: 50_000, ..Config::default() }
}

#[test]
fn a_destroyer_that_waits_for_nobody_is_caught() {
    caught(lookup::measure::<table::planted::WaitsForNobody>, destructive(), 2);
}

#[test]
fn a_hold_that_ends_before_its_use_is_caught() {
    caught(lookup::measure::<table::planted::LetsGoEarly>, destructive(), 2);
}

#[test]
fn an_object_given_twice_to_one_thread_is_caught() {
    let config = Config { objects: 8, burst: 2, ..Config::default() };
    caught(exchange::measure::<pool::planted::GivesTheSame>, config, 1);
}

#[test]
fn a_pool_that_forgets_other_threads_is_caught() {
    let config = Config { objects: 64, burst: 4, ..Config::default() };
    caught(exchange::measure::<pool::planted::ForgetsOthers>, config, 8);
}

#[test]
fn a_thread_that_may_not_run_where_it_should_ends_the_run() {
    let config = destructive();
    let setting = Setting {
        keys: &Keys::draw(&config, 2),
        threads: 2,
        warm_up: Duration::from_millis(1),
        measured: Duration::from_secs(3600),
        cpus: &[0, 1023],
        busy: Busy::calibrate(0),
        clock_ns: 0,
        config: &config,
    };
    let refused = lookup::measure::<table::Serial>(&setting, &mut |_| true).unwrap_err();
    assert!(refused.to_string().contains("no thread may run on CPU 1023"), "{refused}");
}
