// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was wrong with the gates of 2009 and must not be wrong here: a close and a seal between a thread's look at the gate and
//! its entering, a sum that misses whoever moves meanwhile, an exit that wakes nobody. Each with the membarrier or the sections
//! taken away, where the same test must see it.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;

use common::{hooks, until};
use counting::{Device, can_stop_sections, in_the_middle_of, long, no_time, on, short, side_by_side, stopped_at};
use psref::inject::{self, Barrier, Site};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The steps after the look at the gate, of the exported fast path and of the one that Rust calls.
const SITES: [Site; 4] = [Site::CountGuarded, Site::CountCommit, Site::SlowCountGuarded, Site::SlowCountCommit];

fn is_fast(site: Site) -> bool {
    matches!(site, Site::CountGuarded | Site::CountCommit)
}

fn warm(device: &Device) {
    device.enter();
    device.exit();
}

/// Whether a thread that looked at the gate and was stopped is inside after the seal. (The fast path is the C name's alone.)
fn acquired_after_the_seal(site: Site) -> bool {
    let device = Device::new();
    let sealed = AtomicBool::new(false);
    let acquire = || {
        let got = device.acquire();
        let overtaken = got && sealed.load(SeqCst);
        if got && !overtaken {
            device.exit();
        }
        overtaken
    };
    let (overtaken, waited) = stopped_at(
        site,
        || warm(&device),
        acquire,
        || {
            let closed = device.close();
            let waited = device.seal_within(closed, long());
            sealed.store(true, SeqCst);
            waited
        },
    );
    assert_eq!(waited, Ok(()), "{site:?}: nobody is inside, and the seal waits");
    device.abandon();
    overtaken
}

/// Whether a handler that looked at the gate and was stopped is inside, and the seal has not waited for it. (One that enters after
/// the seal does so because its owner has not unhooked it in time: R21.)
fn entered_unseen(site: Site) -> bool {
    let device = Device::new();
    let (entered, leave) = (AtomicBool::new(false), AtomicBool::new(false));
    let pass = || {
        if is_fast(site) {
            device.enter()
        } else {
            device.enter_slowly()
        }
        entered.store(true, SeqCst);
        until("the time to leave", || leave.load(SeqCst));
        device.exit();
    };
    let (_, unseen) = stopped_at(
        site,
        || warm(&device),
        pass,
        || {
            let closed = device.close();
            inject::open_gate();
            until("the handler to be inside", || entered.load(SeqCst));
            let unseen = device.seal_within(closed, short()).is_ok();
            leave.store(true, SeqCst);
            unseen
        },
    );
    if unseen {
        device.abandon();
    } else {
        assert_eq!(device.wait_within(no_time()), Ok(()), "{site:?}: everybody has left");
        device.end();
    }
    unseen
}

/// Whether an exit that was stopped on its way was missed: nobody is inside, and the seal waits.
fn exit_lost(site: Site) -> bool {
    let device = Device::new();
    let exit = || if is_fast(site) { device.exit() } else { device.exit_slowly() };
    // No time, or something else runs on the thread's CPU meanwhile and restarts it.
    let (_, waited) = stopped_at(
        site,
        || device.enter(),
        exit,
        || {
            let closed = device.close();
            device.seal_within(closed, no_time())
        },
    );
    let lost = device.wait_within(no_time()).is_err();
    assert!(waited.is_err() || !lost);
    if lost {
        device.abandon()
    } else {
        device.end()
    }
    lost
}

type Check = fn(Site) -> bool;
const CHECKS: [(&str, Check, &[Site]); 3] = [
    ("acquired after the seal", acquired_after_the_seal, &[Site::SlowCountGuarded, Site::SlowCountCommit]),
    ("entered unseen", entered_unseen, &SITES),
    ("exit lost", exit_lost, &SITES),
];

fn always_right() {
    for (what, wrong, sites) in CHECKS {
        for &site in sites {
            for round in 0..20 {
                assert!(!wrong(site), "{what}: {site:?}, round {round}");
            }
        }
    }
}

/// A preemption restarts the section too, so not every round shows the bug; some round must.
fn sometimes_wrong(bug: &str) {
    for (what, wrong, sites) in CHECKS {
        for &site in sites {
            assert!((0..200).any(|_| wrong(site)), "{what}: {site:?}: {bug} was not noticed");
        }
    }
}

#[test]
fn a_close_cannot_slip_between_the_look_at_the_gate_and_the_passing() {
    let _hooks = hooks();
    if can_stop_sections() {
        always_right();
    }
}

#[test]
fn nor_where_the_walk_over_the_cpus_stands_in_for_the_membarrier() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::set_barrier(Barrier::Refused);
        always_right();
    }
}

#[test]
fn without_membarrier_it_can() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::set_barrier(Barrier::None);
        sometimes_wrong("a missing membarrier");
    }
}

#[test]
fn without_restart_it_can() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::set_barrier(Barrier::WithoutRestart);
        sometimes_wrong("a membarrier without restart");
    }
}

#[test]
fn with_the_sections_disarmed_it_can() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::arm_sections(false);
        sometimes_wrong("a disarmed section");
    }
}

/// CPUs whose cells a sum reads first and later.
fn early_and_late() -> Option<(usize, usize)> {
    let cpus = common::cpus();
    let (early, late) = (*cpus.first()?, *cpus.last()?);
    (early != late).then_some((early, late))
}

/// One thread has looked at the gate and enters on the early CPU, another has and exits on the late one; while both are
/// stopped the gate is closed, and between their cells the sum stops until they have gone on. Whether the seal then returns
/// while the first is inside.
fn torn_sum() -> bool {
    let (early, late) = early_and_late().expect("two CPUs");
    let device = Device::new();
    on(late, || device.enter());
    let (moved, leave) = (AtomicBool::new(false), AtomicBool::new(false));
    let torn = std::thread::scope(|scope| {
        let (device, moved, leave) = (&device, &moved, &leave);
        let _whatever_happens = counting::Finally(inject::open_gate);
        inject::shut_gate(Site::CountCommit);
        let before = inject::waiting_at_gate();
        let entering = scope.spawn(move || {
            common::pin(early);
            device.enter();
            moved.store(true, SeqCst);
            until("the time to leave", || leave.load(SeqCst));
            device.exit();
        });
        let exiting = scope.spawn(move || {
            common::pin(late);
            device.exit();
        });
        // Armed, a preemption lets them pass; disarmed they stay.
        until("both to come to the gate", || inject::waiting_at_gate() >= before + 2);
        let closed = in_the_middle_of(
            late,
            || device.close(),
            || {
                inject::open_gate();
                until("both to have moved", || moved.load(SeqCst) && exiting.is_finished());
            },
        );
        let torn = device.seal_within(closed, short()).is_ok();
        leave.store(true, SeqCst);
        entering.join().unwrap();
        torn
    });
    if torn {
        device.abandon();
    } else {
        assert_eq!(device.wait_within(no_time()), Ok(()), "everybody has left");
        device.end();
    }
    torn
}

#[test]
fn whoever_moves_while_the_cells_are_summed_is_counted() {
    let _hooks = hooks();
    if can_stop_sections() {
        assert!((0..20).all(|_| !torn_sum()));
    }
}

#[test]
fn with_the_sections_disarmed_the_sum_is_torn() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::arm_sections(false);
        assert!((0..20).any(|_| torn_sum()), "disarmed sections were not noticed");
    }
}

#[test]
fn whoever_comes_and_goes_behind_the_sum_of_a_close_is_counted() {
    let _hooks = hooks();
    let Some((early, late)) = early_and_late() else { return };
    for (enters, exits) in [(early, late), (late, early), (early, early), (late, late)] {
        let device = Device::new();
        on(exits, || device.enter());
        let closed = in_the_middle_of(
            late,
            || device.close(),
            || {
                on(enters, || device.enter());
                on(exits, || device.exit());
            },
        );
        assert!(device.seal_within(closed, short()).is_err(), "one is inside: entered on {enters}, exit on {exits}");
        on(exits, || device.exit());
        assert_eq!(device.wait_within(no_time()), Ok(()), "entered on {enters}, exit on {exits}");
        device.end();
    }
}

#[test]
fn the_last_exit_after_the_seal_wakes_the_sealer() {
    let _hooks = hooks();
    let new = || {
        let device = Device::new();
        device.enter();
        device
    };
    let seal = |device: &Device, round: u32| {
        let closed = device.close();
        assert_eq!(device.seal_within(closed, long()), Ok(()), "round {round}: the last exit woke nobody");
    };
    side_by_side(5000, new, seal, Device::exit, Device::end);
}

#[test]
fn whoever_waits_at_the_gate_is_woken_by_the_seal() {
    let _hooks = hooks();
    let late_comer = |device: &Device| {
        if device.acquire() {
            device.exit();
        }
    };
    let seal = |device: &Device, round: u32| {
        let closed = device.close();
        // The later the other comes, the later this: some come before the close, some between, some after.
        (0..round % 700).for_each(|_| std::hint::spin_loop());
        assert_eq!(device.seal_within(closed, long()), Ok(()), "round {round}: somebody sleeps at a sealed gate");
    };
    side_by_side(5000, Device::new, seal, late_comer, Device::end);
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
