// SPDX-License-Identifier: MIT OR Apache-2.0
//! Experiments as who calls the library sees them.

use psref_bench::{Config, Error, Kind, Placement, Record, Report, run, strategies};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

/// Short rounds in which much is destroyed.
fn lookups() -> Config {
    Config { threads: vec![2], seconds: 0.06, rounds: 2, keys: 16, destroy_rate: 20_000.0, ..Config::default() }
}

fn pools() -> Config {
    Config { kind: Kind::Pool, threads: vec![2], seconds: 0.03, rounds: 2, objects: 64, burst: 3, ..Config::default() }
}

fn finish(config: &Config) -> Report {
    run(config, &mut |_| true).unwrap()
}

/// Runs, longer each time, until there is something to judge: what a busy machine gives to whom in a short time is not certain.
fn until(config: Config, enough: impl Fn(&Report) -> bool) -> Report {
    let seconds = (0..10).map(|n| config.seconds * f64::from(1 << n));
    let mut reports = seconds.map(|seconds| finish(&Config { seconds, ..config.clone() }));
    reports.find(enough).expect("enough happened in one of the runs")
}

#[track_caller]
fn all_safe_and_busy(report: &Report) {
    for record in &report.records {
        let (strategy, threads) = (&record.strategy, record.threads);
        assert!(
            record.safe && record.violations == 0,
            "{strategy}, {threads} threads: {} violations",
            record.violations
        );
        assert!(record.ops_per_s > 0.0, "{strategy}, {threads} threads did nothing: {record:?}");
    }
}

fn names(kind: Kind) -> Vec<&'static str> {
    strategies().iter().filter(|strategy| strategy.kind == kind).map(|strategy| strategy.name).collect()
}

#[test]
fn every_strategy_has_its_name() {
    let lookups = ["serial", "lock", "hashed", "atomic", "rwlock", "pserialize", "psref", "localcount"];
    assert_eq!(names(Kind::Lookup), lookups);
    assert_eq!(names(Kind::Pool), ["objpool", "ring", "malloc", "freelist", "arrayqueue"]);
}

#[test]
fn every_strategy_keeps_what_it_holds_while_objects_are_destroyed() {
    let destroyed = |report: &Report| report.records.iter().all(|record| record.destroys > 0);
    let report = until(lookups(), destroyed);
    assert_eq!(report.records.iter().map(|record| record.strategy.as_str()).collect::<Vec<_>>(), names(Kind::Lookup));
    all_safe_and_busy(&report);
    for record in &report.records {
        assert!(record.destroy_ns.is_some_and(|times| times.p50 <= times.max), "{record:?}");
    }
}

#[test]
fn every_strategy_keeps_what_it_holds_for_long() {
    all_safe_and_busy(&finish(&Config { hold_ns: 20_000, keys: 2, ..lookups() }));
}

#[test]
fn every_strategy_keeps_what_more_threads_than_cpus_hold() {
    all_safe_and_busy(&finish(&Config { threads: vec![9], placement: Placement::Free, zipf: 1.1, ..lookups() }));
}

#[test]
fn every_pool_gives_an_object_to_one_owner() {
    all_safe_and_busy(&finish(&pools()));
}

#[test]
fn every_pool_keeps_its_objects_where_they_are_scarce_and_threads_many() {
    let misses = |record: &Record| record.samples.iter().map(|sample| sample.misses).sum::<u64>();
    let scarce = Config { threads: vec![9], objects: 8, placement: Placement::Spread, ..pools() };
    all_safe_and_busy(&until(scarce, |report| report.records.iter().any(|record| misses(record) > 0)));
}

#[test]
fn one_object_and_one_key_will_do() {
    all_safe_and_busy(&finish(&Config { keys: 1, ..lookups() }));
    all_safe_and_busy(&finish(&Config { objects: 1, burst: 1, object_size: 8, ..pools() }));
}

#[test]
fn nothing_is_destroyed_where_nothing_is_to_be() {
    let report = finish(&Config { destroy_rate: 0.0, ..lookups() });
    assert!(report.records.iter().all(|record| record.destroys == 0 && record.destroy_ns.is_none()));
}

#[test]
fn records_come_in_the_order_of_the_configuration_and_add_up() {
    let strategies = vec!["psref".to_owned(), "lock".to_owned()];
    let report = finish(&Config { strategies, threads: vec![2, 1], rounds: 3, ..lookups() });
    let order: Vec<_> = report.records.iter().map(|record| (record.strategy.as_str(), record.threads)).collect();
    assert_eq!(order, [("psref", 2), ("psref", 1), ("lock", 2), ("lock", 1)]);
    for record in &report.records {
        assert_eq!(record.samples.iter().map(|sample| sample.round).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(record.ops_low <= record.ops_per_s && record.ops_per_s <= record.ops_high);
        assert_eq!(record.destroys, record.samples.iter().map(|sample| sample.destroys).sum::<u64>());
        for sample in &record.samples {
            assert_eq!(sample.thread_ops.len(), record.threads);
            assert_eq!(sample.ops, sample.thread_ops.iter().sum::<u64>());
        }
    }
}

#[test]
fn the_names_in_json_are_these() {
    fn keys(value: &Value) -> BTreeSet<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }
    let config = Config { strategies: vec!["psref".into()], ..lookups() };
    let report = until(config.clone(), |report| report.records[0].destroys > 0);
    let (config, report) = (Config { seconds: report.config.seconds, ..config }, serde_json::to_value(report).unwrap());
    assert_eq!(keys(&report), BTreeSet::from(["schema", "machine", "config", "records"]));
    assert_eq!(report["schema"], 1);
    let machine = ["cpu_model", "cpus", "allowed", "nodes", "kernel", "backend", "why_not_rseq", "version", "date"];
    assert_eq!(keys(&report["machine"]), BTreeSet::from(machine));
    let record = &report["records"][0];
    let names = "strategy threads ops_per_s ops_per_s_per_thread ops_low ops_high lookup_ns destroy_ns destroys \
                 destroys_per_s memory safe violations rounds seconds samples";
    assert_eq!(keys(record), names.split_whitespace().collect());
    assert_eq!(keys(&record["lookup_ns"]), BTreeSet::from(["p50", "p90", "p99", "p999", "max"]));
    assert_eq!(keys(&record["destroy_ns"]), keys(&record["lookup_ns"]));
    assert_eq!(keys(&record["memory"]), BTreeSet::from(["bytes_per_object", "bytes_per_hold", "bytes_per_cpu"]));
    // What was run is told whole, and can be run again.
    let again = Config::from_json(&report["config"].to_string()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn a_run_stops_when_it_is_told_to() {
    let config = Config { seconds: 3600.0, ..lookups() };
    assert_eq!(run(&config, &mut |_| false), Err(Error::Stopped));
    let mut calls = 0;
    let answer = run(&config, &mut |progress| {
        assert!((0.0..=1.0).contains(&progress.done));
        calls += 1;
        calls < 4
    });
    assert_eq!((answer, calls), (Err(Error::Stopped), 4));
}

#[test]
fn a_panic_of_the_callback_comes_back_to_the_caller() {
    let run = std::panic::catch_unwind(|| run(&Config { seconds: 3600.0, ..lookups() }, &mut |_| panic!("enough")));
    assert_eq!(run.unwrap_err().downcast_ref::<&str>(), Some(&"enough"));
}

#[test]
fn progress_goes_forward() {
    let mut last = 0.0;
    let config = Config { seconds: 0.3, strategies: vec!["psref".into(), "lock".into()], ..lookups() };
    let report = run(&config, &mut |progress| {
        assert!(progress.done >= last, "{progress:?} after {last}");
        last = progress.done;
        true
    });
    assert!(report.is_ok() && last > 0.5, "{last}");
}

#[track_caller]
fn refuses(config: Value, words: &str) {
    let refused = Config::from_json(&config.to_string()).unwrap_err();
    assert!(matches!(refused, Error::Config(_)), "{refused:?}");
    assert!(refused.to_string().contains(words), "{config}: \"{refused}\" does not say \"{words}\"");
}

#[test]
fn a_bad_configuration_is_told_by_field_by_what_was_seen_and_by_what_is_allowed() {
    refuses(json!({"threads": [2, -1]}), "threads[1]: saw -1, allowed is a whole number from 1 to 1024");
    refuses(json!({"threads": [0]}), "threads[0]: saw 0, allowed is a whole number from 1 to 1024");
    refuses(json!({"threads": [1.5]}), "threads[0]: saw 1.5, allowed is a whole number from 1 to 1024");
    refuses(
        json!({"threads": ["two"]}),
        "threads[0]: invalid type: string \"two\", expected a whole number from 1 to 1024",
    );
    refuses(json!({"threads": [2, 1, 2]}), "threads[2]: saw 2 again, allowed is each once");
    refuses(
        json!({"strategies": ["psref", "spinlock"]}),
        "strategies[1]: saw \"spinlock\", allowed is for kind \"lookup\" one of serial, lock, ",
    );
    refuses(
        json!({"strategies": ["objpool"]}),
        "strategies[0]: saw \"objpool\", allowed is for kind \"lookup\" one of serial, lock, ",
    );
    refuses(json!({"kind": "pool", "strategies": ["psref"]}), "for kind \"pool\" one of objpool, ring, ");
    refuses(json!({"strategies": ["psref", "psref"]}), "strategies[1]: saw \"psref\" again");
    refuses(json!({"second": 1}), "unknown field `second`, expected one of `kind`, `strategies`, `threads`, `seconds`");
    refuses(json!({"seconds": 0}), "seconds: saw 0, allowed is a number from 0.001 to 86400");
    refuses(json!({"zipf": -0.5}), "zipf: saw -0.5, allowed is a number from 0 to 10");
    refuses(json!({"destroy_rate": 1e9}), "destroy_rate: saw 1000000000, allowed is a number from 0 to 1000000");
    refuses(json!({"hold_ns": -5}), "hold_ns: saw -5, allowed is a whole number from 0 to 100000000");
    refuses(json!({"keys": 0}), "keys: saw 0, allowed is a whole number from 1 to ");
    refuses(json!({"rounds": 0}), "rounds: saw 0");
    refuses(
        json!({"placement": "dense"}),
        "placement: unknown variant `dense`, expected one of `compact`, `spread`, `free`",
    );
    refuses(json!({"kind": "queue"}), "kind: unknown variant `queue`, expected `lookup` or `pool`");
    refuses(json!({"object_size": 4}), "object_size: saw 4, allowed is a whole number from 8 to ");
    refuses(json!({"objects": 4, "burst": 5}), "burst: saw 5, allowed is a whole number from 1 to 4");
    refuses(
        json!({"objects": 1_000_000, "object_size": 65_536}),
        "object_size: saw 65536000000 bytes with 1000000 objects",
    );
    refuses(json!(["lookup"]), "configuration: saw [\"lookup\"], allowed is an object");
    let refused = Config::from_json("{} {}").unwrap_err();
    assert!(refused.to_string().contains("not JSON: trailing"), "{refused}");
}

#[test]
fn a_configuration_made_in_rust_is_checked_before_anything_runs() {
    for (config, words) in [
        (Config { seconds: f64::NAN, ..lookups() }, "seconds: saw NaN"),
        (Config { threads: vec![1025], ..lookups() }, "threads[0]: saw 1025"),
        (Config { keys: usize::MAX, ..lookups() }, "keys: saw"),
        (Config { object_size: usize::MAX, ..pools() }, "object_size: saw"),
    ] {
        let refused = run(&config, &mut |_| panic!("it ran")).unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

const CHILD: &str = "PSREF_BENCH_CHILD";

/// The back end is chosen once a process: the child of the test below is a process of its own.
#[test]
fn all_is_safe_by_atomics_too() {
    if std::env::var_os(CHILD).is_some() {
        for config in [lookups(), pools()] {
            let report = finish(&config);
            all_safe_and_busy(&report);
            assert_eq!(report.machine.backend, "atomic");
            assert!(report.machine.why_not_rseq.is_some());
        }
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let child = child.args(["--exact", "all_is_safe_by_atomics_too"]).env(CHILD, "1").env("PSREF_BACKEND", "atomic");
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
