// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thread held between the guard test and the commit of a push or pop while another recalls its magazine and empties it. With
//! the membarrier it is restarted; without it, or with one that restarts nothing, or with the section disarmed, its late commit
//! brings back objects that somebody else has: the tests plant each of these and demand to see it.
#![cfg(feature = "inject")]

mod common;
#[path = "common/stock.rs"]
mod stock;

use common::{backend_is_rseq, hooks, until};
use psref::inject::{self, Barrier, Site};
use stock::{Hands, Object, Stock};

const OBJECTS: usize = 32;
/// What lies in the magazine that is recalled; every magazine holds more.
const IN_MAGAZINE: usize = 5;

/// What a thread does at a site; it has a few objects in hands, and answers what it has afterwards.
fn act(site: Site, stock: &Stock, hands: &mut Vec<Object>) {
    match site {
        Site::PopGuarded | Site::PopCommit => hands.extend(stock.pop()),
        Site::PushGuarded | Site::PushCommit => stock.push(hands.pop().unwrap()),
        // An odd number and an even one: the copies differ.
        Site::BulkPopGuarded | Site::BulkPopCommit => hands.extend(stock.pop_bulk_slowly(3)),
        Site::FastBulkPopGuarded | Site::FastBulkPopCommit => hands.extend(stock.pop_bulk(3)),
        Site::BulkPushGuarded | Site::BulkPushCommit => stock.push_bulk_slowly(&hands.split_off(hands.len() - 2)),
        Site::FastBulkPushGuarded | Site::FastBulkPushCommit => stock.push_bulk(&hands.split_off(hands.len() - 2)),
        _ => unreachable!("a site of another primitive"),
    }
}

/// Stops a thread at `site` with objects in its CPU's magazine, and takes up to `take` of them away meanwhile. Whether, at the
/// end, any object is missing or there twice.
fn goes_astray(site: Site, take: usize) -> bool {
    let [cpu, elsewhere, ..] = common::cpus()[..] else { panic!("needs two CPUs") };
    let stock = Stock::new(OBJECTS);
    let ready = std::sync::Barrier::new(2);
    common::pin(elsewhere);
    let (mut got, all) = std::thread::scope(|scope| {
        let (stock, ready) = (&stock, &ready);
        let worker = scope.spawn(move || {
            common::pin(cpu);
            let mut hands = stock.pop_all();
            let all = Hands(hands.clone());
            assert_eq!(hands.len(), OBJECTS);
            hands.split_off(OBJECTS - IN_MAGAZINE).into_iter().for_each(|object| stock.push(object));
            ready.wait();
            ready.wait();
            act(site, stock, &mut hands);
            (Hands(hands), all)
        });
        ready.wait();
        let before = inject::waiting_at_gate();
        inject::shut_gate(site);
        // This thread must not come to the gate itself: it has no sections until it is open.
        inject::limit_cpus(Some(elsewhere as u64));
        ready.wait();
        until("the thread to come to the gate", || inject::waiting_at_gate() > before);
        let mut got = Vec::new();
        while got.len() < take
            && let Some(object) = stock.pop_slowly()
        {
            got.push(object);
        }
        inject::open_gate();
        let (Hands(theirs), Hands(all)) = worker.join().unwrap();
        inject::limit_cpus(None);
        got.extend(theirs);
        (got, all)
    });
    got.extend(stock.pop_all());
    let sorted = |mut objects: Vec<Object>| {
        objects.sort();
        objects
    };
    sorted(got) != sorted(all)
}

/// Where a late commit shows: each section's last step before it.
const LATE: [Site; 6] = [
    Site::PopCommit,
    Site::PushCommit,
    Site::BulkPopCommit,
    Site::BulkPushCommit,
    Site::FastBulkPopCommit,
    Site::FastBulkPushCommit,
];
const EARLY: [Site; 6] = [
    Site::PopGuarded,
    Site::PushGuarded,
    Site::BulkPopGuarded,
    Site::BulkPushGuarded,
    Site::FastBulkPopGuarded,
    Site::FastBulkPushGuarded,
];

fn can_run() -> bool {
    if common::cpus().len() < 2 {
        eprintln!("skipped: a recall must run beside the section, and there is one CPU");
        return false;
    }
    backend_is_rseq()
}

fn never_astray(rounds: usize) {
    for site in LATE.into_iter().chain(EARLY) {
        for round in 0..rounds {
            for take in [1, IN_MAGAZINE - 1, OBJECTS] {
                assert!(!goes_astray(site, take), "{site:?}, round {round}: an object is lost, or there twice");
            }
        }
    }
}

/// A preemption restarts the section too, so not every round shows the bug; some round must.
fn some_round_astray(bug: &str) {
    for site in LATE {
        assert!((0..200).any(|_| goes_astray(site, OBJECTS)), "{site:?}: {bug} was not noticed");
    }
}

#[test]
fn a_recall_restarts_a_section_between_guard_and_commit() {
    let _hooks = hooks();
    if can_run() {
        never_astray(10);
    }
}

#[test]
fn the_walk_over_the_cpus_restarts_it_too() {
    let _hooks = hooks();
    if can_run() {
        inject::set_barrier(Barrier::Refused);
        never_astray(3);
    }
}

#[test]
fn without_membarrier_objects_are_there_twice() {
    let _hooks = hooks();
    if can_run() {
        inject::set_barrier(Barrier::None);
        some_round_astray("a missing membarrier");
    }
}

#[test]
fn without_restart_objects_are_there_twice() {
    let _hooks = hooks();
    if can_run() {
        inject::set_barrier(Barrier::WithoutRestart);
        some_round_astray("a membarrier without restart");
    }
}

#[test]
fn from_a_disarmed_section_objects_are_there_twice() {
    let _hooks = hooks();
    if can_run() {
        inject::arm_sections(false);
        some_round_astray("a disarmed section");
    }
}
