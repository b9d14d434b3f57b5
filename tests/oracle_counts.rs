// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts, gates and read sections in Rust beside the oracle; ffi/tests/oracle_counts.rs has the C names.

#[path = "common/asleep.rs"]
mod asleep;
#[path = "common/oracle/sequences.rs"]
mod sequences;
#[path = "common/worker.rs"]
mod worker;

use psref::{
    Closed, CountGuard, Gate, GaveUp, InReadSection, LocalCount, Pass, Patience, Pserialize, ReadSection, Refusal,
};
use sequences::face::Face;
use std::cell::RefCell;
use std::time::Duration;

struct Rust;

fn patience(now: bool) -> Patience {
    if now { Patience::at_most(Duration::ZERO) } else { Patience::FOREVER }
}

impl Face for Rust {
    const IS_C: bool = false;
    type Count = LocalCount<u64>;
    type Hold = CountGuard<u64>;
    type Gate = Gate;
    type Pass = Pass<'static>;
    type Closer = Closed<'static>;
    type Psz = Pserialize;
    type Section = ReadSection;

    fn count(value: u64) -> LocalCount<u64> {
        LocalCount::new(value).unwrap()
    }

    fn acquire(count: &LocalCount<u64>) -> Option<CountGuard<u64>> {
        count.acquire().ok()
    }

    fn clone(hold: &CountGuard<u64>) -> Option<CountGuard<u64>> {
        Some(hold.clone())
    }

    fn value(hold: &CountGuard<u64>) -> u64 {
        **hold
    }

    fn drain_now(count: &LocalCount<u64>) -> bool {
        count.drain_within(patience(true)).is_ok()
    }

    fn drain(count: &LocalCount<u64>) {
        count.drain();
    }

    fn try_drain(count: &mut LocalCount<u64>) -> bool {
        count.try_drain()
    }

    fn into_inner(count: LocalCount<u64>) -> u64 {
        count.into_inner()
    }

    fn gate() -> Gate {
        Gate::new().unwrap()
    }

    fn enter(gate: &'static Gate) -> Pass<'static> {
        gate.enter()
    }

    fn pass(gate: &'static Gate, now: bool) -> Result<Pass<'static>, Refusal> {
        gate.acquire(patience(now))
    }

    fn close(gate: &'static Gate) -> Result<Closed<'static>, Refusal> {
        gate.close("oracle")
    }

    fn seal(closer: Closed<'static>) -> bool {
        closer.seal_within(patience(true)).is_ok()
    }

    fn wait_sealed(gate: &'static Gate) -> bool {
        gate.wait_within(Patience::FOREVER).is_ok()
    }

    fn section() -> ReadSection {
        ReadSection::enter()
    }

    fn is_reading() -> bool {
        ReadSection::is_open_here()
    }

    fn psz() -> Pserialize {
        Pserialize::new().unwrap()
    }

    fn perform(psz: &Pserialize, now: bool) -> Result<Result<(), GaveUp>, InReadSection> {
        psz.perform_within(patience(now))
    }

    fn sections() -> &'static std::thread::LocalKey<RefCell<Vec<ReadSection>>> {
        thread_local! {
            static READING: RefCell<Vec<ReadSection>> = const { RefCell::new(Vec::new()) };
        }
        &READING
    }
}

#[test]
#[cfg_attr(miri, ignore = "asks the system whether threads sleep")]
fn random_operations_agree_with_the_oracle() {
    sequences::agree::<Rust>();
}

#[test]
#[cfg_attr(miri, ignore = "shows nothing about the library")]
fn every_mutant_of_the_oracle_differs() {
    sequences::mutants_differ::<Rust>();
}

#[test]
#[cfg_attr(miri, ignore = "runs a process")]
fn they_agree_on_the_atomics_back_end() {
    asleep::again_with_atomics("they_agree");
}
