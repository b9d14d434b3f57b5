// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits that ask whether to go on, gates that are closed in one place and sealed in another, pools of bytes: what faces for other
//! languages are built from.

use psref::objpool::Bytes;
use psref::{Class, Draining, Gate, GaveUp, LocalCount, Patience, ReadSection, Refusal, Target, thread_id};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

fn no_time() -> Patience {
    Patience::at_most(Duration::ZERO)
}

#[test]
fn a_wait_asks_again_and_again_and_ends_when_it_is_enough() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let class = Class::new("waits").unwrap();
    let target = Target::new(&class, ());
    let guard = target.acquire().unwrap();
    let patience = Patience::FOREVER.or_when(|| ASKED.fetch_add(1, SeqCst) == 2);
    assert_eq!(target.drain_within(patience), Err(GaveUp::Interrupted));
    assert_eq!(ASKED.load(SeqCst), 3);
    assert_eq!(target.acquire().unwrap_err(), Draining);
    drop(guard);
    assert_eq!(target.drain_within(patience), Ok(()));
    assert_eq!(ASKED.load(SeqCst), 3, "nothing to wait for, nothing to ask");
}

#[test]
fn asking_does_not_put_off_the_deadline() {
    let count = LocalCount::new(()).unwrap();
    let guard = count.acquire().unwrap();
    let patience = Patience::at_most(Duration::from_millis(120)).or_when(|| false);
    assert_eq!(count.drain_within(patience), Err(GaveUp::TimedOut));
    drop(guard);
}

#[test]
fn holders_and_references_are_told() {
    let class = Class::new("waits").unwrap();
    let target = Target::new(&class, ());
    assert!(target.holders().is_empty());
    let guards = [target.acquire().unwrap(), target.acquire().unwrap()];
    assert!(target.holders().iter().all(|by| by.tid == Some(thread_id())));
    assert_eq!(target.holders().len(), 2);
    drop(guards);
    assert!(target.holders().is_empty());

    let count = LocalCount::new(()).unwrap();
    let guard = count.acquire().unwrap();
    assert_eq!(count.references(), 1);
    assert_eq!(count.drain_within(no_time()), Err(GaveUp::TimedOut));
    assert_eq!(count.references(), 1);
    drop(guard);
    assert_eq!(count.references(), 0);
}

#[test]
fn a_gate_may_be_left_closed_and_sealed_later() {
    let gate = Arc::new(Gate::new().unwrap());
    assert!(gate.seal_within(no_time()).is_err(), "open");
    let pass = gate.enter_owned();
    gate.close("waits").unwrap().leave_closed();
    assert_eq!(gate.close_within("twice", no_time()).unwrap_err(), Refusal::GaveUp(GaveUp::TimedOut));
    assert_eq!(gate.acquire_owned(no_time()).unwrap_err(), Refusal::GaveUp(GaveUp::TimedOut));
    assert_eq!(gate.inside(), 1);
    assert_eq!(gate.seal_within(no_time()), Ok(Err(GaveUp::TimedOut)));
    assert_eq!(gate.close_within("sealed", Patience::FOREVER).unwrap_err(), Refusal::Sealed);
    drop(pass);
    assert_eq!(gate.seal_within(Patience::FOREVER), Ok(Ok(())));
    assert_eq!(gate.inside(), 0);
}

#[test]
fn a_pass_keeps_its_gate() {
    let pass = Arc::new(Gate::new().unwrap()).acquire_owned(Patience::FOREVER).unwrap();
    drop(pass);
}

#[test]
fn sections_know_how_deep_they_are() {
    assert_eq!(ReadSection::depth_here(), 0);
    let outer = ReadSection::enter();
    let inner = ReadSection::enter();
    assert_eq!(ReadSection::depth_here(), 2);
    drop((outer, inner));
    assert_eq!(ReadSection::depth_here(), 0);
}

#[test]
fn pieces_of_bytes_keep_their_pool_and_go_back() {
    assert!(Bytes::new(0, 8).is_err() && Bytes::new(8, 0).is_err() && Bytes::new(8, usize::MAX).is_err());
    let pool = Bytes::new(2, 100).unwrap();
    let pieces = [pool.pop().unwrap(), pool.pop().unwrap()];
    assert!(pool.pop().is_none());
    assert_eq!(pool.statistics().failures, 1);
    assert!(pieces.iter().all(|piece| piece.len() == 100 && piece.as_ptr().addr() % 8 == 0));
    drop(pool);
    // SAFETY: the piece is ours alone, and zeroed at first.
    assert!(unsafe { std::slice::from_raw_parts(pieces[0].as_ptr(), 100) }.iter().all(|&byte| byte == 0));
    let pool = Arc::clone(pieces[0].pool());
    drop(pieces);
    assert!(pool.pop().is_some());
}
