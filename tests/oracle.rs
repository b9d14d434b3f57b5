// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passive references in Rust beside the oracle; ffi/tests/oracle.rs has the C names.

#[path = "common/oracle/holds.rs"]
mod holds;
#[path = "common/worker.rs"]
mod worker;

use holds::Face;
use psref::{Class, Guard, Patience, Target};
use std::sync::Arc;
use std::time::Duration;

struct Rust;

impl Face for Rust {
    type Class = Class;
    type Target = Target<u64>;
    type Hold = Guard<u64>;

    fn class() -> Class {
        Class::new("oracle").unwrap()
    }

    fn target(class: &Class, value: u64) -> Target<u64> {
        Target::new(class, value)
    }

    fn acquire(target: &Arc<Target<u64>>) -> Option<Guard<u64>> {
        target.acquire().ok()
    }

    fn copy(hold: &Guard<u64>) -> Guard<u64> {
        hold.clone()
    }

    fn value(hold: &Guard<u64>) -> u64 {
        **hold
    }

    fn is_held_here(target: &Target<u64>) -> bool {
        target.is_held_here()
    }

    fn try_drain(target: &Target<u64>) -> bool {
        target.drain_within(Patience::at_most(Duration::ZERO)).is_ok()
    }

    fn drain(target: &Target<u64>) {
        target.drain();
    }

    fn into_inner(target: Target<u64>) -> u64 {
        target.into_inner()
    }
}

#[test]
fn random_operations_agree_with_the_oracle() {
    holds::agree::<Rust>();
}

#[test]
#[cfg_attr(miri, ignore = "shows nothing about the library")]
fn every_mutant_of_the_oracle_differs() {
    holds::mutants_differ::<Rust>();
}
