// SPDX-License-Identifier: MIT OR Apache-2.0
//! The thread that drives, where the program does not: one, started by the first use, for ever. How often whoever
//! drives looks where nobody tells it, and how long it lets a batch come together.

use super::drive::{self, Next};
use super::state::{ALL, State};
use crate::park::{Futex, GaveUp, Patience};
use crate::psref::retired::ATTENTION;
#[cfg(not(loom))]
use crate::sys::clock;
#[cfg(not(loom))]
use crate::sys::errno::ENOMEM;
use crate::sys::errno::Errno;
#[cfg(not(loom))]
use crate::sys::spawn;
use crate::sys::sync::Ordering;
use crate::sys::{process, signals};
use crate::thread;
use crate::watchdog::Watchdog;

/// | value | meaning | who may change it to what |
/// |---|---|---|
/// | `NONE` | there is no thread | whoever needs it: `STARTING`; a poll: `POLLED` |
/// | `STARTING` | one is being made | the thread itself: `RUNS`; who could not make it, or a fork: `NONE` |
/// | `RUNS` | there is one | a fork: `NONE` |
/// | `POLLED` | the program polls, and there is never one | |
pub(super) const NONE: u32 = 0;
const STARTING: u32 = 1;
#[cfg_attr(loom, allow(dead_code))]
const RUNS: u32 = 2;
pub(super) const POLLED: u32 = 3;

/// How long a batch may take to come together, in nanoseconds.
const COLLECT: u64 = 1_000_000;

/// How often read sections are looked at that a batch waits for, in nanoseconds: they do not tell (their ends stay
/// cheap, and whoever drives can see to other things meanwhile).
const LOOK: u64 = 1_000_000;

/// Sees to it that somebody drives. Never sleeps. An error: there is no thread, and none could be made.
pub(super) fn start() -> Result<(), Errno> {
    if ALL.helper.load(Ordering::Acquire) != NONE {
        return Ok(());
    }
    if ALL.helper.compare_exchange(NONE, STARTING, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
        #[cfg(not(loom))]
        spawn::thread(serve, 0).map_err(|_| {
            // What others have queued meanwhile waits for the next use.
            ALL.helper.store(NONE, Ordering::SeqCst);
            ALL.turned.advance_and_wake_all();
            ENOMEM
        })?;
    }
    Ok(())
}

/// The helper's life.
#[cfg(not(loom))]
extern "C" fn serve(_: *mut std::ffi::c_void) -> *mut std::ffi::c_void {
    spawn::name(c"psref/retire");
    let me = thread::number();
    ALL.helper_is.store(me, Ordering::SeqCst);
    ALL.helper.store(RUNS, Ordering::SeqCst);
    let mut watch = Watch::default();
    loop {
        let seen = ATTENTION.moved.word(); // E4
        match pass(me) {
            // For ever: nobody interrupts the helper.
            Some(next) => _ = watch.rest(next, seen, &ATTENTION.moved, Patience::FOREVER),
            // Whoever drives moves the word when it stops.
            None => _ = ATTENTION.moved.wait(seen, None),
        }
        if !ALL.queue.load(Ordering::SeqCst).is_null() {
            collect();
        }
    }
}

/// Drives one step. `None`: another thread drives, and will tell when it has stopped.
fn pass(me: u64) -> Option<Next> {
    let all: &State = &ALL;
    if !all.drive(me) {
        // A Dekker pair with `hand_over`: either that one finds this word, or it has stopped by now.
        all.passed_over.store(1, Ordering::SeqCst);
        if !all.drive(me) {
            return None;
        }
    }
    let next = drive::step();
    all.driver.store(0, Ordering::SeqCst);
    Some(next)
}

/// The same by a thread that is not the helper, and whether others were told. Signals are blocked, in the functions too, as they are in
/// the helper's: a handler that forked here would leave its child two owners of the lists. And nobody is cancelled, for others would
/// take the thread for the one that drives for ever.
pub(super) fn pass_for_all(me: u64) -> Option<(Next, bool)> {
    process::uncancelled(|| {
        signals::blocked(|| {
            // Relaxed: moved by who drives alone, so ordered by `driver`; by another after this, others are told once too often.
            let before = ALL.finished.load(Ordering::Relaxed);
            let next = pass(me)?;
            Some((next, hand_over(ALL.finished.load(Ordering::Relaxed) != before)))
        })
    })
}

/// After a thread that is not the helper has driven: tells the helper, or others who wait, that found it busy; or everybody, where something
/// has come to its end: others may rest until then.
fn hand_over(finished: bool) -> bool {
    let told = ALL.passed_over.swap(0, Ordering::SeqCst) != 0 || finished;
    if told {
        ALL.turned.advance_and_wake_all();
        ATTENTION.moved.advance_and_wake_all();
    }
    told
}

/// Sleeps a moment while more comes, unless there is enough already.
#[cfg(not(loom))]
fn collect() {
    let end = clock::now().saturating_add(COLLECT);
    loop {
        let seen = ATTENTION.moved.word();
        if drive::is_full() || clock::now() >= end {
            return;
        }
        ATTENTION.moved.wait(seen, Some(end));
    }
}

/// How long the oldest batch has been waited for, and how many were finished then.
#[derive(Default)]
pub(super) struct Watch(Option<(Watchdog, u64)>);

impl Watch {
    /// Sleeps until there is news, or it is time to look again, as long as `patience` says; tells of waits that take
    /// long.
    pub(super) fn rest(&mut self, next: Next, seen: u32, moved: &Futex, patience: Patience) -> Result<(), GaveUp> {
        match next {
            Next::Again => Ok(()),
            Next::Nothing => {
                self.0 = None;
                patience.wait(moved, seen, u64::MAX)
            }
            Next::Readers | Next::Holders => {
                // Relaxed: a report a look later.
                let finished = ALL.finished.load(Ordering::Relaxed);
                let anew = || (Watchdog::new(), finished);
                let (watchdog, since) = self.0.get_or_insert_with(anew);
                if *since != finished {
                    (*watchdog, *since) = anew(); // what is waited for now has not been for so long
                }
                if let Some(seconds) = watchdog.due() {
                    let first = watchdog.is_first();
                    let me = thread::number();
                    if ALL.drive(me) {
                        drive::tell(seconds, first);
                        ALL.driver.store(0, Ordering::SeqCst);
                        hand_over(false);
                    }
                }
                let soon = watchdog.next();
                if next == Next::Holders { patience.wait(moved, seen, soon) } else { doze(moved, seen, soon, patience) }
            }
        }
    }
}

#[cfg(not(loom))]
fn doze(moved: &Futex, seen: u32, soon: u64, patience: Patience) -> Result<(), GaveUp> {
    patience.wait(moved, seen, soon.min(clock::now().saturating_add(LOOK)))
}

/// Time stands still in models: others go on instead.
#[cfg(loom)]
fn doze(_: &Futex, _: u32, _: u64, _: Patience) -> Result<(), GaveUp> {
    loom::thread::yield_now();
    Ok(())
}
