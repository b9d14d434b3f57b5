// SPDX-License-Identifier: MIT OR Apache-2.0
//! Local counts: what drains and trydrains wait for, leave and cost, with sections, without, and on the atomics back end.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;

use asleep::{alone, handle, pass, signal, sleeps, tid};
use common::{hooks, until};
use counting::{Count, Raise, every_way, long, no_time, on, short, side_by_side};
use psref::{CountGuard, Draining, Errno, GaveUp, LocalCount, Patience, inject};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

/// A thread that drains; here once it sleeps.
fn drainer<'s, 'e, T: Send + Sync>(
    scope: &'s Scope<'s, 'e>,
    count: &'e LocalCount<T>,
) -> ScopedJoinHandle<'s, Result<(), GaveUp>> {
    let (tells, told) = channel();
    let drainer = scope.spawn(move || {
        tells.send(tid()).unwrap();
        count.drain_within(long())
    });
    let tid = told.recv().unwrap();
    until("the drainer to sleep", || sleeps(tid) || drainer.is_finished());
    drainer
}

#[test]
fn a_drain_waits_for_each_hold_wherever_it_is_released() {
    let _hooks = hooks();
    every_way(|way| {
        let count = LocalCount::new(1).unwrap();
        let guards: Vec<_> =
            (0..4).map(|i| on(common::cpus()[i % common::cpus().len()], || count.acquire().unwrap())).collect();
        std::thread::scope(|scope| {
            let drain = drainer(scope, &count);
            for guard in guards {
                assert!(!drain.is_finished(), "{way}: held, and the drain has returned");
                assert_eq!(*guard, 1);
                scope.spawn(move || drop(guard)).join().unwrap();
            }
            assert_eq!(drain.join().unwrap(), Ok(()), "{way}: nobody holds it");
        });
    });
}

#[test]
fn an_acquire_is_refused_from_a_drains_beginning_on() {
    let _hooks = hooks();
    every_way(|way| {
        let count = LocalCount::new(1).unwrap();
        let guard = count.acquire().unwrap();
        assert_eq!(count.drain_within(no_time()), Err(GaveUp::TimedOut), "{way}");
        assert_eq!(count.acquire().unwrap_err(), Draining, "{way}: draining");
        let second = guard.clone(); // who holds may go on holding
        drop(guard);
        assert_eq!(count.drain_within(no_time()), Err(GaveUp::TimedOut), "{way}: the clone is a hold");
        drop(second);
        assert_eq!(count.drain_within(no_time()), Ok(()), "{way}");
        assert_eq!(count.acquire().unwrap_err(), Draining, "{way}: drained");
        assert_eq!(count.drain_within(no_time()), Ok(()), "{way}: again");
        assert_eq!(count.into_inner(), 1, "{way}");
    });
}

#[test]
fn all_who_drain_at_once_wait() {
    let _hooks = hooks();
    every_way(|way| {
        let count = LocalCount::new(1).unwrap();
        let guard = count.acquire().unwrap();
        std::thread::scope(|scope| {
            let drains: Vec<_> = (0..4).map(|_| drainer(scope, &count)).collect();
            assert!(drains.iter().all(|drain| !drain.is_finished()), "{way}: held, and a drain has returned");
            drop(guard);
            drains.into_iter().for_each(|drain| assert_eq!(drain.join().unwrap(), Ok(()), "{way}"));
        });
    });
}

/// While the first of them sums the cells the total is 0, which means nothing yet (C2).
#[test]
fn a_second_drain_does_not_return_while_the_first_one_sums() {
    let _hooks = hooks();
    every_way(|way| {
        let count = Count::new();
        assert!(count.acquire());
        let mut second = Ok(());
        let first =
            counting::in_the_middle_of(0, || count.drain_within(short()), || second = count.drain_within(no_time()));
        assert_eq!((first, second), (Err(GaveUp::TimedOut), Err(GaveUp::TimedOut)), "{way}: one hold is left");
        count.release();
        assert_eq!(count.drain_within(long()), Ok(()), "{way}");
        count.end();
    });
}

#[test]
fn the_first_release_while_another_sums_is_not_the_last() {
    let _hooks = hooks();
    every_way(|way| {
        let count = Count::new();
        assert!(count.acquire() && count.acquire());
        // The total is below 0 now, and 0 once the second has gone: neither is the end.
        let drain = counting::in_the_middle_of(0, || count.drain_within(short()), || count.release());
        assert_eq!(drain, Err(GaveUp::TimedOut), "{way}: one hold is left");
        count.release();
        assert_eq!(count.drain_within(long()), Ok(()), "{way}");
        count.end();
    });
}

#[test]
fn a_drain_gives_up_in_time_and_can_be_called_again() {
    let _hooks = hooks();
    let limit = Duration::from_millis(50);
    every_way(|way| {
        let count = LocalCount::new(1).unwrap();
        let guard = count.acquire().unwrap();
        let began = Instant::now();
        assert_eq!(count.drain_within(Patience::at_most(limit)), Err(GaveUp::TimedOut), "{way}");
        assert!(began.elapsed() >= limit, "{way}: gave up early");
        std::thread::scope(|scope| {
            let drain = drainer(scope, &count);
            assert!(!drain.is_finished(), "{way}: held, and the drain has returned");
            drop(guard);
            assert_eq!(drain.join().unwrap(), Ok(()), "{way}");
        });
    });
}

extern "C" fn nothing(_: i32) {}

#[test]
fn a_signal_ends_an_interruptible_drain_even_with_sa_restart() {
    let _hooks = hooks();
    handle(libc::SIGUSR1, nothing);
    let count = LocalCount::new(1).unwrap();
    let guard = count.acquire().unwrap();
    let over = AtomicBool::new(false);
    let me = tid();
    std::thread::scope(|scope| {
        let at_the_end = Raise(&over);
        scope.spawn(|| {
            // As long as it takes: the first signals may come before the drain sleeps.
            while !over.load(SeqCst) {
                signal(me, libc::SIGUSR1);
                pass(Duration::from_millis(5));
            }
        });
        assert_eq!(count.drain_within(Patience::FOREVER.or_signal()), Err(GaveUp::Interrupted));
        drop(at_the_end);
    });
    drop(guard);
}

#[test]
fn a_trydrain_with_a_hold_changes_nothing() {
    let _hooks = hooks();
    every_way(|way| {
        let count = Count::new();
        assert!(on(common::cpus()[0], || count.acquire() && count.acquire()));
        on(*common::cpus().last().unwrap(), || count.release());
        let before = (count.bytes(), count.cells(), count.references());
        for _ in 0..3 {
            assert!(!count.trydrain(), "{way}: drained, and somebody holds it");
            assert_eq!((count.bytes(), count.cells(), count.references()), before, "{way}");
        }
        assert_eq!(count.references(), 1, "{way}");
        // All goes on as before.
        assert!(count.acquire(), "{way}");
        assert_eq!(count.references(), 2, "{way}");
        assert!(!count.trydrain(), "{way}");
        count.release();
        assert_eq!(count.drain_within(short()), Err(GaveUp::TimedOut), "{way}: one hold is left");
        count.release();
        assert_eq!(count.drain_within(long()), Ok(()), "{way}: a drain after trydrains that failed");
        count.end();
    });
}

#[test]
fn a_trydrain_of_what_nobody_holds_drains_it_for_good() {
    let _hooks = hooks();
    every_way(|way| {
        let count = Count::new();
        // Cells that are not 0 and add up to it.
        assert!(on(common::cpus()[0], || count.acquire()));
        on(*common::cpus().last().unwrap(), || count.release());
        assert!(count.trydrain(), "{way}");
        assert!(!count.acquire(), "{way}: drained, and acquired");
        count.end();
    });
}

#[test]
fn a_count_gives_its_value_only_when_nobody_holds_it() {
    let _hooks = hooks();
    every_way(|way| {
        let count = LocalCount::new(String::from("disk")).unwrap();
        let guard = count.acquire().unwrap();
        let count = count.try_into_inner().expect_err(way);
        let second = count.acquire().expect(way);
        drop(guard);
        let mut count = count.try_into_inner().expect_err(way);
        drop(second);
        assert!(count.try_drain(), "{way}");
        assert!(count.try_drain(), "{way}: again");
        assert_eq!(count.try_into_inner().expect(way), "disk");
    });
}

#[test]
fn a_trydrain_of_what_drains_tells_whether_it_has() {
    let _hooks = hooks();
    every_way(|way| {
        let mut count = LocalCount::new(1).unwrap();
        let guard = count.acquire().unwrap();
        assert_eq!(count.drain_within(no_time()), Err(GaveUp::TimedOut));
        assert!(!count.try_drain(), "{way}: held");
        drop(guard);
        assert!(count.try_drain(), "{way}");
    });
}

/// Others release all the time; a trydrain that says yes is right, one that says no has spoiled nothing.
#[test]
fn trydrains_among_releases_are_right() {
    let _hooks = hooks();
    let (yes, no) = (AtomicU32::new(0), AtomicU32::new(0));
    let new = || {
        let count = Count::new();
        assert!(count.acquire() && count.acquire());
        (count, AtomicU32::new(2))
    };
    let release = |(count, left): &(Count, AtomicU32)| {
        for _ in 0..2 {
            left.fetch_sub(1, SeqCst);
            count.release();
        }
    };
    let try_it = |(count, left): &(Count, AtomicU32), round: u32| {
        while !count.trydrain() {
            no.fetch_add(1, SeqCst);
        }
        yes.fetch_add(1, SeqCst);
        assert_eq!(left.load(SeqCst), 0, "round {round}: drained, and somebody holds it");
    };
    side_by_side(3000, new, try_it, release, |(count, _)| count.end());
    eprintln!("{} times yes, {} times no", yes.load(SeqCst), no.load(SeqCst));
    assert!(no.into_inner() > 0, "nobody ever held it");
}

#[test]
fn draining_takes_one_membarrier_and_trydrain_too() {
    let _hooks = hooks();
    if !common::backend_is_rseq() {
        return;
    }
    let took = |body: &dyn Fn()| {
        let before = inject::barriers();
        body();
        inject::barriers() - before
    };
    let nobody = Count::new();
    assert_eq!(took(&|| assert_eq!(nobody.drain_within(long()), Ok(()))), 1);
    let held = Count::new();
    assert!(held.acquire());
    assert_eq!(took(&|| assert!(!held.trydrain())), 1);
    // The cells are frozen by the first one; what comes later finds the total.
    assert_eq!(took(&|| assert!(held.drain_within(short()).is_err())), 1);
    held.release();
    assert_eq!(took(&|| assert_eq!(held.drain_within(long()), Ok(()))), 0);
}

/// Tells when it is dropped.
struct Loud(Arc<AtomicBool>);

impl Drop for Loud {
    fn drop(&mut self) {
        assert!(!self.0.swap(true, SeqCst), "dropped twice");
    }
}

#[test]
fn the_value_is_dropped_once_and_after_the_last_guard() {
    let _hooks = hooks();
    every_way(|way| {
        let gone = Arc::new(AtomicBool::new(false));
        let count = LocalCount::new(Loud(Arc::clone(&gone))).unwrap();
        let guards: Vec<CountGuard<Loud>> = (0..3).map(|_| count.acquire().unwrap()).collect();
        std::thread::scope(|scope| {
            let (tells, told) = channel();
            let dropper = scope.spawn(move || {
                tells.send(tid()).unwrap();
                drop(count);
            });
            let tid = told.recv().unwrap();
            until("the dropper to sleep", || sleeps(tid) || dropper.is_finished());
            for guard in guards {
                assert!(!guard.0.load(SeqCst), "{way}: dropped under its guard");
                drop(guard);
            }
        });
        assert!(gone.load(SeqCst), "{way}");
    });
}

#[test]
fn without_memory_a_count_is_refused_and_the_others_stay() {
    let _hooks = hooks();
    let count = Count::new();
    assert!(count.acquire());
    inject::refuse_memory(true);
    // What earlier counts left free is used up first.
    let mut made = Vec::new();
    let refused = loop {
        match LocalCount::new(1) {
            Ok(count) => made.push(count),
            Err(e) => break e,
        }
        assert!(made.len() < 1_000_000, "memory is refused, and counts go on");
    };
    assert_eq!(refused, Errno(libc::ENOMEM));
    assert!(count.acquire());
    made.iter().for_each(|count| drop(count.acquire().unwrap()));
    inject::refuse_memory(false);
    assert_eq!(count.references(), 2);
    count.release();
    count.release();
    assert!(count.trydrain());
    count.end();
}

const CHILD: &str = "PSREF_TEST_COUNTS_CHILD";

/// Run as a child of the test below.
#[test]
fn slow_drain() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let count = LocalCount::new(1).unwrap();
    let guards = (count.acquire().unwrap(), count.acquire().unwrap());
    assert!(count.drain_within(Patience::at_most(Duration::from_millis(400))).is_err());
    drop(guards);
    assert_eq!(count.drain_within(long()), Ok(()));
}

#[test]
fn a_slow_drain_tells_how_many_references_there_are() {
    let run = alone("slow_drain", &[(CHILD, "1"), ("PSREF_DRAIN_WARN", "0.1")]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("has waited 0 s for 2 reference(s)"), "{said}");
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
