// SPDX-License-Identifier: MIT OR Apache-2.0
//! The laboratory of psref: every way of holding onto things that the talk *How to hold onto things in a multiprocessor world*
//! (T. Campbell, AsiaBSDCon 2017) compares, and pools beside each other, measured in one run of many short rounds.
//!
//! Use [`run`] with a [`Config`]; [`strategies`] tells what there is. The program `psref-lab` does the same from a shell, Python's
//! `psref.experiment` from a notebook. To compare psref's fast paths with a function call, or with other libraries, use
//! the C benchmark beside this crate (`bench/run.sh`).
//!
//! E1. Nothing is static and nothing is printed; what a run starts has ended when it returns.
//! E2. All strategies get the same keys, the same table and objects on cache lines of their own; only the protection differs.
//! E3. Every operation checks that what it held stayed what it was; a [`Record`] says so.

mod catalogue;
mod config;
mod crew;
mod error;
mod keys;
mod machine;
mod place;
mod pool;
mod report;
mod run;
mod summary;
mod table;
#[cfg(test)]
mod tests;

pub use catalogue::{Description, Kind, strategies};
pub use config::{Config, Placement};
pub use error::Error;
pub use report::{Machine, Memory, Percentiles, Record, Report, Sample};
pub use run::{Progress, run};
