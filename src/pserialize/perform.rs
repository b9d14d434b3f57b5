// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waiting for read sections.
//!
//! ```text
//! need = started + 1                            after a full fence that follows the caller's unpublishing (R22)
//! loop
//!     completed >= need                         -> done
//!     lead: lock free? take it, and completed < need still
//!         mine = ++started; new = ++grace
//!         membarrier
//!         words older than new: none            -> one membarrier in all
//!         else waited = new; membarrier
//!             loop
//!                 seen = moved                  before the look (Z4)
//!                 words older than new: none    -> leave
//!                 sleep while moved == seen
//!             waited = 0
//!         completed = mine; unlock; wake all who follow, if any do
//!     follow: seen = turned; look again; tell the leader; sleep while turned == seen
//! ```

use super::read::{self, PERIOD};
use crate::diag::report;
use crate::park::{Futex, GaveUp, Patience, outcome};
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering, fence};
use crate::sys::{probe, tls};
use crate::tally::{Ledger, Waits};
use crate::watchdog::Watchdog;
use crate::{thread, xcall};

/// perform was called inside a read section: it would wait for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inside;

/// What performers share.
struct Periods {
    /// Grace periods that began; counted before the sequence moves (R22). Changed by the leader alone.
    started: AtomicU64,
    /// The last that ended. Changed by the leader alone.
    completed: AtomicU64,
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | `FREE` | nobody leads | whoever needs a grace period: `LED` |
    /// | `LED` | somebody leads | the leader, done or out of patience, or a fork: `FREE`; who is about to sleep: `FOLLOWED` |
    /// | `FOLLOWED` | the same, and who sleeps must be woken | the leader or a fork, who wake: `FREE` |
    leader: AtomicU32,
    /// What the leader sleeps on: moved by sections that end.
    moved: Futex,
    /// What the others sleep on: moved by a leader that stops leading.
    turned: Futex,
}

const FREE: u32 = 0;
const LED: u32 = 1;
const FOLLOWED: u32 = 2;

impl Periods {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Periods {
            started: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            leader: AtomicU32::new(FREE),
            moved: Futex::new(),
            turned: Futex::new(),
        }
    }

    #[cfg(loom)]
    fn new() -> Self {
        Periods {
            started: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            leader: AtomicU32::new(FREE),
            moved: Futex::new(),
            turned: Futex::new(),
        }
    }
}

#[cfg(not(loom))]
static PERIODS: Periods = Periods::new();
#[cfg(loom)]
loom::lazy_static! { static ref PERIODS: Periods = Periods::new(); }

/// Before a model's threads begin: see `sync_loom::ready`.
#[cfg(all(test, loom))]
pub(super) fn ready() {
    PERIODS.moved.word();
}

/// A section that showed `word` has ended while somebody waits. Only the waiter's own readers wake it; others would at every
/// section's end.
pub(super) fn wake(word: u64) {
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::SilentExit) {
        return;
    }
    if is_older(word, tls::waited().load(Ordering::SeqCst)) {
        PERIODS.moved.advance_and_wake_all();
    }
}

/// Whether a reader that shows `word` may have entered before the sequence became `new`.
fn is_older(word: u64, new: u64) -> bool {
    word != 0 && word / PERIOD < new / PERIOD
}

/// Performs.
static PERFORMS: Ledger = Ledger::new();

/// Statistics of performs: sections are the process's, and so is the wait for them.
pub(crate) fn stats() -> PerformStats {
    PerformStats { performs: PERFORMS.read(), grace_periods: PERIODS.completed.load(Ordering::Relaxed) }
}

/// What [`crate::stats`] tells of read sections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PerformStats {
    /// Performs.
    pub performs: Waits,
    /// Grace periods that these led, of which several may share one; those of retiring are its batches.
    pub grace_periods: u64,
}

/// Waits, as long as `patience` says, until every read section has ended that was open when this was called.
pub(crate) fn perform(patience: Patience) -> Result<Result<(), GaveUp>, Inside> {
    if read::is_inside() {
        return Err(Inside);
    }
    let limited = usize::from(!patience.is_forever());
    PERFORMS.begin(1);
    probe::perform_start(limited);
    let mut watchdog = Watchdog::new();
    let answer = share(patience, &mut watchdog);
    if let Some(ns) = watchdog.waited() {
        PERFORMS.waited(ns, answer.is_err());
    }
    probe::perform_end(limited, outcome(answer));
    Ok(answer)
}

/// Leads a grace period, or waits for another's that is good enough.
fn share(patience: Patience, watchdog: &mut Watchdog) -> Result<(), GaveUp> {
    // Where there is no memory for it, the registration at the library's loading has to do.
    thread::on_fork(&IN_CHILD);
    let _ = thread::prepare();
    // R22: the caller's unpublishing before the look at what has started.
    fence(Ordering::SeqCst);
    let need = PERIODS.started.load(Ordering::SeqCst) + 1;
    #[cfg(any(loom, feature = "inject"))]
    let need = match PERIODS.completed.load(Ordering::SeqCst) + 1 {
        next if plant::planted(Bug::JoinsUnderWay) => need.min(next),
        _ => need,
    };
    loop {
        let seen = PERIODS.turned.word(); // R3
        if PERIODS.completed.load(Ordering::SeqCst) >= need {
            return Ok(());
        }
        // Relaxed where it fails: what that reads is no older than the `turned` above, which moves after the lead is free.
        match PERIODS.leader.compare_exchange(FREE, LED, Ordering::SeqCst, Ordering::Relaxed) {
            Ok(_) => return take_lead(need, patience, watchdog),
            // Told before the sleep and after the look at `turned`: who stops leading finds it, and moves that.
            Err(LED) if !tell_leader() => continue,
            Err(_) => {}
        }
        if let Some(seconds) = watchdog.due() {
            report(format_args!("pserialize_perform has waited {seconds} s for another that is under way"));
        }
        patience.wait(&PERIODS.turned, seen, watchdog.next())?;
    }
}

/// Whether somebody leads still, who has been told now that others sleep.
fn tell_leader() -> bool {
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::LeaderUntold) {
        return true;
    }
    PERIODS.leader.compare_exchange(LED, FOLLOWED, Ordering::SeqCst, Ordering::Relaxed).is_ok()
}

/// By whoever has made the lead `LED`.
fn take_lead(need: u64, patience: Patience, watchdog: &mut Watchdog) -> Result<(), GaveUp> {
    let led = match PERIODS.completed.load(Ordering::SeqCst) >= need {
        true => Ok(()),
        false => lead(patience, watchdog),
    };
    #[cfg(any(loom, feature = "inject"))]
    if led.is_err() && plant::planted(Bug::GivingUpCompletes) {
        PERIODS.completed.store(PERIODS.started.load(Ordering::SeqCst), Ordering::SeqCst);
    }
    let followed = PERIODS.leader.swap(FREE, Ordering::SeqCst) == FOLLOWED;
    #[cfg(any(loom, feature = "inject"))]
    if led.is_err() && plant::planted(Bug::SilentHandover) {
        return led;
    }
    if followed {
        PERIODS.turned.advance_and_wake_all();
    }
    led
}

/// One grace period, by the one thread that leads.
fn lead(patience: Patience, watchdog: &mut Watchdog) -> Result<(), GaveUp> {
    #[cfg(any(loom, feature = "inject"))]
    let early = plant::planted(Bug::StartedLate).then(advance);
    let mine = PERIODS.started.fetch_add(1, Ordering::SeqCst) + 1;
    #[cfg(any(loom, feature = "inject"))]
    let new = early.unwrap_or_else(advance);
    #[cfg(not(any(loom, feature = "inject")))]
    let new = advance();
    // Z2. Fence E: unpublishing and the sequence, this membarrier, then the look; the partner is a reader, whose store of its word
    // is visible here, or whose loads come later and find what they may.
    xcall::restart_sections();
    if older(new) {
        wait(new, patience, watchdog)?;
    }
    PERIODS.completed.store(mine, Ordering::SeqCst);
    Ok(())
}

/// Begins a grace period for somebody who will not wait: it is over as soon as [`is_over`] says so of what this
/// answers. One membarrier; never sleeps.
pub(crate) fn begin() -> u64 {
    // R22: the caller's unpublishing before the sequence.
    fence(Ordering::SeqCst);
    let new = advance();
    xcall::restart_sections(); // fence E, as in `lead`
    new
}

/// Whether every read section has ended that was open when [`begin`] was called.
pub(crate) fn is_over(new: u64) -> bool {
    !older(new)
}

/// Moves the sequence; answers what it became.
fn advance() -> u64 {
    tls::grace().fetch_add(PERIOD, Ordering::SeqCst) + PERIOD
}

fn older(new: u64) -> bool {
    thread::records().any(|record| is_older(record.reading.load(Ordering::SeqCst), new))
}

fn wait(new: u64, patience: Patience, watchdog: &mut Watchdog) -> Result<(), GaveUp> {
    tls::waited().store(new, Ordering::SeqCst);
    xcall::restart_sections(); // Z4
    let answer = loop {
        let seen = PERIODS.moved.word();
        if !older(new) {
            break Ok(());
        }
        if let Some(seconds) = watchdog.due() {
            tell("pserialize_perform", new, seconds);
        }
        if let Err(gave_up) = patience.wait(&PERIODS.moved, seen, watchdog.next()) {
            break Err(gave_up);
        }
    };
    tls::waited().store(0, Ordering::SeqCst);
    answer
}

/// Readers that a report names.
const SHOWN: usize = 16;

/// Tells which readers `who` has waited for.
#[cold]
pub(crate) fn tell(who: &str, new: u64, seconds: u64) {
    report(format_args!("{who} has waited {seconds} s for read sections of:"));
    let mut readers = thread::records()
        .filter(|record| is_older(record.reading.load(Ordering::SeqCst), new))
        .map(thread::Record::who);
    for (tid, ended) in readers.by_ref().take(SHOWN) {
        match ended {
            false => report(format_args!("  thread {tid}")),
            true => report(format_args!("  thread {tid}, which ended inside: for ever")),
        }
    }
    match readers.count() {
        0 => {}
        more => report(format_args!("  and {more} more")),
    }
}

static IN_CHILD: fn(u64) = in_child;

/// In a forked child nobody leads or waits, unless it is this very thread, whose handler forked; it goes on afterwards.
fn in_child(_: u64) {
    PERIODS.leader.store(FREE, Ordering::SeqCst);
    tls::waited().store(0, Ordering::SeqCst);
    // It may be about to sleep on what it read before: for readers, or a leader, that did not come along.
    PERIODS.moved.advance_and_wake_all();
    PERIODS.turned.advance_and_wake_all();
}
