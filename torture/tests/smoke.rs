// SPDX-License-Identifier: MIT OR Apache-2.0
//! The short form: every primitive with all faults for a moment, and one planted bug. `make torture` and `torture --planted` are
//! the long ones.

use std::process::{Command, Output};

fn torture(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_psref-torture")).args(arguments).output().expect("the program")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn survives(primitive: &str, back_end: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_psref-torture"))
        .args(["--secs", "2", "--seed", "7", primitive])
        .env("PSREF_BACKEND", back_end)
        .output()
        .expect("the program");
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("seed 7") && said.contains("95 % bound"), "{said}");
}

#[test]
fn psref_survives() {
    survives("psref", "auto");
}

#[test]
fn localcount_survives() {
    survives("localcount", "auto");
}

#[test]
fn pserialize_survives() {
    survives("pserialize", "auto");
}

#[test]
fn gate_survives() {
    survives("gate", "auto");
}

#[test]
fn objpool_survives() {
    survives("objpool", "auto");
}

#[test]
fn retire_survives() {
    survives("retire", "auto");
}

#[test]
fn all_at_once_survive_on_the_atomics_back_end() {
    survives("all", "atomic");
}

#[test]
fn a_bad_command_line_is_refused() {
    for arguments in [&["--secs", "0"][..], &["--faults", "rain"], &["toaster"], &["--threads", "many"]] {
        let output = torture(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
    }
}

#[cfg(feature = "inject")]
#[test]
fn a_planted_bug_is_caught() {
    // Caught within a second where there are sections; there are none everywhere.
    let output = torture(&["--planted", "--only", "disarmed-Objpool", "--secs", "20"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("caught in") || said.contains("skipped"), "{said}");
}

#[cfg(not(feature = "inject"))]
#[test]
fn a_build_without_bugs_says_so() {
    for arguments in [&["--planted"][..], &["--faults", "delays"]] {
        let output = torture(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains("inject"), "{}", said(&output));
    }
}

#[test]
fn an_interrupt_ends_it_early_with_the_table() {
    let program = Command::new(env!("CARGO_BIN_EXE_psref-torture"))
        .args(["--secs", "600", "--faults", "none", "pserialize"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program");
    let pid = program.id();
    // It says its seed once it forwards interrupts.
    let mut program = program;
    let mut first = String::new();
    let mut lines = std::io::BufReader::new(program.stderr.take().expect("a pipe"));
    std::io::BufRead::read_line(&mut lines, &mut first).expect("its seed");
    // SAFETY: our own child.
    unsafe { libc::kill(pid.cast_signed(), libc::SIGINT) };
    let output = program.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("seconds"), "{}", said(&output));
}
