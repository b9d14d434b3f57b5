// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a drain costs, how it waits, what ends it, and what it tells.
#![cfg(feature = "inject")]

mod common;

use common::{Thing, backend_is_rseq, hooks, until};
use psref::psref::raw::Hold;
use psref::{GaveUp, Patience, inject};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A thread that holds the target until told.
fn with_a_holder<R>(thing: &Thing, body: impl FnOnce(&mpsc::Sender<()>) -> R) -> R {
    let (go, wait) = mpsc::channel::<()>();
    let (held, is_held) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut hold = Hold::EMPTY;
            assert!(thing.acquire(&mut hold));
            held.send(()).unwrap();
            let _ = wait.recv();
            thing.release(&mut hold);
        });
        is_held.recv().unwrap();
        let answer = body(&go);
        drop(go);
        answer
    })
}

#[test]
fn what_nobody_holds_is_drained_by_one_membarrier() {
    let _hooks = hooks();
    if !backend_is_rseq() {
        return;
    }
    let thing = Thing::new();
    let before = inject::barriers();
    thing.drain();
    assert_eq!(inject::barriers() - before, 1);
    thing.end(); // the destroy finds it drained; the class takes one of its own
    assert_eq!(inject::barriers() - before, 2);
}

/// The second one stands between the raising of the waiter word and the scan before the sleep (P4). What it is for happens in a
/// store buffer, where no test can stop it; models/psref.pml and the loom models show what comes of leaving it out.
#[test]
fn a_drain_that_waits_takes_two() {
    let _hooks = hooks();
    if !backend_is_rseq() {
        return;
    }
    let thing = Thing::new();
    let before = inject::barriers();
    with_a_holder(&thing, |_| {
        assert_eq!(thing.drain_within(Patience::at_most(Duration::from_millis(20))), Err(GaveUp::TimedOut));
        assert_eq!(inject::barriers() - before, 2);
    });
    thing.end();
}

#[test]
fn a_drain_gives_up_in_time_and_can_be_called_again() {
    let _hooks = hooks();
    let thing = Thing::new();
    let limit = Duration::from_millis(50);
    with_a_holder(&thing, |go| {
        let began = Instant::now();
        assert_eq!(thing.drain_within(Patience::at_most(limit)), Err(GaveUp::TimedOut));
        assert!(began.elapsed() >= limit, "gave up early");
        assert!(!thing.acquire(&mut { Hold::EMPTY }), "the target drains still");
        go.send(()).unwrap();
        assert_eq!(thing.drain_within(Patience::at_most(Duration::from_secs(30))), Ok(()));
    });
    thing.end();
}

extern "C" fn nothing(_: libc::c_int) {}

#[test]
fn a_signal_ends_an_interruptible_drain_even_with_sa_restart() {
    let _hooks = hooks();
    let thing = Thing::new();
    // SAFETY: a handler that does nothing, and the thread is alive while it is signalled.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
        with_a_holder(&thing, |_| {
            let me = libc::pthread_self();
            std::thread::scope(|scope| {
                let (done, is_done) = mpsc::channel::<()>();
                scope.spawn(move || {
                    // As long as it takes: the first signals may come before the drain sleeps.
                    while is_done.recv_timeout(Duration::from_millis(5)).is_err() {
                        libc::pthread_kill(me, libc::SIGUSR1);
                    }
                });
                let patience = Patience::at_most(Duration::from_secs(30)).or_signal();
                assert_eq!(thing.drain_within(patience), Err(GaveUp::Interrupted));
                done.send(()).unwrap();
            });
        });
    }
    thing.end();
}

#[test]
fn cpus_past_the_last_stripe_are_served_without_a_section() {
    let _hooks = hooks();
    if !backend_is_rseq() {
        return;
    }
    let thing = Thing::new();
    inject::limit_cpus(Some(0));
    // Past the home block, whose fast path has a limit of its own: what comes after asks the common one.
    let mut holds: Vec<Hold> = (0..200).map(|_| Hold::EMPTY).collect();
    holds.iter_mut().for_each(|hold| assert!(thing.acquire(hold)));
    assert_eq!(thing.drain_within(Patience::at_most(Duration::from_millis(1))), Err(GaveUp::TimedOut));
    holds.iter_mut().for_each(|hold| thing.release(hold));
    thing.end();
}

const CHILD: &str = "PSREF_TEST_SLOW_DRAIN";

/// Run as a child of the test below.
#[test]
fn slow_drain() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let thing = Thing::new();
    let began = Instant::now();
    std::thread::scope(|scope| {
        let (tid, the_tid) = mpsc::channel();
        let thing = &thing;
        scope.spawn(move || {
            let mut hold = Hold::EMPTY;
            assert!(thing.acquire(&mut hold));
            // SAFETY: no arguments.
            tid.send(unsafe { libc::gettid() }).unwrap();
            until("half a second", || began.elapsed() > Duration::from_millis(500));
            thing.release(&mut hold);
        });
        eprintln!("holder {}", the_tid.recv().unwrap());
        thing.drain();
    });
    thing.end();
}

#[test]
fn a_slow_drain_tells_who_holds_what_and_goes_on() {
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "slow_drain", "--nocapture"])
        .envs([(CHILD, "1"), ("PSREF_DRAIN_WARN", "0.1")])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let tid = said.split("holder ").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    assert!(said.contains("(class \"test\") has waited"), "{said}");
    assert!(said.contains(&format!("thread {tid}, acquired on cpu")), "{said}");
}
