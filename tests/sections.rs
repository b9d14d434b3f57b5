// SPDX-License-Identifier: MIT OR Apache-2.0
//! A thread held between the guard test and the commit of a section while a drain runs. With the membarrier it is restarted
//! and refused; without it, or with one that restarts nothing, or with the section disarmed, it gets a hold after the drain
//! has returned: the tests plant each of these and demand to see it.
#![cfg(feature = "inject")]

mod common;

use common::{Spread, Thing, backend_is_rseq, hooks, until};
use psref::inject::{self, Barrier, Site};
use psref::psref::raw::Hold;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Whether a thread stopped inside its section came out of it with a hold, although a drain had returned meanwhile.
fn drain_overtaken(site: Site) -> bool {
    let mut holds = Spread::new(64);
    let thing = Thing::new();
    let taken = match site {
        Site::HomeGuarded | Site::HomeFree | Site::HomeCommit => 0,
        Site::NeighboursGuarded | Site::NeighboursFree | Site::NeighboursCommit => 1,
        _ => 32,
    };
    // Another target takes the slots in the way on the thread's CPU. The drain runs on another one: on the same CPU every look
    // at the thread would preempt it.
    let [cpu, elsewhere, ..] = common::cpus()[..] else { panic!("needs two CPUs") };
    common::pin(elsewhere);
    let other = thing.sibling();
    let ready = std::sync::Barrier::new(2);
    let returned = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (thing, other, holds, ready, returned) = (&thing, &other, &mut holds, &ready, &returned);
        let worker = scope.spawn(move || {
            common::pin(cpu);
            // A thread's first use takes the slow path; after it the gate is shut. These holds of one thread have one home.
            for i in 0..=taken {
                assert!(other.acquire(holds.hold(1 + i, 7)));
            }
            other.release(holds.hold(1 + taken, 7));
            ready.wait();
            ready.wait();
            let got = thing.acquire(holds.hold(0, 7));
            // A preemption before the drain began restarts the section too, and then the hold is a good one, which the drain
            // waits for. The gate opens only after it has returned.
            let overtaken = got && returned.load(SeqCst);
            if got {
                thing.release(holds.hold(0, 7));
            }
            for i in 0..taken {
                other.release(holds.hold(1 + i, 7));
            }
            overtaken
        });
        ready.wait();
        let before = inject::waiting_at_gate();
        inject::shut_gate(site);
        ready.wait();
        until("the thread to come to the gate", || inject::waiting_at_gate() > before);
        thing.drain();
        returned.store(true, SeqCst);
        inject::open_gate();
        worker.join().unwrap()
    })
}

/// Each section's last step before its commit.
const SITES: [Site; 3] = [Site::HomeCommit, Site::NeighboursCommit, Site::SlowCommit];

fn can_run() -> bool {
    if common::cpus().len() < 2 {
        eprintln!("skipped: a drain must run beside the section, and there is one CPU");
        return false;
    }
    backend_is_rseq()
}

fn never_overtaken() {
    for site in SITES {
        for round in 0..20 {
            assert!(!drain_overtaken(site), "{site:?}, round {round}: a hold began after the drain had returned");
        }
    }
}

/// A preemption restarts the section too, so not every round shows the bug; some round must.
fn some_round_overtaken(bug: &str) {
    for site in SITES {
        assert!((0..200).any(|_| drain_overtaken(site)), "{site:?}: {bug} was not noticed");
    }
}

#[test]
fn a_drain_restarts_a_section_between_guard_and_commit() {
    let _hooks = hooks();
    if can_run() {
        never_overtaken();
    }
}

#[test]
fn the_walk_over_the_cpus_restarts_it_too() {
    let _hooks = hooks();
    if can_run() {
        inject::set_barrier(Barrier::Refused);
        never_overtaken();
    }
}

#[test]
fn without_membarrier_the_hold_begins_after_the_drain() {
    let _hooks = hooks();
    if can_run() {
        inject::set_barrier(Barrier::None);
        some_round_overtaken("a missing membarrier");
    }
}

#[test]
fn without_restart_the_hold_begins_after_the_drain() {
    let _hooks = hooks();
    if can_run() {
        inject::set_barrier(Barrier::WithoutRestart);
        some_round_overtaken("a membarrier without restart");
    }
}

#[test]
fn in_a_disarmed_section_the_hold_begins_after_the_drain() {
    let _hooks = hooks();
    if can_run() {
        inject::arm_sections(false);
        some_round_overtaken("a disarmed section");
    }
}

/// The hold that a scan has still to come to is copied to a slot it has passed, and released (R18).
fn drain_returns_before_the_copy_is_released() -> bool {
    let mut holds = Spread::new(4);
    let thing = Thing::new();
    let cpu = common::cpus()[0];
    let first = (cpu * 32) as u64;
    inject::stop_scan_before(first + 16);
    let early = std::thread::scope(|scope| {
        common::pin(cpu);
        let (high, low) = (holds.own(&thing, 24), holds.own(&thing, 4));
        assert!(thing.acquire(holds.hold(0, high)));
        let (drained, done) = std::sync::mpsc::channel();
        let drainer = &thing;
        scope.spawn(move || {
            drainer.drain();
            drained.send(()).unwrap();
        });
        until("the scan to come to its stop", inject::scan_stopped);
        let mut original = std::mem::replace(holds.hold(0, high), Hold::EMPTY);
        thing.copy(holds.hold(1, low), &original);
        thing.release(&mut original);
        inject::let_scan_go();
        let early = done.recv_timeout(std::time::Duration::from_millis(200)).is_ok();
        thing.release(holds.hold(1, low));
        if !early {
            done.recv().unwrap();
        }
        early
    });
    thing.end();
    early
}

#[test]
fn a_copy_behind_the_scan_is_found() {
    let _hooks = hooks();
    if backend_is_rseq() {
        assert!(!drain_returns_before_the_copy_is_released());
    }
}

#[test]
fn without_the_copy_sequence_it_is_not() {
    let _hooks = hooks();
    if backend_is_rseq() {
        inject::ignore_copies(true);
        assert!(drain_returns_before_the_copy_is_released());
    }
}
