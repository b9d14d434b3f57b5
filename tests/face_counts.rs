// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe faces of counts, gates and read sections. Small enough for Miri and ThreadSanitizer, which run them too.

use psref::{Draining, Gate, GaveUp, InReadSection, LocalCount, Patience, Pserialize, ReadSection, Refusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

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

#[test]
fn a_counted_guard_shows_the_value_on_any_thread() {
    let count = LocalCount::new(String::from("alice")).unwrap();
    let guard = count.acquire().unwrap();
    assert_eq!(format!("{guard:?}"), "CountGuard(\"alice\")");
    thread::spawn(move || assert_eq!(*guard, "alice")).join().unwrap();
    assert_eq!(count.into_inner(), "alice");
}

#[test]
fn a_drained_count_refuses_and_gives_its_value_back() {
    let count = LocalCount::new(vec![1, 2, 3]).unwrap();
    drop(count.acquire().unwrap());
    count.drain();
    assert_eq!(count.acquire().unwrap_err(), Draining);
    assert_eq!(count.drain_within(no_time()), Ok(()));
    assert_eq!(count.into_inner(), [1, 2, 3]);
}

#[test]
fn a_clone_keeps_a_count_that_drains() {
    let count = LocalCount::new(1).unwrap();
    let guard = count.acquire().unwrap();
    assert_eq!(count.drain_within(no_time()), Err(GaveUp::TimedOut));
    let clone = guard.clone();
    drop(guard);
    assert_eq!(count.drain_within(no_time()), Err(GaveUp::TimedOut));
    assert_eq!(*clone, 1);
    drop(clone);
    assert_eq!(count.drain_within(no_time()), Ok(()));
}

#[test]
fn a_try_that_finds_a_guard_changes_nothing() {
    let count = LocalCount::new(1).unwrap();
    let guard = count.acquire().unwrap();
    let mut count = count.try_into_inner().unwrap_err();
    drop(count.acquire().unwrap());
    assert!(!count.try_drain());
    drop(guard);
    assert!(count.try_drain());
    assert_eq!(count.acquire().unwrap_err(), Draining);
    assert_eq!(count.try_into_inner().unwrap(), 1);
}

#[test]
fn dropping_a_count_waits_for_a_guard_elsewhere() {
    let gone = Arc::new(AtomicBool::new(false));
    let count = LocalCount::new(Loud(Arc::clone(&gone))).unwrap();
    let guard = count.acquire().unwrap();
    let holder = thread::spawn(move || {
        thread::yield_now();
        assert!(!guard.0.load(SeqCst));
    });
    drop(count);
    assert!(gone.load(SeqCst));
    holder.join().unwrap();
}

#[test]
fn threads_that_drain_together_all_wait() {
    let count = LocalCount::new(Arc::new(AtomicBool::new(false))).unwrap();
    let guard = count.acquire().unwrap();
    thread::scope(|scope| {
        let released = Arc::clone(&guard);
        for _ in 0..2 {
            let (count, released) = (&count, Arc::clone(&released));
            scope.spawn(move || {
                count.drain();
                assert!(released.load(SeqCst));
            });
        }
        released.store(true, SeqCst);
        drop(guard);
    });
}

#[test]
fn a_closed_gate_lets_handlers_pass_and_turns_others_away() {
    let gate = Gate::new().unwrap();
    drop(gate.acquire(no_time()).unwrap());
    let closed = gate.close("test").unwrap();
    drop(gate.enter());
    assert_eq!(gate.acquire(no_time()).unwrap_err(), Refusal::GaveUp(GaveUp::TimedOut));
    closed.seal();
    assert_eq!(gate.acquire(Patience::FOREVER).unwrap_err(), Refusal::Sealed);
    assert_eq!(gate.close("again").unwrap_err(), Refusal::Sealed);
    drop(gate.enter());
}

#[test]
fn a_seal_waits_for_a_pass_and_may_give_up() {
    let gate = Gate::new().unwrap();
    let pass = gate.enter();
    let closed = gate.close("test").unwrap();
    assert_eq!(closed.seal_within(no_time()), Err(GaveUp::TimedOut));
    let out = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            out.store(true, SeqCst);
            drop(pass);
        });
        gate.wait_within(Patience::FOREVER).unwrap();
        assert!(out.load(SeqCst));
    });
}

#[test]
fn a_late_comer_and_a_second_closer_wait_for_the_seal() {
    let gate = Gate::new().unwrap();
    let closed = gate.close("test").unwrap();
    let sealing = AtomicBool::new(false);
    thread::scope(|scope| {
        let late = [
            scope.spawn(|| (gate.acquire(Patience::FOREVER).unwrap_err(), sealing.load(SeqCst))),
            scope.spawn(|| (gate.close("again").unwrap_err(), sealing.load(SeqCst))),
        ];
        thread::yield_now();
        sealing.store(true, SeqCst);
        closed.seal();
        for late in late {
            assert_eq!(late.join().unwrap(), (Refusal::Sealed, true));
        }
    });
}

#[test]
fn sections_nest_and_refuse_a_perform() {
    let psz = Pserialize::new().unwrap();
    assert!(!ReadSection::is_open_here());
    let outer = ReadSection::enter();
    let inner = ReadSection::enter();
    assert_eq!(psz.perform_within(no_time()), Err(InReadSection));
    drop(outer);
    assert!(ReadSection::is_open_here());
    assert!(!thread::spawn(ReadSection::is_open_here).join().unwrap());
    drop(inner);
    assert!(!ReadSection::is_open_here());
    psz.perform();
}

#[test]
fn a_perform_waits_for_a_section_elsewhere_and_may_give_up() {
    let psz = Pserialize::new().unwrap();
    let ((inside, is_inside), (leave, may_leave)) = (channel(), channel());
    let out = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let out = Arc::clone(&out);
        move || {
            let section = ReadSection::enter();
            inside.send(()).unwrap();
            may_leave.recv().unwrap();
            out.store(true, SeqCst);
            drop(section);
        }
    });
    is_inside.recv().unwrap();
    assert_eq!(psz.perform_within(no_time()), Ok(Err(GaveUp::TimedOut)));
    leave.send(()).unwrap();
    psz.perform();
    assert!(out.load(SeqCst));
    reader.join().unwrap();
}

#[test]
fn a_perform_without_patience_gives_its_lead_away() {
    let psz = Pserialize::new().unwrap();
    let section = ReadSection::enter();
    let out = AtomicBool::new(false);
    thread::scope(|scope| {
        for patience in [no_time(), Patience::FOREVER, Patience::FOREVER] {
            let (psz, out) = (&psz, &out);
            scope.spawn(move || {
                if psz.perform_within(patience).unwrap().is_ok() {
                    assert!(out.load(SeqCst));
                }
            });
        }
        thread::yield_now();
        out.store(true, SeqCst);
        drop(section);
    });
}
