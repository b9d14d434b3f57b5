// SPDX-License-Identifier: MIT OR Apache-2.0
//! What whoever drives does, a step at a time and never asleep.
//!
//! ```text
//! step
//!     no batch in hand, something queued        -> taken += 1; batch = queue; grace period: one membarrier for all
//!     batch in hand, its readers gone           -> sort it out; those that are held:
//!         ask their classes' releases to tell; membarrier (P4); sort them out again
//!     releases have told                        -> sort out what is held
//!     finished = batches of which nothing is in hand or held
//!
//! sort out, a piece at a time: by class and target; one scan a class: held -> kept; else drained, poisoned, called
//! ```

use super::entry::{BATCH, Entry, READY, at};
use super::state::{ALL, State};
use crate::diag::fatal;
use crate::psref::retired::{self, ATTENTION, ClassState, or_die};
#[cfg(not(loom))]
use crate::sys::clock;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::probe;
use crate::sys::sync::Ordering;
#[cfg(not(loom))]
use crate::watchdog;
use crate::{pserialize, sort, thread, xcall};
use std::ptr;

/// Functions that were called, for people.
static ENDED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
/// Batches that had something in them, for people.
static BATCHES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// What [`crate::stats`] tells of retiring.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetireStats {
    /// Batches so far, without the empty ones that barriers have asked for: each has cost an interrupt on every CPU, and
    /// those of which something was held another.
    pub batches: u64,
    /// Things whose function was called.
    pub ended: u64,
    /// Things whose function has not returned.
    pub outstanding: u64,
    /// Those of them that are held, as of the last look.
    pub held: u64,
}

/// Statistics of retiring.
pub(crate) fn stats() -> RetireStats {
    let all: &State = &ALL;
    RetireStats {
        batches: BATCHES.load(std::sync::atomic::Ordering::Relaxed),
        ended: ENDED.load(std::sync::atomic::Ordering::Relaxed),
        outstanding: all.outstanding.load(Ordering::Relaxed),
        held: all.holding.load(Ordering::Relaxed),
    }
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There is more to do.
    Again,
    /// Read sections have to end, which nobody tells of.
    Readers,
    /// Targets are held; their releases tell.
    Holders,
    /// Nothing is there.
    Nothing,
}

/// Entries that are looked at at once.
const PIECE: usize = if cfg!(loom) { 4 } else { 1024 };

/// A function forked: this is the child now, and the lists are not what they were.
struct Forked;

/// The calling thread drives (E1).
pub(super) fn step() -> Next {
    let all: &State = &ALL;
    let releases = ATTENTION.releases.load(Ordering::SeqCst); // before the scans (E4)
    if all.batch.load(Ordering::Relaxed).is_null() {
        take(all);
    }
    let batch = all.batch.load(Ordering::Relaxed);
    if !batch.is_null() && readers_are_gone(all.grace.load(Ordering::Relaxed)) {
        let Ok(held) = sort_out(batch, false) else { return Next::Again };
        all.batch.store(ptr::null_mut(), Ordering::Relaxed);
        if !held.is_null() {
            keep(all, held);
            // So that those are looked at again.
            all.looked.store(releases.wrapping_sub(1), Ordering::Relaxed);
            #[cfg(any(loom, feature = "inject"))]
            if plant::planted(Bug::NoSecondScan) {
                all.looked.store(releases, Ordering::Relaxed);
            }
        }
    }
    let held = all.held.load(Ordering::Relaxed);
    if !held.is_null() && all.looked.load(Ordering::Relaxed) != releases {
        let Ok(held) = sort_out(held, true) else { return Next::Again };
        all.held.store(held, Ordering::Relaxed);
        all.looked.store(releases, Ordering::Relaxed);
    }
    settle(all)
}

/// The queue becomes the batch in hand.
fn take(all: &State) {
    let taken = all.taken.load(Ordering::Relaxed); // changed by who drives alone
    if all.queue.load(Ordering::SeqCst).is_null() && all.wanted.load(Ordering::SeqCst) <= taken {
        return;
    }
    #[cfg(any(loom, feature = "inject"))]
    let early = plant::planted(Bug::TakenLate).then(|| all.queue.swap(ptr::null_mut(), Ordering::SeqCst));
    all.taken.store(taken + 1, Ordering::SeqCst); // E2
    #[cfg(any(loom, feature = "inject"))]
    let batch = early.unwrap_or_else(|| all.queue.swap(ptr::null_mut(), Ordering::SeqCst));
    #[cfg(not(any(loom, feature = "inject")))]
    let batch = all.queue.swap(ptr::null_mut(), Ordering::SeqCst);
    probe::retire_batch_start(taken as usize + 1); // of an empty one too: its end is told
    if !batch.is_null() {
        BATCHES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        all.batch.store(batch, Ordering::Relaxed);
        #[cfg(not(loom))]
        all.since.store(clock::now(), Ordering::Relaxed); // for who drives alone
        all.grace.store(pserialize::perform::begin(), Ordering::Relaxed); // E3
    }
}

fn readers_are_gone(grace: u64) -> bool {
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::ReadersIgnored) {
        return true;
    }
    pserialize::perform::is_over(grace)
}

/// Those of a batch that are held: from now on their releases tell.
fn keep(all: &State, mut held: *mut Entry) {
    let batch = all.taken.load(Ordering::Relaxed);
    while let Some(entry) = at(held) {
        held = entry.next.load(Ordering::Relaxed);
        if let Some(class) = entry.class() {
            retired::await_releases(class, entry.target().addr());
        }
        entry.batch.store(batch, Ordering::Relaxed);
        link(entry, &mut all.held.load(Ordering::Relaxed), |head| all.held.store(head, Ordering::Relaxed));
    }
    xcall::restart_sections(); // P4
}

fn link(entry: &'static Entry, head: &mut *mut Entry, store: impl FnOnce(*mut Entry)) {
    entry.next.store(*head, Ordering::Relaxed);
    *head = ptr::from_ref(entry).cast_mut();
    store(*head);
}

/// Ends what nobody holds and calls its functions; answers the list of the others. `awaited`: their releases were
/// asked to tell.
fn sort_out(mut list: *mut Entry, awaited: bool) -> Result<*mut Entry, Forked> {
    let mut kept = ptr::null_mut();
    let mut room: [Option<&'static Entry>; PIECE] = [None; PIECE];
    while !list.is_null() {
        let mut n = 0;
        while n < PIECE
            && let Some(entry) = at(list)
        {
            list = entry.next.load(Ordering::Relaxed);
            room[n] = Some(entry);
            n += 1;
        }
        let key = |entry: &Option<&'static Entry>| {
            entry.map(|entry| (entry.class.load(Ordering::Relaxed).addr(), entry.target().addr()))
        };
        sort::by_key(&mut room[..n], key);
        for group in room[..n].chunk_by_mut(|a, b| key(a).map(|k| k.0) == key(b).map(|k| k.0)) {
            if let Some(class) = group[0].and_then(Entry::class) {
                end(class, group, awaited, &mut kept);
            }
            call(group)?;
        }
    }
    Ok(kept)
}

/// The targets of one class, in order: those that nobody holds come to their end; the others leave the group.
fn end(class: &ClassState, group: &mut [Option<&'static Entry>], awaited: bool, kept: &mut *mut Entry) {
    let mut is_held = [false; PIECE];
    let target = |entry: &Option<&'static Entry>| entry.map_or(0, |entry| entry.target().addr());
    retired::each_held(class, &mut |held| {
        // A target is there once: its flag was set once.
        if let Ok(i) = group.binary_search_by_key(&held, target) {
            is_held[i] = true;
        }
    });
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::HoldersIgnored) {
        is_held = [false; PIECE];
    }
    let mut ended = 0;
    for (place, is_held) in group.iter_mut().zip(is_held) {
        let Some(entry) = *place else { continue };
        if is_held {
            link(entry, kept, |_| ());
            *place = None;
            continue;
        }
        // Before the target is touched: a fork's child must not do that twice.
        entry.state.store(READY, Ordering::Relaxed);
        // SAFETY: `begin` has accepted it, and its function has not run.
        or_die("psref_target_retire, at the target's end", unsafe { retired::end(entry.target(), class) });
        if awaited {
            retired::await_no_more(class);
        }
        ended += 1;
    }
    if ended != 0 {
        retired::ended(class, ended);
    }
}

/// Calls the functions of those that are there (E5).
fn call(group: &mut [Option<&'static Entry>]) -> Result<(), Forked> {
    let forks = thread::forks();
    let mut called = 0;
    for entry in group.iter_mut().filter_map(Option::take) {
        let (function, argument) = entry.free();
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::NeverCalled) {
            called += 1;
            continue;
        }
        // SAFETY: whoever retired it has promised that it may be called so, here and now.
        unsafe { function(argument) };
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::CalledTwice) {
            // SAFETY: none: who is called twice may be gone.
            unsafe { function(argument) };
        }
        if pserialize::raw::is_inside() {
            fatal(format_args!(
                "psref_target_retire, pserialize_call: the function at {:#x} returned inside a read section, expected \
                 pserialize_read_exit for each pserialize_read_enter",
                function as usize
            ));
        }
        if thread::forks() != forks {
            return Err(Forked);
        }
        called += 1;
    }
    // Release: what they did, before whoever finds that there are none.
    ALL.outstanding.fetch_sub(called, Ordering::Release);
    ENDED.fetch_add(called, std::sync::atomic::Ordering::Relaxed);
    Ok(())
}

/// Tells how far things are.
fn settle(all: &State) -> Next {
    let taken = all.taken.load(Ordering::Relaxed);
    let batch = all.batch.load(Ordering::Relaxed);
    let mut oldest = if batch.is_null() { taken + 1 } else { taken };
    let mut held = all.held.load(Ordering::Relaxed);
    let mut holding = 0;
    while let Some(entry) = at(held) {
        holding += 1;
        oldest = oldest.min(entry.batch.load(Ordering::Relaxed));
        held = entry.next.load(Ordering::Relaxed);
    }
    all.holding.store(holding, Ordering::Relaxed);
    if all.finished.load(Ordering::Relaxed) != oldest - 1 {
        all.finished.store(oldest - 1, Ordering::SeqCst);
        all.turned.advance_and_wake_all();
        probe::retire_batch_end(oldest as usize - 1);
    }
    if !batch.is_null() {
        Next::Readers
    } else if !all.queue.load(Ordering::SeqCst).is_null() || all.wanted.load(Ordering::SeqCst) > taken {
        Next::Again
    } else if holding != 0 {
        Next::Holders
    } else {
        Next::Nothing
    }
}

/// Whether somebody waits for a batch that was not taken yet, or one has come together.
pub(super) fn is_full() -> bool {
    let all: &State = &ALL;
    all.wanted.load(Ordering::SeqCst) > all.taken.load(Ordering::Relaxed)
        || all.outstanding.load(Ordering::Relaxed) >= all.holding.load(Ordering::Relaxed) + BATCH
}

/// Tells of whom the oldest batch has waited for, so many seconds, and of readers that the one in hand has waited for too long. The calling
/// thread drives.
#[cold]
pub(super) fn tell(seconds: u64, first: bool) {
    let all: &State = &ALL;
    #[cfg(not(loom))]
    if !all.batch.load(Ordering::Relaxed).is_null() {
        let waited = clock::now().saturating_sub(all.since.load(Ordering::Relaxed));
        if waited >= watchdog::patience() {
            pserialize::perform::tell("what was retired", all.grace.load(Ordering::Relaxed), waited / watchdog::SECOND);
        }
    }
    let oldest = all.finished.load(Ordering::Relaxed) + 1; // moved by who drives alone
    let mut list = all.held.load(Ordering::Relaxed);
    let mut left = SHOWN;
    while let Some(entry) = at(list)
        && left > 0
    {
        list = entry.next.load(Ordering::Relaxed);
        // The others have not waited for so long.
        if entry.batch.load(Ordering::Relaxed) != oldest {
            continue;
        }
        if let Some(class) = entry.class() {
            retired::tell_of(class, entry.target().addr(), seconds, first);
        }
        left -= 1;
    }
}

/// Held targets that a report names.
const SHOWN: usize = 4;
