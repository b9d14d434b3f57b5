// SPDX-License-Identifier: MIT OR Apache-2.0
//! The structure, which is the caller's memory and part of the C ABI; its birth and end.

use super::misuse::Misuse;
use super::strict::{self, Strict};
use crate::percpu::count::{Cells, Counted};
use crate::strict::{assert_sleepable, is_on};
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{AtomicU32, AtomicUsize, Ordering};
use crate::thread;

/// `struct localcount`.
#[repr(C)]
pub struct LocalCountState {
    /// Its guard, `lc_totalp`:
    ///
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | 0 | open: the cells count | drain: `CLOSING`; trydrain: `DRAINED` |
    /// | `CLOSING` | the cells are being summed; releases go to the total | that drain: the total's address |
    /// | an address | draining: the total counts | drain: `DRAINED` |
    /// | `DRAINED` | nobody holds it; poison | init: 0 |
    /// | a [`Strict`]'s address | as that one's guard says, from init to fini | |
    pub(crate) counted: Counted,
    /// `lc_refcnt`, under the interlock: 0, or the number of forks plus one where a drain waits. One that waited before a
    /// fork did not come along.
    pub(crate) refcnt: AtomicU32,
}

pub(crate) const DRAINED: usize = 1;
pub(crate) const CLOSING: usize = 2;

#[cfg(not(loom))]
const _: () = {
    assert!(size_of::<LocalCountState>() == 24);
    assert!(std::mem::offset_of!(LocalCountState, refcnt) == 16);
};

impl LocalCountState {
    /// What cannot be used.
    pub(crate) fn closed() -> Self {
        LocalCountState {
            counted: Counted { guard: AtomicUsize::new(DRAINED), cells: AtomicUsize::new(0) },
            refcnt: AtomicU32::new(0),
        }
    }

    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// What a strict count has besides.
    pub(crate) fn strict(&self) -> Option<&'static Strict> {
        // One that was finished keeps its guard, and the other may be another's by now.
        strict::at(self.counted.guard.load(Ordering::Relaxed)).filter(|_| self.counted.cells().is_some())
    }

    /// Where it counts.
    pub(crate) fn counted(&self) -> &Counted {
        self.strict().map_or(&self.counted, |strict| &strict.counted)
    }

    pub(crate) fn guard(&self) -> usize {
        self.counted().guard.load(Ordering::SeqCst)
    }

    /// The cells of one that was not finished.
    pub(crate) fn cells(&self) -> Result<Cells, Misuse> {
        self.counted.cells().ok_or(Misuse::Finished { localcount: self.address() })
    }
}

/// Makes a count of nothing; ENOMEM leaves one whose use is noticed.
///
/// # Safety
/// `lc` is null or the caller's alone to write.
pub(crate) unsafe fn init(lc: *mut LocalCountState) -> Result<Result<(), Errno>, Misuse> {
    assert_sleepable("localcount_init");
    if lc.is_null() {
        return Err(Misuse::Null);
    }
    // SAFETY: the caller's promise; what was there needs no drop.
    let state = unsafe {
        lc.write(LocalCountState::closed());
        &*lc
    };
    if is_on() {
        return Ok(open_strictly(state));
    }
    // The system's own word for "no more keys" is not one that callers of init expect.
    Ok(state.counted.open().and_then(|()| thread::prepare().map_err(|_| ENOMEM)).inspect_err(|_| {
        state.counted.guard.store(DRAINED, Ordering::Relaxed);
        // SAFETY: nobody knows of it.
        unsafe { state.counted.free() }
    }))
}

fn open_strictly(state: &LocalCountState) -> Result<(), Errno> {
    thread::prepare().map_err(|_| ENOMEM)?;
    let strict = Strict::open()?;
    let cells = strict.counted.cells.load(Ordering::Relaxed);
    state.counted.cells.store(cells, Ordering::Relaxed);
    // Release: the rest before what leads to it.
    state.counted.guard.store(strict.address(), Ordering::Release);
    Ok(())
}

/// Ends a drained count.
///
/// # Safety
/// `lc` is null or readable; nobody uses it any more.
pub(crate) unsafe fn fini(lc: *const LocalCountState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { lc.as_ref() }.ok_or(Misuse::Null)?;
    let cells = state.cells()?;
    let holds = match state.guard() {
        DRAINED => None,
        0 => Some(state.counted().sum()),
        _ => Some(cells.total()), // the cells are closed: what they hold means nothing (N4)
    };
    if let Some(holds) = holds {
        return Err(Misuse::NotDrained { localcount: state.address(), holds });
    }
    // SAFETY: drained, so nobody holds it, and the guard sends everybody away from the cells.
    unsafe {
        match state.strict() {
            Some(strict) => {
                state.counted.cells.store(0, Ordering::Relaxed);
                strict.free();
            }
            None => state.counted.free(),
        }
    }
    Ok(())
}
