// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads hold, clone, hand over and release while others destroy and make anew. What a target guards is plain memory,
//! written by its destroyer and freed after it: ThreadSanitizer and Miri report whoever reads too late, and natively the
//! reader finds it spoiled. They must report the build with `--cfg psref_planted`, where clearing a slot orders nothing.
//! Stress without injected pauses proves little by itself: tests/pauses.rs has those.

use psref::{Class, Guard, Target};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, RwLock};
use std::thread;

/// Plain memory, spoiled without a lock at its end.
struct Plain(UnsafeCell<[u64; 4]>);

// SAFETY: what the test is about: only the drain keeps readers and the last writer apart.
unsafe impl Sync for Plain {}

impl Plain {
    fn new(n: u64) -> Plain {
        Plain(UnsafeCell::new([n; 4]))
    }

    fn check(&self) {
        // SAFETY: held: nobody writes.
        let words = unsafe { *self.0.get() };
        assert!(words[0] != DEAD && words.iter().all(|&word| word == words[0]), "held, and destroyed: {words:?}");
    }
}

const DEAD: u64 = 0xdead;

impl Drop for Plain {
    fn drop(&mut self) {
        *self.0.get_mut() = [DEAD; 4];
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

const TARGETS: usize = 3;
const READERS: usize = if cfg!(miri) { 2 } else { 4 };

/// Of each reader: `PSREF_STRESS_TURNS`, or what is over in a second or two.
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

/// How many holds there were, and how many targets ended.
fn storm() -> (usize, usize) {
    let class = Class::new("stress").unwrap();
    let table: Vec<RwLock<Target<Plain>>> =
        (0..TARGETS).map(|i| RwLock::new(Target::new(&class, Plain::new(i as u64)))).collect();
    let handed: Mutex<Vec<Guard<Plain>>> = Mutex::new(Vec::new());
    let turns = turns();
    let (holds, ends, quiet) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (table, handed, holds, ends, quiet, class) = (&table, &handed, &holds, &ends, &quiet, &class);
        let readers: Vec<_> = (1..=READERS as u64)
            .map(|seed| {
                scope.spawn(move || {
                    let mut random = Random(seed);
                    for _ in 0..turns {
                        let mut mine: Vec<Guard<Plain>> = Vec::new();
                        for _ in 0..=random.below(3) {
                            let place = &table[random.below(TARGETS)];
                            mine.extend(place.read().unwrap().acquire().ok());
                        }
                        holds.fetch_add(mine.len(), Relaxed);
                        if random.below(3) == 0 {
                            mine.extend(mine.last().cloned());
                        }
                        mine.iter().for_each(|guard| guard.check());
                        match random.below(8) {
                            0 => handed.lock().unwrap().extend(mine.pop()),
                            1 => mine.extend(handed.lock().unwrap().pop()),
                            _ => {}
                        }
                        while !mine.is_empty() {
                            mine.swap_remove(random.below(mine.len())).check();
                        }
                    }
                })
            })
            .collect();
        let destroyers: Vec<_> = (1..=2)
            .map(|seed| {
                scope.spawn(move || {
                    let mut random = Random(seed * 0x9e37);
                    for n in 0.. {
                        if quiet.load(Relaxed) {
                            break;
                        }
                        let fresh = Target::new(class, Plain::new(n));
                        let old = std::mem::replace(&mut *table[random.below(TARGETS)].write().unwrap(), fresh);
                        // Those handed over wait for somebody who may have nothing more to do.
                        handed.lock().unwrap().clear();
                        drop(old);
                        ends.fetch_add(1, Relaxed);
                        thread::yield_now();
                    }
                })
            })
            .collect();
        // Guards handed over last would keep a destroyer waiting.
        for reader in readers {
            while !reader.is_finished() {
                handed.lock().unwrap().clear();
                thread::yield_now();
            }
            reader.join().unwrap();
        }
        handed.lock().unwrap().clear();
        quiet.store(true, Relaxed);
        destroyers.into_iter().for_each(|destroyer| destroyer.join().unwrap());
    });
    (holds.into_inner(), ends.into_inner())
}

#[test]
fn nobody_reads_what_was_destroyed() {
    let (holds, ends) = storm();
    eprintln!("{holds} holds, {ends} targets destroyed");
    assert!(holds > 0);
}
