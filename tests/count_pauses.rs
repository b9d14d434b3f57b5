// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads held between the look at a count's guard and the addition while the count is drained. With the membarrier they are
//! restarted and find the guard; without it, with one that restarts nothing, or with the section disarmed, an acquire is in a
//! count that has drained, and a release is in nobody's sum: the tests plant each of these and demand to see it.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;

use common::hooks;
use counting::{
    Count, can_stop_sections, every_way, in_the_middle_of, long, no_time, on, short, side_by_side, stopped_at,
};
use psref::inject::{self, Barrier, Site};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// The steps after the look at the guard, of the exported fast path and of the one that Rust calls.
const SITES: [Site; 4] = [Site::CountGuarded, Site::CountCommit, Site::SlowCountGuarded, Site::SlowCountCommit];

fn is_fast(site: Site) -> bool {
    matches!(site, Site::CountGuarded | Site::CountCommit)
}

/// Whether an acquire that was stopped on its way succeeded although a drain had returned meanwhile.
fn acquired_after_the_drain(site: Site) -> bool {
    let count = Count::new();
    let returned = AtomicBool::new(false);
    let acquire = || {
        let got = if is_fast(site) { count.acquire() } else { count.acquire_slowly() };
        // A preemption before the drain began restarts the section too, and then the hold is a good one, which the drain
        // waits for. The gate opens only after it has returned.
        let overtaken = got && returned.load(SeqCst);
        if got && !overtaken {
            count.release();
        }
        overtaken
    };
    let warm = || {
        assert!(count.acquire());
        count.release();
    };
    let (overtaken, drained) = stopped_at(site, warm, acquire, || {
        let drained = count.drain_within(long());
        returned.store(true, SeqCst);
        drained
    });
    assert_eq!(drained, Ok(()), "{site:?}: nobody holds it, and the drain waits");
    count.end();
    overtaken
}

/// Whether a release that was stopped on its way was missed by a drain: nobody holds anything, and it waits.
fn release_lost(site: Site) -> bool {
    let count = Count::new();
    let release = || if is_fast(site) { count.release() } else { count.release_slowly() };
    // No time, or something else runs on the thread's CPU meanwhile and restarts it.
    let (_, drained) = stopped_at(site, || assert!(count.acquire()), release, || count.drain_within(no_time()));
    let lost = count.drain_within(no_time()).is_err();
    assert!(drained.is_err() || !lost);
    if lost {
        std::mem::forget(count); // it can never be drained
    } else {
        count.end();
    }
    lost
}

type Check = fn(Site) -> bool;
const CHECKS: [(&str, Check); 2] =
    [("acquired after the drain", acquired_after_the_drain), ("release lost", release_lost)];

fn always_right() {
    for (what, wrong) in CHECKS {
        for site in SITES {
            for round in 0..20 {
                assert!(!wrong(site), "{what}: {site:?}, round {round}");
            }
        }
    }
}

/// A preemption restarts the section too, so not every round shows the bug; some round must.
fn sometimes_wrong(bug: &str) {
    for (what, wrong) in CHECKS {
        for site in SITES {
            assert!((0..200).any(|_| wrong(site)), "{what}: {site:?}: {bug} was not noticed");
        }
    }
}

#[test]
fn a_drain_restarts_acquires_and_releases_between_guard_and_commit() {
    let _hooks = hooks();
    if can_stop_sections() {
        always_right();
    }
}

#[test]
fn the_walk_over_the_cpus_restarts_them_too() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::set_barrier(Barrier::Refused);
        always_right();
    }
}

#[test]
fn without_membarrier_they_go_wrong() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::set_barrier(Barrier::None);
        sometimes_wrong("a missing membarrier");
    }
}

#[test]
fn without_restart_they_go_wrong() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::set_barrier(Barrier::WithoutRestart);
        sometimes_wrong("a membarrier without restart");
    }
}

#[test]
fn disarmed_they_go_wrong() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::arm_sections(false);
        sometimes_wrong("a disarmed section");
    }
}

/// CPUs whose cells a sum reads first and later, and a stripe between them.
fn early_and_late() -> Option<(usize, usize, usize)> {
    let cpus = common::cpus();
    let (Some(&early), Some(&late)) = (cpus.first(), cpus.last()) else { return None };
    (early != late).then_some((early, late, late))
}

#[test]
fn releases_on_both_sides_of_a_drains_sum_are_counted() {
    let _hooks = hooks();
    let Some((early, late, between)) = early_and_late() else { return };
    for (acquired, released) in [(early, late), (late, early), (early, early), (late, late)] {
        let count = Count::new();
        assert!(on(acquired, || count.acquire()) && on(acquired, || count.acquire()));
        let drained = in_the_middle_of(
            between,
            || count.drain_within(short()),
            || {
                assert!(!on(released, || count.acquire()), "the drain has begun");
                on(released, || count.release());
            },
        );
        assert!(drained.is_err(), "one hold is left: acquired on {acquired}, released on {released}");
        on(released, || count.release());
        assert_eq!(count.drain_within(long()), Ok(()), "acquired on {acquired}, released on {released}");
        count.end();
    }
}

#[test]
fn trydrain_is_false_or_right_while_others_release() {
    let _hooks = hooks();
    let Some((early, late, between)) = early_and_late() else { return };
    for (acquired, released) in [(early, late), (late, early), (early, early), (late, late)] {
        for left in [0, 1] {
            let count = Count::new();
            for _ in 0..=left {
                assert!(on(acquired, || count.acquire()));
            }
            let drained = in_the_middle_of(between, || count.trydrain(), || on(released, || count.release()));
            let how = format!("acquired on {acquired}, released on {released}, {left} left: {drained}");
            assert!(!(drained && left > 0), "{how}");
            if !drained {
                assert_eq!(count.references(), left, "{how}");
                (0..left).for_each(|_| count.release());
                assert!(count.trydrain(), "{how}");
            }
            count.end();
        }
    }
}

/// The original is released where the sum has still to look, after its clone was made where the sum has looked.
#[test]
fn a_clone_behind_the_sum_of_trydrain_is_a_hold() {
    let _hooks = hooks();
    let Some((early, late, between)) = early_and_late() else { return };
    let mut count = psref::LocalCount::new(7).unwrap();
    let original = on(late, || count.acquire().unwrap());
    let mut clone = None;
    let kept = &mut clone;
    let drained = in_the_middle_of(
        between,
        || count.try_drain(),
        || {
            *kept = Some(on(early, || original.clone()));
            on(late, || drop(original));
        },
    );
    let clone = clone.unwrap();
    assert_eq!(*clone, 7);
    if drained {
        std::mem::forget((clone, count)); // their ends would be fatal
        panic!("drained, and a clone holds the value");
    }
    drop(clone);
    assert_eq!(count.drain_within(long()), Ok(()));
}

#[test]
fn a_release_after_the_sum_wakes_the_drain() {
    let _hooks = hooks();
    let new = || {
        let count = Count::new();
        assert!(count.acquire());
        count
    };
    let drain = |count: &Count, round: u32| {
        assert_eq!(count.drain_within(long()), Ok(()), "round {round}: the last release woke nobody");
    };
    side_by_side(5000, new, drain, Count::release, Count::end);
}

/// Somebody acquires and releases all the time, so the drain's beginning falls between two of its steps.
#[test]
fn an_acquire_at_the_moment_of_a_drain_is_refused_or_waited_for() {
    let _hooks = hooks();
    type Race = (Count, AtomicBool, AtomicBool, AtomicBool);
    every_way(|way| {
        let new = || (Count::new(), AtomicBool::new(false), AtomicBool::new(false), AtomicBool::new(false));
        let acquire = |(count, begun, returned, overtaken): &Race| {
            while count.acquire() {
                begun.store(true, SeqCst);
                if returned.load(SeqCst) {
                    overtaken.store(true, SeqCst);
                    return; // a release would be fatal
                }
                count.release();
            }
        };
        let drain = |(count, begun, returned, _): &Race, round: u32| {
            common::until("the first hold", || begun.load(SeqCst));
            (0..round % 64).for_each(|_| std::hint::spin_loop());
            assert_eq!(
                count.drain_within(long()),
                Ok(()),
                "{way}, round {round}: nobody holds it, and the drain waits"
            );
            returned.store(true, SeqCst);
        };
        let end = |(count, _, _, overtaken): Race| {
            assert!(!overtaken.into_inner(), "{way}: a hold began after the drain had returned");
            count.end();
        };
        side_by_side(1000, new, drain, acquire, end);
    });
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
