// SPDX-License-Identifier: MIT OR Apache-2.0
//! Acquire and release where the case is not plain. No malloc; no lock but the caller's interlock, and that only while
//! somebody drains (R13).

use super::misuse::Misuse;
use super::state::{DRAINED, LocalCountState};
use crate::diag::fatal;
use crate::kmutex::{Kcondvar, Kmutex};
use crate::percpu::count::{Cells, Counted, Guarded};
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};

/// The C face's answer to a misuse.
pub(crate) fn or_die<T>(function: &str, answer: Result<T, Misuse>) -> T {
    answer.unwrap_or_else(|misuse| fatal(format_args!("{function}: {misuse}")))
}

/// What an acquire that found the guard tells.
fn refusal(state: &LocalCountState) -> Misuse {
    let localcount = state.address();
    match (state.cells(), state.guard()) {
        (Err(finished), _) => finished,
        (_, DRAINED) => Misuse::Drained { localcount },
        _ => Misuse::Draining { localcount },
    }
}

/// Acquires.
///
/// # Safety
/// `lc` is null, or was initialised and is readable until this returns (R1).
pub(crate) unsafe fn acquire(lc: *const LocalCountState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    add(state, |counted| counted.add(1))?.map_err(|_| refusal(state))
}

/// Counts one up, where it counts in the cells.
fn add(
    state: &LocalCountState,
    count: impl FnOnce(&Counted) -> Result<(), Guarded>,
) -> Result<Result<(), Guarded>, Misuse> {
    let Some(strict) = state.strict() else { return Ok(count(&state.counted)) };
    strict.up(state.address())?;
    let counted = count(&strict.counted);
    if counted.is_err() {
        strict.down(state.address())?;
    }
    Ok(counted)
}

/// Acquires once more what the caller holds; also while it drains, for the hold keeps the total above 0 until this is counted.
///
/// # Safety
/// `lc` is held by the caller.
pub(crate) unsafe fn acquire_again(lc: *const LocalCountState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    // Not to any cell: a trydrain, which excludes acquires but not this, would miss it behind its sum's back.
    if add(state, |counted| counted.add_last(1))?.is_err() {
        #[cfg(any(loom, feature = "inject"))]
        if plant::planted(Bug::CloneUncounted) {
            return Ok(());
        }
        if let Some(strict) = state.strict() {
            strict.up(state.address())?;
        }
        state.cells()?.add_to_total(1);
    }
    Ok(())
}

/// What a release still owes: nothing, or its count in the total.
fn count_down(state: &LocalCountState) -> Result<Option<Cells>, Misuse> {
    let cells = state.cells()?; // before the hold ends: the object may be gone after it
    let counted = state.counted();
    if let Some(strict) = state.strict() {
        if state.guard() == DRAINED {
            return Err(Misuse::Drained { localcount: state.address() });
        }
        strict.down(state.address())?; // X1
    }
    match counted.add(-1) {
        Ok(()) => Ok(None),
        Err(_) if state.guard() == DRAINED => Err(Misuse::Drained { localcount: state.address() }),
        Err(_) => Ok(Some(cells)),
    }
}

/// Releases where drains wait under an interlock.
///
/// # Safety
/// `lc` is null, or held by the caller; `cv` and `interlock` are null, or what every drain and release of it gets.
pub(crate) unsafe fn release(
    lc: *const LocalCountState,
    cv: *const Kcondvar,
    interlock: *const Kmutex,
) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    let localcount = state.address();
    // SAFETY: the caller's promise.
    let named = unsafe { cv.as_ref() }.zip(unsafe { interlock.as_ref() });
    if let Some(strict) = state.strict() {
        let (cv, interlock) = named.ok_or(Misuse::Interlock { localcount, interlock: interlock.addr() })?;
        strict.same(localcount, cv, interlock)?;
        if interlock.is_owned() {
            return Err(Misuse::NotOwnable { localcount, interlock: std::ptr::from_ref(interlock).addr() });
        }
    }
    let Some(cells) = count_down(state)? else { return Ok(()) };
    let Some((cv, interlock)) = named else {
        return Err(Misuse::Interlock { localcount, interlock: interlock.addr() });
    };
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::InterlockIgnored) {
        if cells.add_to_total(-1) == 0 {
            cv.broadcast();
        }
        return Ok(());
    }
    interlock.enter();
    // R8: with the interlock the drain that set the guard has not ended, for this hold is not counted down yet; and what is
    // drained never opens again. So the total counts still, and the object is there until the interlock is let go (C3).
    if cells.add_to_total(-1) == 0 {
        cv.broadcast();
    }
    interlock.exit();
    Ok(())
}

/// Releases where drains wait by themselves.
///
/// # Safety
/// `lc` is null, or held by the caller.
pub(crate) unsafe fn release_alone(lc: *const LocalCountState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    if let Some(cells) = count_down(state)? {
        cells.leave_total();
    }
    Ok(())
}
