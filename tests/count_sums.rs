// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sums are exact: acquired by one thread on one CPU, released by another on another, with signal handlers that do both in between
//! and threads that change their CPU all the time. `PSREF_TEST_OPERATIONS` says how many operations; the default takes some
//! seconds. With the sections disarmed the same sums must come out wrong.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;

use asleep::{alone, handle, ignore_from_now_on, signal, tid};
use common::{backend_is_rseq, hooks, until};
use counting::{Count, Device, Raise, long, no_time};
use psref::gate::raw::{self as gate, DeviceState};
use psref::inject;
use psref::localcount::raw::{self as localcount, LocalCountState};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicPtr, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// What the threads and the handlers count in, and how many acquires nobody has released yet.
struct Ledger {
    count: AtomicPtr<LocalCountState>,
    device: AtomicPtr<DeviceState>,
    owed: AtomicI64,
    inside: AtomicI64,
    /// Operations of the handlers.
    handled: AtomicU64,
}

static LEDGER: Ledger = Ledger {
    count: AtomicPtr::new(std::ptr::null_mut()),
    device: AtomicPtr::new(std::ptr::null_mut()),
    owed: AtomicI64::new(0),
    inside: AtomicI64::new(0),
    handled: AtomicU64::new(0),
};

/// Two acquires, one release, and the same at the gate; what is left over others release.
extern "C" fn interrupts(_: i32) {
    let (count, device) = (LEDGER.count.load(SeqCst).cast_const(), LEDGER.device.load(SeqCst).cast_const());
    // SAFETY: both live until every thread that is signalled has ended.
    unsafe {
        for _ in 0..2 {
            assert_eq!(localcount::acquire(count), 0);
            gate::enter(device);
        }
        localcount::release_alone(count);
        gate::exit(device);
    }
    LEDGER.owed.fetch_add(1, SeqCst);
    LEDGER.inside.fetch_add(1, SeqCst);
    LEDGER.handled.fetch_add(6, Relaxed);
}

/// Operations between two looks at the ledger.
const BATCH: i64 = 1000;

/// Takes up to a batch of what is owed.
fn take(owed: &AtomicI64) -> i64 {
    let mut now = owed.load(SeqCst);
    loop {
        let some = now.min(BATCH);
        match owed.compare_exchange_weak(now, now - some, SeqCst, SeqCst) {
            Ok(_) => return some,
            Err(other) => now = other,
        }
    }
}

/// Of one run.
struct Outcome {
    operations: u64,
    signals: u64,
    moves: u64,
    /// The lowest that a cell was found at.
    lowest: i64,
}

/// Two threads acquire, two release what the others have acquired, until there were `operations`; a fifth signals them and moves
/// them from CPU to CPU. `Err`: a sum that is not what was acquired and not released.
fn storm(operations: u64) -> Result<Outcome, String> {
    let (count, device) = (Count::new(), Device::new());
    LEDGER.count.store(count.at().cast_mut(), SeqCst);
    LEDGER.device.store(device.at().cast_mut(), SeqCst);
    LEDGER.handled.store(0, SeqCst);
    handle(libc::SIGUSR1, interrupts);
    let (done, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let tids = [const { AtomicI32::new(0) }; 4];
    let ended = [const { AtomicBool::new(false) }; 4];
    let cpus = common::cpus();
    let (mut signals, mut moves, mut lowest) = (0, 0, i64::MAX);
    let mut look = |cells: Vec<i64>| lowest = cells.into_iter().fold(lowest, i64::min);
    std::thread::scope(|scope| {
        let _at_the_end = Raise(&over);
        for (i, (mine, end)) in tids.iter().zip(&ended).enumerate() {
            let (count, device, done, over) = (&count, &device, &done, &over);
            scope.spawn(move || {
                mine.store(tid(), SeqCst);
                let _tells = Raise(end);
                while done.load(Relaxed) < operations && !over.load(Relaxed) {
                    let some = match i % 2 {
                        0 if LEDGER.owed.load(SeqCst) + LEDGER.inside.load(SeqCst) > 1 << 20 => 0,
                        0 => {
                            for _ in 0..BATCH {
                                assert!(count.acquire());
                                device.enter();
                            }
                            LEDGER.owed.fetch_add(BATCH, SeqCst);
                            LEDGER.inside.fetch_add(BATCH, SeqCst);
                            2 * BATCH
                        }
                        _ => {
                            let (holds, passes) = (take(&LEDGER.owed), take(&LEDGER.inside));
                            (0..holds).for_each(|_| count.release());
                            (0..passes).for_each(|_| device.exit());
                            holds + passes
                        }
                    };
                    if some == 0 {
                        std::thread::yield_now();
                    }
                    done.fetch_add(some as u64, Relaxed);
                }
                ignore_from_now_on(libc::SIGUSR1);
            });
        }
        until("the threads", || tids.iter().all(|tid| tid.load(SeqCst) != 0));
        let mut next = Instant::now();
        while !ended.iter().all(|end| end.load(SeqCst)) {
            // Acquirers and releasers on different CPUs, then the other way round, then wherever they like.
            if Instant::now() >= next {
                for (i, tid) in tids.iter().enumerate() {
                    let allowed = match moves / 4 % 3 {
                        2 => &cpus[..],
                        turn => std::slice::from_ref(&cpus[(i + turn as usize) % cpus.len()]),
                    };
                    move_thread(tid.load(SeqCst), allowed);
                    moves += 1;
                }
                next = Instant::now() + Duration::from_micros(500);
                look(count.cells());
                look(device.cells());
            }
            for (tid, _) in tids.iter().zip(&ended).filter(|(_, end)| !end.load(SeqCst)) {
                signal(tid.load(SeqCst), libc::SIGUSR1);
                signals += 1;
            }
        }
    });
    look(count.cells());
    look(device.cells());
    let sum = |cells: Vec<i64>| cells.iter().sum::<i64>();
    let (owed, inside) = (LEDGER.owed.swap(0, SeqCst), LEDGER.inside.swap(0, SeqCst));
    for (what, seen, expected) in [("count", sum(count.cells()), owed), ("gate", sum(device.cells()), inside)] {
        if seen != expected {
            return Err(format!("the sum of the {what} is {seen}, and {expected} have not been released"));
        }
    }
    assert_eq!(i64::from(count.references()), owed);
    // The rest, while the cells are closed.
    let closed = device.close();
    assert_eq!(count.drain_within(no_time()).is_ok(), owed == 0);
    assert_eq!(device.seal_within(closed, no_time()).is_ok(), inside == 0);
    (0..owed).for_each(|_| count.release());
    (0..inside).for_each(|_| device.exit());
    assert_eq!(count.drain_within(long()), Ok(()));
    assert_eq!(device.wait_within(long()), Ok(()));
    count.end();
    device.end();
    let handled = LEDGER.handled.load(SeqCst);
    Ok(Outcome { operations: done.into_inner() + handled, signals, moves, lowest })
}

/// Lets a thread run on these CPUs alone, if it lives.
fn move_thread(tid: i32, cpus: &[usize]) {
    // SAFETY: a zeroed set is a value; the kernel reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cpus.iter().for_each(|&cpu| libc::CPU_SET(cpu, &mut set));
        libc::sched_setaffinity(tid, size_of_val(&set), &raw const set);
    }
}

fn operations(default: u64) -> u64 {
    std::env::var("PSREF_TEST_OPERATIONS").map_or(default, |told| told.parse().expect("a number"))
}

/// Again where the storm was none, because the machine was busy with other things: every sum must be exact, and one storm real.
fn exact(operations: u64) {
    // `PSREF_TEST_SHORT=1`: fewer where there is no section, which is where each costs most and least can go wrong.
    let few = std::env::var_os("PSREF_TEST_SHORT").is_some() && !backend_is_rseq();
    let operations = if few { operations / 10 } else { operations };
    let real = (0..10).any(|_| {
        let began = Instant::now();
        let Outcome { operations, signals, moves, lowest } = storm(operations).unwrap();
        let took = began.elapsed();
        eprintln!(
            "{operations} operations in {took:?}, {signals} signals, {moves} moves, the lowest cell was at {lowest}"
        );
        signals > 0 && moves > 0 && (lowest < 0 || common::cpus().len() < 2)
    });
    assert!(real, "no signals, no moves, or no cell ever below 0, so nothing moved between the CPUs");
}

const PLANT: &str = "PSREF_TEST_PLANT_DISARMED";

#[test]
fn sums_are_exact() {
    let _hooks = hooks();
    exact(operations(100_000_000));
}

#[test]
fn sums_are_exact_with_pauses_inside_the_sections() {
    let _hooks = hooks();
    inject::arm_sections(std::env::var_os(PLANT).is_none());
    inject::set_delay(20);
    exact(30_000_000);
}

#[test]
fn sums_are_exact_where_a_cpu_has_no_stripe() {
    let _hooks = hooks();
    if backend_is_rseq() {
        inject::limit_cpus(Some(1));
        exact(10_000_000);
    }
}

#[test]
fn disarmed_sections_spoil_the_sums() {
    if !backend_is_rseq() || common::cpus().len() < 2 {
        return;
    }
    let spoilt = (0..20).any(|_| {
        let run = alone("sums_are_exact_with_pauses_inside_the_sections", &[(PLANT, "1")]);
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert!(run.status.success() || said.contains("have not been released"), "ended for another reason: {said}");
        !run.status.success()
    });
    assert!(spoilt, "20 storms with the sections disarmed went by unnoticed");
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
