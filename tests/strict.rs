// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strict mode, holders and drains that do not wait, by the Rust face. The switch is the
//! whole process's: so tests here turn it on and none turns it off.

use psref::{Class, GaveUp, LocalCount, Patience, Target, set_strict};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

#[inline(never)]
fn acquire_here(target: &Target<u32>) -> psref::Guard<u32> {
    let guard = target.acquire().unwrap();
    std::hint::black_box(guard)
}

fn is_readable(fd: &OwnedFd) -> bool {
    let mut one = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one structure of ours.
    unsafe { libc::poll(&raw mut one, 1, 0) == 1 }
}

#[test]
fn holders_of_a_strict_class_are_told_with_place_and_time() {
    set_strict(true);
    let class = Class::new("strict").unwrap();
    let target = Target::new(&class, 7);
    let guard = acquire_here(&target);
    let copy = guard.clone();
    let all = target.holders();
    assert_eq!(all.len(), 2);
    for holder in &all {
        // SAFETY: no arguments.
        assert_eq!(holder.tid, Some(unsafe { libc::gettid() } as u32));
        assert!(holder.acquired_at.is_some() && holder.since.is_some());
    }
    let report = class.report();
    assert!(report.contains("class \"strict\": 2 hold(s)"), "{report}");
    if cfg!(feature = "symbols") {
        assert!(report.contains("acquire_here") && report.contains("tests/strict.rs:"), "{report}");
        assert!(!report.contains("face.rs"), "{report}");
    }
    drop((guard, copy));
    assert!(target.holders().is_empty());
}

#[test]
fn a_strict_guard_may_be_moved_sent_and_left_by_its_thread() {
    set_strict(true);
    let class = Class::new("sent").unwrap();
    let target = Target::new(&class, 7);
    let mut guards: Vec<_> = (0..100).map(|_| Box::new(target.acquire().unwrap())).collect();
    for _ in 0..10 {
        let guard = target.acquire().unwrap(); // in the same place of the stack, again and again
        guards.push(Box::new(guard));
    }
    std::thread::scope(|scope| {
        let mine = guards.split_off(50);
        scope.spawn(move || drop(mine));
        guards.push(scope.spawn(|| Box::new(target.acquire().unwrap())).join().unwrap());
    });
    assert_eq!(**guards.last().unwrap().as_ref(), 7);
    drop(guards);
    assert_eq!(target.into_inner(), 7);
}

#[test]
fn a_drain_may_be_polled_and_watched() {
    let class = Class::new("watched").unwrap();
    let target = Target::new(&class, 7);
    let guard = target.acquire().unwrap();
    let fd = target.drain_fd().unwrap();
    assert!(!is_readable(&fd) && !target.poll_drained());
    assert!(target.acquire().is_err());
    drop(guard);
    assert!(is_readable(&fd) && target.poll_drained() && is_readable(&fd));
}

#[test]
fn many_are_dropped_at_once_with_their_values() {
    let (class, other) = (Class::new("many").unwrap(), Class::new("other").unwrap());
    let value = std::sync::Arc::new(());
    let of = |i: usize| Target::new(if i % 7 == 3 { &other } else { &class }, value.clone());
    let targets: Vec<_> = (0..100).map(of).collect();
    let guard = targets[50].acquire().unwrap();
    let dropper = std::thread::spawn(move || Target::drop_many(targets));
    assert!(!dropper.is_finished()); // at whatever step it is, the guard holds it up
    drop(guard);
    dropper.join().unwrap();
    assert_eq!(std::sync::Arc::strong_count(&value), 1);
    Target::<u32>::drop_many([]);
}

#[test]
fn a_strict_count_counts_and_gives_up_in_time() {
    set_strict(true);
    let count = LocalCount::new(7).unwrap();
    let guard = count.acquire().unwrap();
    let again = guard.clone();
    assert_eq!(count.drain_within(Patience::at_most(Duration::ZERO)), Err(GaveUp::TimedOut));
    assert!(count.acquire().is_err());
    let late = again.clone(); // while it drains
    drop((guard, again));
    assert_eq!(count.drain_within(Patience::at_most(Duration::ZERO)), Err(GaveUp::TimedOut));
    drop(late);
    assert_eq!(count.into_inner(), 7);
}

#[test]
fn a_strict_count_is_taken_back_only_where_nobody_holds_it() {
    set_strict(true);
    let count = LocalCount::new(7).unwrap();
    let guard = count.acquire().unwrap();
    let count = count.try_into_inner().unwrap_err();
    std::thread::spawn(move || drop(guard)).join().unwrap();
    assert_eq!(count.try_into_inner().unwrap(), 7);
}
