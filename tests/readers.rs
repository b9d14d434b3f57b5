// SPDX-License-Identifier: MIT OR Apache-2.0
//! Read sections and performs: what they cost, whom they wait for, how they share, what ends a wait, and what they tell.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;
#[path = "common/reading.rs"]
mod reading;

use asleep::{handle, pass, signal, tid};
use common::{hooks, until};
use counting::{Raise, long, no_time, short};
use psref::pserialize::raw;
use psref::{GaveUp, InReadSection, Patience, Pserialize, ReadSection, inject};
use reading::{Reader, performer};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[test]
fn sections_nest() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    assert!(!ReadSection::is_open_here());
    let outer = ReadSection::enter();
    let inner = ReadSection::enter();
    drop(outer); // in whatever order
    assert!(ReadSection::is_open_here());
    assert_eq!(psz.perform_within(no_time()), Err(InReadSection));
    drop(inner);
    assert!(!ReadSection::is_open_here());
    assert_eq!(psz.perform_within(no_time()), Ok(Ok(())));
}

#[test]
fn sections_nest_65535_deep() {
    let _hooks = hooks();
    for _ in 0..65_535 {
        raw::enter();
    }
    for _ in 0..65_535 {
        assert!(ReadSection::is_open_here());
        raw::exit(0);
    }
    assert!(!ReadSection::is_open_here());
}

static DEPTH: AtomicU32 = AtomicU32::new(0);
static WRONG: AtomicU32 = AtomicU32::new(0);

/// Reads; halfway another signal interrupts it, whose handler reads too.
extern "C" fn reads(which: i32) {
    let was = ReadSection::is_open_here();
    let reading = ReadSection::enter();
    if which == libc::SIGUSR1 {
        signal(tid(), libc::SIGUSR2);
        DEPTH.fetch_add(1, SeqCst);
    }
    if !ReadSection::is_open_here() {
        WRONG.fetch_add(1, SeqCst);
    }
    drop(reading);
    if ReadSection::is_open_here() != was {
        WRONG.fetch_add(1, SeqCst);
    }
}

#[test]
fn handlers_read_inside_handlers_wherever_they_come() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    handle(libc::SIGUSR1, reads);
    handle(libc::SIGUSR2, reads);
    inject::set_delay(50);
    WRONG.store(0, SeqCst);
    DEPTH.store(0, SeqCst);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let at_the_end = Raise(&over);
        let over = &over;
        let readers: Vec<i32> = (0..2)
            .map(|_| {
                let (tells, told) = channel();
                scope.spawn(move || {
                    tells.send(tid()).unwrap();
                    while !over.load(SeqCst) {
                        let outer = ReadSection::enter();
                        let inner = ReadSection::enter();
                        drop(inner);
                        assert!(ReadSection::is_open_here());
                        drop(outer);
                        assert!(!ReadSection::is_open_here());
                    }
                });
                told.recv().unwrap()
            })
            .collect();
        until("200 handlers", || {
            readers.iter().for_each(|&reader| signal(reader, libc::SIGUSR1));
            assert_eq!(psz.perform_within(long()), Ok(Ok(())), "every section ends, and somebody is waited for");
            DEPTH.load(SeqCst) >= 200
        });
        drop(at_the_end);
    });
    assert_eq!(WRONG.load(SeqCst), 0);
}

#[test]
fn a_perform_with_nobody_inside_takes_one_membarrier() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    drop(ReadSection::enter()); // a reader there was
    let takes = u64::from(psref::backend() == psref::Backend::Rseq);
    for _ in 0..10 {
        let before = inject::barriers();
        psz.perform();
        assert_eq!(inject::barriers() - before, takes);
    }
}

#[test]
fn a_perform_that_waits_takes_two() {
    let _hooks = hooks();
    if !common::backend_is_rseq() {
        return;
    }
    let psz = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let reader = Reader::start(scope);
        let before = inject::barriers();
        assert_eq!(psz.perform_within(short()), Ok(Err(GaveUp::TimedOut)));
        assert_eq!(inject::barriers() - before, 2);
        reader.leave();
    });
}

/// The first leads and waits; all others come while it does, and one grace period more serves them all.
#[test]
fn performs_that_wait_share() {
    const OTHERS: usize = 8;
    let _hooks = hooks();
    if !common::backend_is_rseq() {
        return;
    }
    let psz = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let reader = Reader::start(scope);
        let before = inject::barriers();
        let all: Vec<_> = (0..=OTHERS).map(|_| performer(scope, &psz, long())).collect();
        assert_eq!(inject::barriers() - before, 2, "the others wait and do nothing");
        reader.leave();
        all.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), Ok(())));
        assert_eq!(inject::barriers() - before, 3);
    });
}

#[test]
fn a_perform_waits_for_a_section_of_another_thread() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let reader = Reader::start(scope);
        let waits = performer(scope, &psz, long());
        pass(Duration::from_millis(20));
        assert!(!waits.is_finished(), "a section was open, and perform has returned");
        reader.leave();
        assert_eq!(waits.join().unwrap(), Ok(()), "the end of the section woke nobody");
    });
}

#[test]
fn a_perform_does_not_wait_for_a_section_that_began_later() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let early = Reader::start(scope);
        let waits = performer(scope, &psz, long());
        let late = Reader::start(scope);
        early.leave();
        assert_eq!(waits.join().unwrap(), Ok(()), "waited for a section that began after it");
        assert_eq!(psz.perform_within(no_time()), Ok(Err(GaveUp::TimedOut)), "the later section is open still");
        late.leave();
    });
}

/// It comes while another is waiting, so what that one waited for is not enough for it (R22).
#[test]
fn a_perform_does_not_join_one_that_is_under_way() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let early = Reader::start(scope);
        let first = performer(scope, &psz, long());
        let late = Reader::start(scope);
        let second = performer(scope, &psz, long());
        early.leave();
        assert_eq!(first.join().unwrap(), Ok(()));
        pass(Duration::from_millis(20));
        assert!(!second.is_finished(), "a section was open, and perform has returned");
        late.leave();
        assert_eq!(second.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_perform_inside_a_section_is_refused() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    let reading = ReadSection::enter();
    let before = inject::barriers();
    assert_eq!(psz.perform_within(long()), Err(InReadSection));
    assert_eq!(inject::barriers(), before);
    let dies = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| psz.perform()));
    assert!(dies.is_err());
    drop(reading);
    psz.perform();
}

#[test]
fn null_stands_for_any_handle() {
    let _hooks = hooks();
    // SAFETY: null is allowed.
    unsafe {
        raw::perform(std::ptr::null());
        raw::destroy(std::ptr::null());
    }
    let _alive = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let reader = Reader::start(scope);
        let returned = AtomicBool::new(false);
        std::thread::scope(|inner| {
            inner.spawn(|| {
                // SAFETY: null is allowed.
                unsafe { raw::perform(std::ptr::null()) };
                returned.store(true, SeqCst);
            });
            pass(Duration::from_millis(20));
            assert!(!returned.load(SeqCst), "a section was open, and perform has returned");
            reader.leave();
        });
        assert!(returned.into_inner());
    });
}

#[test]
fn whoever_leads_gives_up_and_another_takes_over() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let reader = Reader::start(scope);
        let began = Instant::now();
        let leads = performer(scope, &psz, Patience::at_most(Duration::from_millis(100)));
        let follows: Vec<_> = (0..3).map(|_| performer(scope, &psz, long())).collect();
        assert_eq!(leads.join().unwrap(), Err(GaveUp::TimedOut));
        assert!(began.elapsed() >= Duration::from_millis(100), "gave up early");
        pass(Duration::from_millis(20));
        assert!(follows.iter().all(|one| !one.is_finished()), "a section is open, and perform has returned");
        reader.leave();
        follows.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), Ok(())));
    });
}

#[test]
fn whoever_follows_gives_up_too() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let reader = Reader::start(scope);
        let leads = performer(scope, &psz, long());
        assert_eq!(psz.perform_within(short()), Ok(Err(GaveUp::TimedOut)));
        reader.leave();
        assert_eq!(leads.join().unwrap(), Ok(()));
        assert_eq!(psz.perform_within(long()), Ok(Ok(())));
    });
}

extern "C" fn nothing(_: i32) {}

#[test]
fn a_signal_ends_an_interruptible_perform_even_with_sa_restart() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    handle(libc::SIGURG, nothing);
    std::thread::scope(|scope| {
        let reader = Reader::start(scope);
        let over = AtomicBool::new(false);
        let me = tid();
        std::thread::scope(|inner| {
            let at_the_end = Raise(&over);
            inner.spawn(|| {
                // As long as it takes: the first signals may come before the perform sleeps.
                while !over.load(SeqCst) {
                    signal(me, libc::SIGURG);
                    pass(Duration::from_millis(5));
                }
            });
            assert_eq!(psz.perform_within(Patience::FOREVER.or_signal()), Ok(Err(GaveUp::Interrupted)));
            drop(at_the_end);
        });
        reader.leave();
    });
}

/// Old readers and new ones all the time, several performers: nobody waits for ever, and what is given free nobody finds.
#[test]
fn performs_end_while_readers_come_and_go() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    let (over, published, freed) = (AtomicBool::new(false), AtomicU64::new(1), AtomicU64::new(0));
    let performs = AtomicI32::new(0);
    std::thread::scope(|scope| {
        let at_the_end = Raise(&over);
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    let _reading = ReadSection::enter();
                    let found = published.load(SeqCst);
                    std::thread::yield_now();
                    assert!(freed.load(SeqCst) < found, "found {found}, which a perform has given free");
                }
            });
        }
        let performers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..300 {
                        let old = published.fetch_add(1, SeqCst);
                        assert_eq!(psz.perform_within(long()), Ok(Ok(())));
                        freed.fetch_max(old, SeqCst);
                        performs.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        performers.into_iter().for_each(|performer| performer.join().unwrap());
        drop(at_the_end);
    });
    assert_eq!(performs.into_inner(), 900);
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
