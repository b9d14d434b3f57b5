// SPDX-License-Identifier: MIT OR Apache-2.0
//! Object pools as the core has them beside the oracle; ffi/tests/oracle_objpool.rs has the C names.

mod common;
#[path = "common/oracle/pool.rs"]
mod pool;
#[path = "common/stock.rs"]
mod stock;
#[path = "common/worker.rs"]
mod worker;

#[test]
fn random_operations_agree_with_the_oracle() {
    pool::agree::<stock::Raw>();
}

#[test]
#[cfg_attr(miri, ignore = "shows nothing about the library")]
fn every_mutant_of_the_oracle_differs() {
    pool::mutants_differ::<stock::Raw>();
}
