// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts, gates and read sections while others destroy and make anew, as tests/stress.rs does it with passive references: what
//! they guard is plain memory, written and freed by whoever has waited. ThreadSanitizer and Miri report whoever reads too late,
//! and natively the reader finds it spoiled. They must report each of the three in the build with `--cfg psref_planted`, where
//! additions to a count and the ends of read sections order nothing.
//! Stress without injected pauses proves little by itself: the tests with pauses do that.

use psref::{CountGuard, Gate, LocalCount, Patience, Pserialize, ReadSection};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;

/// Plain memory, spoiled without a lock at its end.
struct Plain(UnsafeCell<[u64; 4]>);

// SAFETY: what the tests are about: only the waiting keeps readers and the last writer apart.
unsafe impl Sync for Plain {}

const DEAD: u64 = 0xdead;

impl Plain {
    fn new(n: u64) -> Plain {
        Plain(UnsafeCell::new([n; 4]))
    }

    fn check(&self) {
        // SAFETY: held: nobody writes.
        let words = unsafe { *self.0.get() };
        assert!(words[0] != DEAD && words.iter().all(|&word| word == words[0]), "held, and destroyed: {words:?}");
    }

    /// # Safety
    /// Nobody holds it any more.
    unsafe fn spoil(&self) {
        // SAFETY: the caller's promise.
        unsafe { *self.0.get() = [DEAD; 4] };
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // SAFETY: ours alone.
        unsafe { self.spoil() };
    }
}

const READERS: usize = if cfg!(miri) { 2 } else { 4 };

/// Of each reader, at least: `PSREF_STRESS_TURNS`, or what is over in a second or two.
fn turns() -> usize {
    let told = std::env::var("PSREF_STRESS_TURNS").ok().map(|turns| turns.parse().expect("a number"));
    told.unwrap_or(if cfg!(miri) {
        12
    } else if cfg!(psref_tsan) {
        20_000
    } else {
        200_000
    })
}

/// As often the destroyer goes round, however fast the readers are.
const ROUNDS: u64 = if cfg!(miri) { 3 } else { 100 };

/// Readers work their turns, and on until the destroyer has gone round often enough; `between` is done again and again until
/// all are done, for what readers leave to others. Answers how often the destroyer went round.
fn storm(read: impl Fn(usize) + Sync, mut destroy: impl FnMut(u64) + Send, mut between: impl FnMut()) -> u64 {
    let (quiet, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let (quiet, rounds, read) = (&quiet, &rounds, &read);
        let turns = turns();
        let go_on = move |turn| turn < turns || rounds.load(Ordering::Relaxed) < ROUNDS;
        let readers: Vec<_> =
            (0..READERS).map(|_| scope.spawn(move || (0..).take_while(|&turn| go_on(turn)).for_each(read))).collect();
        let destroyer = scope.spawn(move || {
            while !quiet.load(Ordering::Relaxed) {
                destroy(rounds.load(Ordering::Relaxed) + 1);
                rounds.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
            }
        });
        for reader in readers {
            while !reader.is_finished() {
                between();
                thread::yield_now();
            }
            reader.join().unwrap();
        }
        quiet.store(true, Ordering::Relaxed);
        while !destroyer.is_finished() {
            between();
            thread::yield_now();
        }
        destroyer.join().unwrap();
    });
    rounds.into_inner()
}

#[test]
fn nobody_reads_what_a_count_guarded() {
    let count = RwLock::new(LocalCount::new(Plain::new(0)).unwrap());
    let handed: Mutex<Vec<CountGuard<Plain>>> = Mutex::new(Vec::new());
    let holds = AtomicUsize::new(0);
    let read = |turn: usize| {
        let Ok(guard) = count.read().unwrap().acquire() else { return };
        holds.fetch_add(1, Ordering::Relaxed);
        let clone = guard.clone();
        guard.check();
        drop(guard);
        clone.check();
        if turn.is_multiple_of(8) {
            handed.lock().unwrap().push(clone);
        }
    };
    let destroy = |round| {
        let fresh = LocalCount::new(Plain::new(round)).unwrap();
        drop(std::mem::replace(&mut *count.write().unwrap(), fresh));
    };
    let rounds = storm(read, destroy, || handed.lock().unwrap().drain(..).for_each(|guard| guard.check()));
    eprintln!("{} holds, {rounds} counts destroyed", holds.load(Ordering::Relaxed));
    assert!(holds.into_inner() > 0);
}

/// What lies behind a gate, and the gate.
struct Device {
    gate: Gate,
    object: Plain,
}

#[test]
fn nobody_reads_what_was_behind_a_gate() {
    let new = |n| std::sync::Arc::new(Device { gate: Gate::new().unwrap(), object: Plain::new(n) });
    let place = RwLock::new(new(0));
    let (passes, refusals) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let read = |_| {
        let device = place.read().unwrap().clone();
        match device.gate.acquire(Patience::FOREVER) {
            Ok(_pass) => {
                passes.fetch_add(1, Ordering::Relaxed);
                device.object.check();
            }
            Err(_) => drop(refusals.fetch_add(1, Ordering::Relaxed)),
        };
    };
    let destroy = |round| {
        let device = place.read().unwrap().clone();
        device.gate.close("stress").expect("closed by nobody else").seal();
        // SAFETY: sealed: nobody is inside. Those who come late look at the gate only.
        unsafe { device.object.spoil() };
        *place.write().unwrap() = new(round);
    };
    let rounds = storm(read, destroy, || ());
    let (passes, refusals) = (passes.into_inner(), refusals.into_inner());
    eprintln!("{passes} passes and {refusals} refusals, {rounds} gates sealed");
    assert!(passes > 0);
}

#[test]
fn nobody_reads_what_was_out_of_reach_before_a_perform() {
    let place = AtomicPtr::new(Box::into_raw(Box::new(Plain::new(0))));
    let psz = Pserialize::new().unwrap();
    let sections = AtomicUsize::new(0);
    let read = |turn: usize| {
        sections.fetch_add(1, Ordering::Relaxed);
        let outer = ReadSection::enter();
        // SAFETY: freed after a perform alone, which waits for this section.
        let found = unsafe { &*place.load(Ordering::Acquire) };
        let inner = (turn.is_multiple_of(3)).then(ReadSection::enter);
        found.check();
        drop(inner);
        found.check();
        drop(outer);
    };
    let destroy = |round| {
        let old = place.swap(Box::into_raw(Box::new(Plain::new(round))), Ordering::AcqRel);
        psz.perform();
        // SAFETY: out of reach, and every section that could have found it has ended.
        drop(unsafe { Box::from_raw(old) });
    };
    let rounds = storm(read, destroy, || ());
    eprintln!("{} sections, {rounds} performs", sections.into_inner());
    // SAFETY: the threads are gone.
    drop(unsafe { Box::from_raw(place.into_inner()) });
}
