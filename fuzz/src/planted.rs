// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bugs in the library that the targets must find: `PSREF_PLANT` in the environment names one.

#[cfg(not(feature = "planted"))]
pub fn plant() {}

#[cfg(feature = "planted")]
pub fn plant() {
    use psref::inject::{Bug, plant};
    let Ok(name) = std::env::var("PSREF_PLANT") else { return };
    plant(match name.as_str() {
        "first-name-kept" => &[Bug::FirstNameKept],
        "cells-not-closed" => &[Bug::CellsNotClosed],
        "silent-exit" => &[Bug::SilentExit],
        "joins-under-way" => &[Bug::JoinsUnderWay],
        "silent-leave" => &[Bug::SilentLeave],
        "silent-seal" => &[Bug::SilentSeal],
        "no-help" => &[Bug::NoHelp],
        "readers-ignored" => &[Bug::ReadersIgnored],
        "holders-ignored" => &[Bug::HoldersIgnored],
        other => panic!("no bug is called {other}"),
    });
}
