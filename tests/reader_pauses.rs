// SPDX-License-Identifier: MIT OR Apache-2.0
//! Readers stopped between the steps of entering and leaving a section while performs run, and readers that enter as fast as they
//! can: without the membarrier these find what a perform has given free, on a quiet machine at once.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;

use common::{hooks, until};
use counting::{Raise, can_stop_sections, long, short, stopped_at};
use psref::inject::{self, Barrier, Site};
use psref::pserialize::raw;
use psref::{GaveUp, Pserialize, ReadSection};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicUsize, Ordering, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn warm() {
    let _psz = Pserialize::new().unwrap();
    drop(ReadSection::enter());
}

#[test]
fn a_reader_that_has_not_shown_its_sequence_finds_nothing_old_and_is_waited_for_later() {
    let _hooks = hooks();
    if !can_stop_sections() {
        return;
    }
    let psz = Pserialize::new().unwrap();
    for round in 0..50 {
        let published = AtomicUsize::new(1);
        let (inside, leave) = (AtomicBool::new(false), AtomicBool::new(false));
        let read = || {
            let reading = ReadSection::enter();
            let found = published.load(Ordering::Acquire);
            inside.store(true, SeqCst);
            until("the time to leave", || leave.load(SeqCst));
            drop(reading);
            found
        };
        let (found, _) = stopped_at(Site::ReadSequence, warm, read, || {
            published.store(2, Ordering::Release);
            assert_eq!(psz.perform_within(long()), Ok(Ok(())), "round {round}: nobody is inside");
            inject::open_gate();
            until("the reader to be inside", || inside.load(SeqCst));
            // It shows a sequence from before that perform, and this one came later still.
            assert_eq!(psz.perform_within(short()), Ok(Err(GaveUp::TimedOut)), "round {round}: a reader is inside");
            leave.store(true, SeqCst);
            assert_eq!(psz.perform_within(long()), Ok(Ok(())), "round {round}: the reader has left");
        });
        assert_eq!(found, 2, "round {round}: found what a perform had given free");
    }
}

#[test]
fn a_reader_that_has_left_is_not_waited_for_wherever_it_is() {
    let _hooks = hooks();
    if !can_stop_sections() {
        return;
    }
    let psz = Pserialize::new().unwrap();
    for round in 0..50 {
        let read = || drop(ReadSection::enter());
        stopped_at(Site::ReadEnded, warm, read, || {
            assert_eq!(psz.perform_within(long()), Ok(Ok(())), "round {round}: the section has ended");
        });
    }
}

/// Once the store of the end is out the reader looks for who waits, however late: the performer sleeps until it does.
#[test]
fn a_reader_stopped_after_its_end_wakes_the_performer_when_it_goes_on() {
    let _hooks = hooks();
    if !can_stop_sections() {
        return;
    }
    let psz = Pserialize::new().unwrap();
    let performer = AtomicI32::new(0);
    for round in 0..50 {
        performer.store(0, SeqCst);
        std::thread::scope(|scope| {
            let (performer, psz) = (&performer, &psz);
            let first = move || {
                warm();
                std::mem::forget(ReadSection::enter());
                scope.spawn(move || {
                    performer.store(asleep::tid(), SeqCst);
                    assert_eq!(psz.perform_within(long()), Ok(Ok(())), "round {round}: the reader woke nobody");
                });
                until("the performer to sleep", || {
                    let tid = performer.load(SeqCst);
                    tid != 0 && asleep::sleeps(tid)
                });
            };
            stopped_at(Site::ReadEnded, first, || raw::exit(0), || ());
        });
    }
}

#[test]
fn a_handler_reads_between_any_two_steps_of_entering_and_leaving() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    extern "C" fn reads(_: i32) {
        let outside = !ReadSection::is_open_here();
        let reading = ReadSection::enter();
        let inside = ReadSection::is_open_here();
        drop(reading);
        let same = ReadSection::is_open_here() != outside;
        SEEN.fetch_add(if inside && same { 1 } else { 1 << 16 }, SeqCst);
    }
    let _hooks = hooks();
    if !can_stop_sections() {
        return;
    }
    asleep::handle(libc::SIGUSR1, reads);
    let psz = Pserialize::new().unwrap();
    for site in [Site::ReadSequence, Site::ReadEnded] {
        SEEN.store(0, SeqCst);
        let tid = AtomicI32::new(0);
        let first = || {
            warm();
            tid.store(asleep::tid(), SeqCst);
        };
        let step = || {
            let reading = ReadSection::enter();
            let inside = ReadSection::is_open_here();
            drop(reading);
            (inside, ReadSection::is_open_here())
        };
        let before = inject::waiting_at_gate();
        let (reader, _) = stopped_at(site, first, step, || {
            asleep::signal(tid.load(SeqCst), libc::SIGUSR1);
            until("the handler to come to the same place", || inject::waiting_at_gate() >= before + 2);
            // Sections of handlers end too.
            inject::open_gate();
            until("the handler", || SEEN.load(SeqCst) != 0);
            assert_eq!(psz.perform_within(long()), Ok(Ok(())));
        });
        assert_eq!(SEEN.load(SeqCst), 1, "{site:?}");
        assert_eq!(reader, (true, false), "{site:?}");
    }
}

/// Memory of an element; spoiled once a perform has given it free.
struct Element {
    freed: AtomicBool,
}

/// Lines of memory that a reader writes before it enters: about as much as waits in a store buffer.
const LINES: usize = 0;

/// Whether within `time` a reader finds an element that a perform has given free.
fn found_freed(time: Duration) -> bool {
    let elements = [const { Element { freed: AtomicBool::new(true) } }; 8];
    elements[0].freed.store(false, SeqCst);
    let published = AtomicUsize::new(0);
    let (over, found) = (AtomicBool::new(false), AtomicBool::new(false));
    let psz = Pserialize::new().unwrap();
    let end = Instant::now() + time;
    let cpus = common::cpus();
    std::thread::scope(|scope| {
        let at_the_end = Raise(&over);
        scope.spawn(|| {
            common::pin(cpus[0]);
            // What the reader writes before it enters misses every cache, and keeps its store of the word waiting behind it.
            let mut memory = vec![1_u8; 64 << 20];
            let mut pages = memory.chunks_exact_mut(4096);
            while !over.load(Ordering::Relaxed) {
                let Some(page) = pages.next() else {
                    pages = memory.chunks_exact_mut(4096);
                    continue;
                };
                page[..LINES * 64].fill(1);
                let reading = ReadSection::enter();
                let element = &elements[published.load(Ordering::Acquire)];
                for _ in 0..100 {
                    if element.freed.load(Ordering::Relaxed) {
                        found.store(true, SeqCst);
                    }
                }
                drop(reading);
            }
        });
        let performer = scope.spawn(|| {
            common::pin(*cpus.last().unwrap());
            while Instant::now() < end && !found.load(SeqCst) {
                for fresh in (1..elements.len()).chain([0]) {
                    elements[fresh].freed.store(false, SeqCst);
                    let old = published.swap(fresh, SeqCst);
                    psz.perform();
                    elements[old].freed.store(true, SeqCst);
                }
            }
        });
        performer.join().unwrap();
        drop(at_the_end);
    });
    found.into_inner()
}

#[test]
fn readers_never_find_what_a_perform_has_given_free() {
    let _hooks = hooks();
    assert!(!found_freed(Duration::from_secs(2)));
}

/// It happens in a store buffer: where other programs run beside this one it may not come about for minutes.
#[test]
#[ignore = "needs two CPUs for itself"]
fn without_membarrier_they_do() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::set_barrier(Barrier::None);
        assert!(found_freed(Duration::from_secs(30)), "30 s without a membarrier went by unnoticed");
    }
}

/// Read sections are no restartable ones: a barrier is all they need.
#[test]
fn without_restart_they_do_not() {
    let _hooks = hooks();
    if can_stop_sections() {
        inject::set_barrier(Barrier::WithoutRestart);
        assert!(!found_freed(Duration::from_secs(1)));
    }
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
