// SPDX-License-Identifier: MIT OR Apache-2.0
//! psref-lab, as a shell sees it.
#![cfg(feature = "cli")]

use std::path::PathBuf;
use std::process::{Command, Output};

fn lab(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_psref-lab")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const SHORT: [&str; 6] = ["--seconds", "0.02", "--rounds", "1", "--threads", "1,2"];

#[test]
fn compare_prints_a_line_for_each_strategy_and_number_of_threads() {
    let output = lab(&[&["compare", "-s", "psref,lock", "--destroy-rate", "1000"], &SHORT[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = text(&output.stdout);
    assert_eq!(lines.lines().filter(|line| line.contains("yes |")).count(), 4, "{lines}");
    assert!(output.stderr.is_empty(), "no progress where there is no terminal: {}", text(&output.stderr));
}

#[test]
fn json_goes_to_a_file_beside_the_table_or_alone_to_standard_output() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pool.json");
    let output = lab(&[&["pool", "-s", "freelist", "--json", path.to_str().unwrap()], &SHORT[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("freelist"));
    let in_file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let output = lab(&[&["pool", "-s", "freelist", "--json", "-"], &SHORT[..]].concat());
    let alone: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for report in [in_file, alone] {
        assert_eq!(report["records"].as_array().unwrap().len(), 2);
        assert_eq!(report["config"]["kind"], "pool");
    }
}

#[test]
fn strategies_are_listed() {
    let output = lab(&["strategies"]);
    assert_eq!(output.status.code(), Some(0));
    let lines = text(&output.stdout);
    for strategy in psref_bench::strategies() {
        assert!(lines.contains(strategy.name) && lines.contains(strategy.says), "{lines}");
    }
}

#[test]
fn bad_usage_ends_with_two_and_a_reason() {
    for (arguments, words) in [
        (&["compare", "-s", "spinlock"][..], "strategies[0]: saw \"spinlock\""),
        (&["compare", "--threads", "0"], "threads[0]: saw 0"),
        (&["compare", "--threads=-1"], "-1"),
        (&["compare", "--placement", "dense"], "expected one of `compact`, `spread`, `free`"),
        (&["pool", "--keys", "3"], "--keys"),
        (&[], "Usage"),
    ] {
        let output = lab(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).contains(words), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_run() {
    let output = lab(&["compare", "--seconds", "3600", "--json", "/nonexistent/report.json"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("/nonexistent/report.json"));
}
