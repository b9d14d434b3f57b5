// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads that read, end, end inside, or vanish in a fork: what becomes of their records.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;
#[path = "common/reading.rs"]
mod reading;

use asleep::{alone, tid};
use common::hooks;
use counting::{long, no_time, short};
use psref::pserialize::raw;
use psref::{GaveUp, InReadSection, Patience, Pserialize, ReadSection};
use reading::{Reader, performer};
use std::sync::mpsc::channel;
use std::time::Duration;

/// Resident pages of this process.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn ten_thousand_threads_that_read_leave_nothing_behind() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    let batch = |threads: usize| {
        for _ in 0..threads / 4 {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| drop(ReadSection::enter()));
                }
            });
        }
    };
    batch(500);
    let before = resident();
    batch(10_000);
    // Kept, the records would be 10,000 times 256 bytes: 625 pages.
    let grown = resident().saturating_sub(before);
    assert!(grown < 200, "{grown} pages more");
    psz.perform();
}

const CHILD: &str = "PSREF_TEST_READERS_CHILD";

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Run as a child of the test below.
#[test]
fn readers_that_end_inside() {
    if !is_child() {
        return;
    }
    let psz = Pserialize::new().unwrap();
    let gone = std::thread::spawn(|| {
        std::mem::forget(ReadSection::enter());
        tid()
    });
    eprintln!("gone {}", gone.join().unwrap());
    std::thread::scope(|scope| {
        let (tells, told) = channel();
        let (go, gone) = channel::<()>();
        scope.spawn(move || {
            let _reading = ReadSection::enter();
            tells.send(tid()).unwrap();
            let _ = gone.recv();
        });
        eprintln!("reads {}", told.recv().unwrap());
        assert_eq!(psz.perform_within(Patience::at_most(Duration::from_millis(500))), Ok(Err(GaveUp::TimedOut)));
        drop(go);
    });
    // Threads that are born later do not get the record, and end its section.
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| drop(ReadSection::enter()));
        }
    });
    assert_eq!(psz.perform_within(short()), Ok(Err(GaveUp::TimedOut)), "the section of the dead was forgotten");
}

#[test]
fn a_slow_perform_tells_who_reads_and_who_ended_inside() {
    let run = alone("readers_that_end_inside", &[(CHILD, "1"), ("PSREF_DRAIN_WARN", "0.1")]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let number = |word: &str| said.split(word).nth(1).and_then(|rest| rest.lines().next()).unwrap().to_owned();
    assert!(said.contains("pserialize_perform has waited"), "{said}");
    assert!(said.contains(&format!("thread {}, which ended inside", number("gone "))), "{said}");
    assert!(said.contains(&format!("thread {}\n", number("reads "))), "{said}");
}

/// Run as a child of the test below: nothing of psref was called before.
#[test]
fn a_reader_before_everything() {
    if !is_child() {
        return;
    }
    let reading = ReadSection::enter();
    std::thread::scope(|scope| {
        let psz = Pserialize::new().unwrap();
        let (done, is_done) = channel();
        let (over, is_over) = channel();
        scope.spawn(move || {
            done.send(psz.perform_within(short())).unwrap();
            is_over.recv().unwrap();
            done.send(psz.perform_within(long())).unwrap();
        });
        assert_eq!(is_done.recv().unwrap(), Ok(Err(GaveUp::TimedOut)), "the early reader is inside");
        assert!(ReadSection::is_open_here());
        drop(reading);
        over.send(()).unwrap();
        assert_eq!(is_done.recv().unwrap(), Ok(Ok(())));
        for _ in 0..3 {
            drop(ReadSection::enter());
        }
    });
}

#[test]
fn a_section_that_began_before_a_back_end_was_chosen_is_waited_for() {
    let run = alone("a_reader_before_everything", &[(CHILD, "1")]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

/// The exit status of a forked child that does `body` and ends by its answer, or 99 when it does not end in time.
fn in_a_child(body: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child uses psref, which may be used there, and ends by _exit.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::alarm(20);
            libc::_exit(i32::from(!body()));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 99 }
    }
}

#[test]
fn a_forked_child_waits_for_its_own_thread_alone() {
    let _hooks = hooks();
    let psz = Pserialize::new().unwrap();
    std::thread::scope(|scope| {
        let reader = Reader::start(scope);
        let leads = performer(scope, &psz, Patience::FOREVER);
        let performs = || psz.perform_within(long()) == Ok(Ok(()));
        assert_eq!(in_a_child(performs), 0, "waits for a reader or a performer that did not come along");
        let reading = ReadSection::enter();
        let inside = || {
            let refused = psz.perform_within(no_time()) == Err(InReadSection);
            raw::exit(0);
            refused && !ReadSection::is_open_here() && psz.perform_within(long()) == Ok(Ok(()))
        };
        assert_eq!(in_a_child(inside), 0, "the forking thread's own section came along");
        drop(reading);
        assert!(!leads.is_finished(), "the parent's reader is inside still");
        reader.leave();
        assert_eq!(leads.join().unwrap(), Ok(()));
    });
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
