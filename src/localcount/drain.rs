// SPDX-License-Identifier: MIT OR Apache-2.0
//! Drain and trydrain: no more holds, wait for the old ones or tell that there are some.
//!
//! ```text
//! drain:    guard = CLOSING
//!           membarrier                          the cells are frozen (N3)
//!           total += sum of the cells
//!           guard = address of the total        (C2)
//!           wait until total == 0
//!           guard = DRAINED
//! trydrain: membarrier                          earlier acquires are visible; the caller excludes later ones
//!           sum of the cells == 0               -> guard = DRAINED, true
//!           else false, and nothing was changed
//! ```

use super::misuse::Misuse;
use super::state::{CLOSING, DRAINED, LocalCountState};
use crate::diag::report;
use crate::kmutex::{Kcondvar, Kmutex};
use crate::park::{GaveUp, Patience, outcome};
use crate::percpu::count::Cells;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::probe;
use crate::sys::sync::Ordering;
use crate::tally::{Ledger, Waits};
use crate::watchdog::Watchdog;
use crate::{strict, thread, xcall};
use std::sync::atomic::AtomicU64;

/// Drains of all counts.
static DRAINS: Ledger = Ledger::new();
/// Looks of trydrain, and those that drained.
static TRIES: (AtomicU64, AtomicU64) = (AtomicU64::new(0), AtomicU64::new(0));

/// Statistics of all counts.
pub(crate) fn stats() -> CountStats {
    let of = |word: &AtomicU64| word.load(std::sync::atomic::Ordering::Relaxed);
    CountStats { drains: DRAINS.read(), trydrains: of(&TRIES.0), tried_well: of(&TRIES.1) }
}

/// What [`crate::stats`] tells of counts, all together: one has no room for its own.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CountStats {
    /// Drains.
    pub drains: Waits,
    /// Calls of trydrain.
    pub trydrains: u64,
    /// Those of them that drained.
    pub tried_well: u64,
}

/// What a drain answers; the outer error is a caller's bug.
type Drained = Result<Result<(), GaveUp>, Misuse>;

fn begin(state: &LocalCountState) {
    DRAINS.begin(1);
    probe::localcount_drain_start(state.address());
}

/// A drain ends.
fn end(state: &LocalCountState, watchdog: &Watchdog, answer: Result<(), GaveUp>) -> Drained {
    if let Some(ns) = watchdog.waited() {
        DRAINS.waited(ns, answer.is_err());
    }
    probe::localcount_drain_end(state.address(), outcome(answer));
    Ok(answer)
}

/// Closes the cells of a count that the caller made `CLOSING`.
fn close(state: &LocalCountState, cells: Cells) -> Result<(), Misuse> {
    #[cfg(feature = "inject")]
    let early = plant::planted(Bug::SumsFirst).then(|| {
        let sum = state.counted().close();
        crate::sys::inject::pause();
        sum
    });
    xcall::restart_sections();
    #[cfg(feature = "inject")]
    let sum = early.unwrap_or_else(|| state.counted().close());
    #[cfg(not(feature = "inject"))]
    let sum = state.counted().close();
    let total = cells.add_to_total(sum);
    if total < 0 {
        return Err(Misuse::Negative { localcount: state.address(), total });
    }
    Ok(())
}

/// Ends all holding: waits under the interlock, which the caller holds, as long as `patience` says. After `Err(GaveUp)` the
/// count drains still, and this may be called again.
///
/// # Safety
/// `lc` is null, or initialised and readable until this returns; `cv` and `interlock` are null, or what every release of it gets.
pub(crate) unsafe fn drain(
    lc: *const LocalCountState,
    cv: *const Kcondvar,
    interlock: *const Kmutex,
    patience: Patience,
) -> Result<Result<(), GaveUp>, Misuse> {
    strict::assert_sleepable("localcount_drain");
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    let localcount = state.address();
    let cells = state.cells()?;
    // SAFETY: the caller's promise.
    let (Some(cv), Some(interlock)) = (unsafe { cv.as_ref() }, unsafe { interlock.as_ref() }) else {
        return Err(Misuse::Interlock { localcount, interlock: interlock.addr() });
    };
    if !interlock.is_owned() {
        return Err(Misuse::Interlock { localcount, interlock: std::ptr::from_ref(interlock).addr() });
    }
    if let Some(strict) = state.strict() {
        strict.same(localcount, cv, interlock)?;
    }
    begin(state);
    // SeqCst: the first half of fence C (see `Counted::close`).
    match state.counted().guard.compare_exchange(0, CLOSING, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {
            interlock.exit(); // the membarrier is no reason to keep releases of other counts waiting
            let closed = close(state, cells);
            interlock.enter();
            state.counted().guard.store(cells.total_address(), Ordering::SeqCst);
            closed?;
        }
        Err(CLOSING) => return Err(Misuse::DrainedTwice { localcount }),
        Err(DRAINED) => return Err(Misuse::Drained { localcount }),
        Err(_) => {} // an earlier drain ran out of patience
    }
    let here = thread::forks().wrapping_add(1);
    if state.refcnt.swap(here, Ordering::Relaxed) == here {
        return Err(Misuse::DrainedTwice { localcount });
    }
    let waited = wait_under(state, cells, cv, interlock, patience);
    state.refcnt.store(0, Ordering::Relaxed);
    if let Ok(Ok(())) = waited {
        state.counted().guard.store(DRAINED, Ordering::SeqCst);
    }
    waited
}

/// Under the interlock, which every change of the total is made under once it is complete (C3).
fn wait_under(state: &LocalCountState, cells: Cells, cv: &Kcondvar, interlock: &Kmutex, patience: Patience) -> Drained {
    let mut watchdog = Watchdog::new();
    let answer = loop {
        match cells.total() {
            0 => break Ok(()),
            // A release too many after the sum.
            total if total < 0 => return Err(Misuse::Negative { localcount: state.address(), total }),
            _ => {}
        }
        if let Some(seconds) = watchdog.due() {
            interlock.exit(); // whoever reads the report may need it
            tell(state, cells, seconds);
            interlock.enter();
            continue;
        }
        if let Err(gave_up) = patience.judge(cv.wait(interlock, Some(patience.end(watchdog.next())))) {
            break Err(gave_up);
        }
    };
    end(state, &watchdog, answer)
}

/// The same without an interlock: any number of threads may drain at once, and acquires that come too late are refused.
///
/// # Safety
/// `lc` is null, or initialised and readable until this returns.
pub(crate) unsafe fn drain_alone(lc: *const LocalCountState, patience: Patience) -> Result<Result<(), GaveUp>, Misuse> {
    strict::assert_sleepable("localcount_drain");
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    let cells = state.cells()?;
    begin(state);
    // SeqCst: as in `drain`.
    if state.counted().guard.compare_exchange(0, CLOSING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::SumShownLate) {
            state.counted().guard.store(cells.total_address(), Ordering::SeqCst);
        }
        let closed = close(state, cells);
        state.counted().guard.store(cells.total_address(), Ordering::SeqCst);
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::SilentClose) {
            return wait_alone(state, cells, patience);
        }
        cells.moved().advance_and_wake_all(); // others who drain
        closed?;
    }
    wait_alone(state, cells, patience)
}

fn wait_alone(state: &LocalCountState, cells: Cells, patience: Patience) -> Drained {
    let mut watchdog = Watchdog::new();
    let answer = loop {
        let seen = cells.moved().word(); // R3
        match state.guard() {
            DRAINED => break Ok(()),
            CLOSING => {} // a total of 0 means nothing yet (C2)
            _ => match cells.total() {
                0 => {
                    state.counted().guard.store(DRAINED, Ordering::SeqCst);
                    break Ok(());
                }
                total if total < 0 => return Err(Misuse::Negative { localcount: state.address(), total }),
                _ => {}
            },
        }
        if let Some(seconds) = watchdog.due() {
            tell(state, cells, seconds);
        }
        if let Err(gave_up) = patience.wait(cells.moved(), seen, watchdog.next()) {
            break Err(gave_up);
        }
    };
    end(state, &watchdog, answer)
}

#[cold]
fn tell(state: &LocalCountState, cells: Cells, seconds: u64) {
    report(format_args!(
        "drain of localcount {:#x} has waited {seconds} s for {} reference(s){}",
        state.address(),
        cells.total(),
        if thread::is_forked() {
            "; this process was forked: what threads that did not come along had acquired is never released"
        } else {
            ""
        }
    ));
}

/// Drains if nobody holds the count; else changes nothing. The caller excludes acquires meanwhile.
///
/// # Safety
/// `lc` is null, or initialised and readable until this returns.
pub(crate) unsafe fn trydrain(lc: *const LocalCountState) -> Result<bool, Misuse> {
    strict::assert_sleepable("localcount_trydrain");
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    let localcount = state.address();
    state.cells()?;
    match state.guard() {
        0 => {}
        DRAINED => return Err(Misuse::Drained { localcount }),
        _ => return Err(Misuse::DrainedTwice { localcount }),
    }
    TRIES.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    xcall::restart_sections();
    // Every acquire has been counted, so the cells only fall from here on, but for the last one, where what is held can be
    // counted once more: what their values are one after the other is no less than what they are together at the last look,
    // and that is no less than 0.
    match state.counted().sum() {
        0 => match state.counted().guard.compare_exchange(0, DRAINED, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => {
                TRIES.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(true)
            }
            Err(_) => Err(Misuse::DrainedTwice { localcount }),
        },
        total if total < 0 => Err(Misuse::Negative { localcount, total }),
        _ => Ok(false),
    }
}

/// How many references there are, give or take those that move meanwhile.
///
/// # Safety
/// `lc` is null, or initialised and readable until this returns.
pub(crate) unsafe fn references(lc: *const LocalCountState) -> Result<u32, Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    let cells = state.cells()?;
    let now = match state.guard() {
        0 => state.counted().sum(),
        DRAINED => 0,
        _ => cells.total(),
    };
    Ok(u32::try_from(now.max(0)).unwrap_or(u32::MAX))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::localcount::state;
    use std::time::Duration;

    #[test]
    fn whoever_sleeps_for_anothers_closing_has_waited() {
        let mut count = LocalCountState::closed();
        // SAFETY: ours alone, and where it stays.
        unsafe { state::init(&raw mut count) }.unwrap().unwrap();
        count.counted().guard.store(CLOSING, Ordering::SeqCst); // another's, and nothing is held
        let before = DRAINS.read();
        // SAFETY: initialised above.
        let drain = || unsafe { drain_alone(&raw const count, Patience::at_most(Duration::ZERO)) }.unwrap();
        assert_eq!(drain(), Err(GaveUp::TimedOut));
        let after = DRAINS.read();
        assert_eq!([after.waited - before.waited, after.gave_up - before.gave_up], [1, 1]);
        count.counted().guard.store(count.cells().unwrap().total_address(), Ordering::SeqCst);
        assert_eq!(drain(), Ok(()));
        assert_eq!((DRAINS.read().waited, DRAINS.read().begun), (after.waited, after.begun + 1));
        // SAFETY: nobody knows of it.
        unsafe { count.counted().free() };
    }
}
