// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face: classes, targets that own a value, guards. Small enough for Miri and ThreadSanitizer, which run it too.

use psref::{Class, Draining, GaveUp, Guard, Patience, Target};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

fn class() -> Class {
    Class::new("face").unwrap()
}

fn no_time() -> Patience {
    Patience::at_most(Duration::ZERO)
}

/// Tells when it is dropped.
struct Loud(Arc<AtomicBool>);

impl Drop for Loud {
    fn drop(&mut self) {
        assert!(!self.0.swap(true, SeqCst), "dropped twice");
    }
}

fn loud(class: &Class) -> (Target<Loud>, Arc<AtomicBool>) {
    let gone = Arc::new(AtomicBool::new(false));
    (Target::new(class, Loud(Arc::clone(&gone))), gone)
}

#[test]
fn a_guard_shows_the_value() {
    let target = Target::new(&class(), String::from("alice"));
    let guard = target.acquire().unwrap();
    assert_eq!(*guard, "alice");
    assert_eq!(format!("{guard:?}"), "Guard(\"alice\")");
}

#[test]
fn a_drained_target_refuses_and_gives_its_value_back() {
    let target = Target::new(&class(), vec![1, 2, 3]);
    drop(target.acquire().unwrap());
    target.drain();
    assert_eq!(target.acquire().unwrap_err(), Draining);
    assert_eq!(target.drain_within(no_time()), Ok(()));
    assert_eq!(target.into_inner(), [1, 2, 3]);
}

#[test]
fn a_drain_without_patience_gives_up_while_somebody_holds() {
    let target = Target::new(&class(), 1);
    let guard = target.acquire().unwrap();
    assert_eq!(target.drain_within(no_time()), Err(GaveUp::TimedOut));
    assert_eq!(target.acquire().unwrap_err(), Draining);
    assert_eq!(*guard, 1);
    drop(guard);
    assert_eq!(target.drain_within(no_time()), Ok(()));
}

#[test]
fn a_clone_holds_after_its_original() {
    let target = Target::new(&class(), 1);
    let first = target.acquire().unwrap();
    let second = first.clone();
    drop(first);
    assert_eq!(target.drain_within(no_time()), Err(GaveUp::TimedOut));
    let third = second.clone(); // also while the target drains
    drop(second);
    assert_eq!(target.drain_within(no_time()), Err(GaveUp::TimedOut));
    assert_eq!(*third, 1);
    drop(third);
    assert_eq!(target.drain_within(no_time()), Ok(()));
}

#[test]
fn the_value_is_dropped_once_and_after_the_last_guard() {
    let class = class();
    let (target, gone) = loud(&class);
    let guard = target.acquire().unwrap();
    let (started, begun) = channel();
    let dropper = thread::spawn(move || {
        started.send(()).unwrap();
        drop(target);
    });
    begun.recv().unwrap();
    thread::yield_now();
    assert!(!guard.0.load(SeqCst), "the target was dropped under its guard");
    drop(guard);
    dropper.join().unwrap();
    assert!(gone.load(SeqCst));
}

#[test]
fn a_guard_may_be_dropped_by_another_thread() {
    let target = Target::new(&class(), 7);
    let guard = target.acquire().unwrap();
    let seen = thread::spawn(move || *guard).join().unwrap();
    assert_eq!(seen, 7);
    assert_eq!(target.drain_within(no_time()), Ok(()));
}

#[test]
fn a_guard_outlives_the_thread_that_acquired_it() {
    let target = Arc::new(Target::new(&class(), 7));
    let theirs = Arc::clone(&target);
    let guard = thread::spawn(move || theirs.acquire().unwrap()).join().unwrap();
    assert_eq!(target.drain_within(no_time()), Err(GaveUp::TimedOut));
    assert_eq!(*guard, 7);
    drop(guard);
    target.drain();
}

#[test]
fn held_here_means_acquired_by_this_thread() {
    let target = Target::new(&class(), 1);
    assert!(!target.is_held_here());
    let guard = target.acquire().unwrap();
    assert!(target.is_held_here());
    thread::scope(|scope| {
        let theirs = scope.spawn(|| {
            let before = target.is_held_here();
            let _guard = target.acquire().unwrap();
            (before, target.is_held_here())
        });
        assert_eq!(theirs.join().unwrap(), (false, true));
    });
    drop(guard);
    assert!(!target.is_held_here());
}

#[test]
fn holds_may_be_more_than_a_block_has_slots() {
    let target = Target::new(&class(), 1);
    let guards: Vec<Guard<i32>> = (0..if cfg!(miri) { 70 } else { 5000 }).map(|_| target.acquire().unwrap()).collect();
    assert_eq!(target.drain_within(no_time()), Err(GaveUp::TimedOut));
    let last = guards.into_iter().next_back().unwrap();
    assert_eq!(target.drain_within(no_time()), Err(GaveUp::TimedOut));
    drop(last);
    assert_eq!(target.drain_within(no_time()), Ok(()));
}

#[test]
fn targets_of_one_class_drain_apart() {
    let class = class();
    let (one, other) = (Target::new(&class, 1), Target::new(&class, 2));
    let guard = one.acquire().unwrap();
    assert_eq!(other.drain_within(no_time()), Ok(()));
    assert_eq!(one.acquire().as_deref(), Ok(&1));
    drop(guard);
}

#[test]
fn a_class_lives_as_long_as_its_targets() {
    let class = class();
    let target = Target::new(&class, 1);
    drop(class);
    assert_eq!(target.acquire().as_deref(), Ok(&1));
    assert_eq!(format!("{target:?}"), "Target { class: \"face\", value: 1 }");
}

#[test]
fn the_name_of_a_class_is_cut_between_characters() {
    let class = Class::new(&"ä".repeat(40)).unwrap();
    assert_eq!(class.name(), "ä".repeat(24));
}

#[test]
fn everybody_who_waits_for_one_target_is_woken() {
    let target = Arc::new(Target::new(&class(), 1));
    let guard = target.acquire().unwrap();
    let drains: Vec<_> = (0..3)
        .map(|_| {
            let target = Arc::clone(&target);
            thread::spawn(move || target.drain())
        })
        .collect();
    thread::yield_now();
    drop(guard);
    drains.into_iter().for_each(|drain| drain.join().unwrap());
}
