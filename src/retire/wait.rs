// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for what was retired, and driving without a thread.

use super::entry::Entry;
use super::helper::{self, NONE, POLLED, Watch};
use super::state::{ALL, State};
use crate::diag::{fatal, report};
use crate::park::{GaveUp, Patience};
use crate::psref::retired::{self, ATTENTION, or_die};
use crate::sys::sync::Ordering;
use crate::watchdog::Watchdog;
use crate::{pserialize, strict, thread};

/// What was retired and has not come to its end.
fn outstanding(all: &State) -> u64 {
    all.outstanding.load(Ordering::Acquire) // with `call`
}

/// Drives a step, unless another thread does, or the caller is inside a read section, which what it would call may wait for; answers how
/// many things are left. Where there is no helper yet, there will be none. Does not wait.
pub(super) fn poll() -> u64 {
    let all: &State = &ALL;
    let me = thread::number();
    super::fork::see_to_it();
    let _ = all.helper.compare_exchange(NONE, POLLED, Ordering::SeqCst, Ordering::Relaxed);
    if !pserialize::raw::is_inside() {
        helper::pass_for_all(me);
    }
    outstanding(all)
}

/// Whether the calling thread is in a function that was retired.
pub(super) fn is_inside() -> bool {
    thread::number_if_any().is_some_and(|me| ALL.is_driven_by(me))
}

/// Whether the calling thread holds a target that was retired.
pub(super) fn is_held_up_here() -> bool {
    outstanding(&ALL) != 0 && retired::is_held_here(Entry::is_waiting)
}

/// Waits until everything that was retired before has come to its end, as long as `patience` says.
pub(super) fn barrier(who: &str, patience: Patience) -> Result<(), GaveUp> {
    strict::assert_sleepable(who);
    let all: &State = &ALL;
    let me = thread::number();
    if all.is_driven_by(me) {
        fatal(format_args!(
            "{who}: called by a function that was retired, for which it would wait for ever; expected any other place"
        ));
    }
    if pserialize::raw::is_inside() {
        fatal(format_args!(
            "{who}: called inside a read section of this very thread, for which it would wait for ever, expected outside"
        ));
    }
    if outstanding(all) == 0 {
        return Ok(());
    }
    if patience.is_forever() {
        or_die(who, retired::not_mine(Entry::is_waiting));
    }
    let need = all.taken.load(Ordering::SeqCst) + 1; // E2
    let mut wanted = all.wanted.load(Ordering::Relaxed);
    while wanted < need {
        match all.wanted.compare_exchange(wanted, need, Ordering::SeqCst, Ordering::Relaxed) {
            Ok(_) => break,
            Err(now) => wanted = now,
        }
    }
    ATTENTION.moved.advance_and_wake_all();
    let mut watchdog = Watchdog::new();
    loop {
        let seen = all.turned.word(); // E4
        if is_reached(all, need) {
            return Ok(());
        }
        if helper::start().is_err() || all.helper.load(Ordering::SeqCst) == POLLED {
            return drive_until(who, need, me, patience);
        }
        if let Some(seconds) = watchdog.due() {
            report(format_args!("{who} has waited {seconds} s; {} things are left", outstanding(all)));
        }
        patience.wait(&all.turned, seen, watchdog.next())?;
    }
}

fn is_reached(all: &State, need: u64) -> bool {
    all.finished.load(Ordering::SeqCst) >= need
}

/// Where nobody else does.
fn drive_until(who: &str, need: u64, me: u64, patience: Patience) -> Result<(), GaveUp> {
    let all: &State = &ALL;
    let (mut watch, mut busy) = (Watch::default(), Watchdog::new());
    loop {
        let (seen, turned) = (ATTENTION.moved.word(), all.turned.word()); // E4
        let next = helper::pass_for_all(me);
        if is_reached(all, need) {
            return Ok(());
        }
        match next {
            // Having told the others, it has moved the word itself: one more step before the sleep would be too many.
            Some((next, told)) => watch.rest(next, seen.wrapping_add(u32::from(told)), &ATTENTION.moved, patience)?,
            None => {
                if let Some(seconds) = busy.due() {
                    report(format_args!(
                        "{who} has waited {seconds} s; {} things are left, which another thread sees to, or is in a function of",
                        outstanding(all)
                    ));
                }
                patience.wait(&all.turned, turned, busy.next())?;
            }
        }
    }
}
