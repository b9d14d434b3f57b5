// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device gates.

use crate::errors::{DeadlockError, MisuseError, SealedError, TimeoutError, limit, may_sleep, not_made};
use crate::hold::{Hold, Kept};
use crate::threads::{self, Thread};
use crate::waiting::wait;
use psref::Refusal;
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How far its end has come; else it is closed, by the thread with the number before.
const OPEN: u64 = 0;
const SEALED: u64 = u64::MAX;

/// A gate in front of something that is going to be taken away: many pass it all the time, the owner closes and seals it once.
#[pyclass(frozen, module = "psref", subclass, dict, weakref)]
pub struct Gate {
    gate: Arc<psref::Gate>,
    /// No lock: it is written where other threads run, and one of them may fork.
    stage: AtomicU64,
}

impl Gate {
    fn stage(&self) -> u64 {
        self.stage.load(Ordering::Acquire)
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.gate).addr()
    }

    fn hold(slf: &Bound<'_, Self>, pass: psref::OwnedPass) -> Hold {
        let noted = threads::note(slf.get().address());
        Hold::new(Kept::Pass(pass, noted), slf.clone().into_any().unbind())
    }

    /// A wait for the seal by the thread that is to seal.
    fn check_closer(&self, what: &str, limit: Option<Duration>) -> PyResult<()> {
        if limit.is_none() && self.stage() == closed_by(threads::this()) {
            return Err(DeadlockError::new_err(format!(
                "{what} of a gate that this very thread has closed: it would wait for its own seal(); expected seal() first"
            )));
        }
        Ok(())
    }
}

fn closed_by(thread: Thread) -> u64 {
    thread.number + 1
}

/// What a refusal raises.
fn refused(refusal: Refusal, limit: Option<Duration>) -> PyErr {
    match refusal {
        Refusal::Sealed => SealedError::new_err("the gate is sealed: what was behind it is gone"),
        Refusal::GaveUp(_) => TimeoutError::new_err(format!(
            "the gate is closed and still not sealed after {} s",
            limit.unwrap_or_default().as_secs_f64()
        )),
        Refusal::NoMemory(e) => not_made("closing a gate", e),
    }
}

#[pymethods]
impl Gate {
    #[new]
    fn new() -> PyResult<Gate> {
        let gate = psref::Gate::new().map_err(|e| not_made("the cells of a gate", e))?;
        Ok(Gate { gate: Arc::new(gate), stage: AtomicU64::new(OPEN) })
    }

    /// Passes, also where the gate is closed or sealed: for those who can neither wait nor fail.
    fn enter(slf: &Bound<'_, Self>) -> Hold {
        Self::hold(slf, slf.get().gate.enter_owned())
    }

    /// Passes an open gate; waits at a closed one until it is sealed, `timeout` seconds at most (None: as long as it takes).
    ///
    /// Raises SealedError, TimeoutError; DeadlockError, at once, without a timeout in the thread that closed the gate.
    #[pyo3(signature = (timeout = None))]
    fn acquire(slf: &Bound<'_, Self>, timeout: Option<f64>) -> PyResult<Hold> {
        let (this, limit) = (slf.get(), limit(timeout)?);
        this.check_closer("acquire", limit)?;
        let passed = wait(slf.py(), limit, |patience| this.gate.acquire_owned(patience))?;
        Ok(Self::hold(slf, passed.map_err(|refusal| refused(refusal, limit))?))
    }

    /// Closes the gate: from now on acquire() waits, enter() passes still. `what` shows in reports of long waits. Where another has
    /// closed it, waits for that one's seal, `timeout` seconds at most (None: as long as it takes).
    ///
    /// Raises SealedError where another sealed it, TimeoutError; DeadlockError, at once, without a timeout in the thread that closed the
    /// gate.
    #[pyo3(signature = (what = "", timeout = None))]
    fn close(&self, py: Python<'_>, what: &str, timeout: Option<f64>) -> PyResult<()> {
        let limit = limit(timeout)?;
        may_sleep("close")?;
        self.check_closer("close", limit)?;
        // Leaves it closed before the interpreter may raise something else.
        let closed = wait(py, limit, |patience| {
            let closed = self.gate.close_within(what, patience)?;
            let _ = self.stage.compare_exchange(OPEN, closed_by(threads::this()), Ordering::AcqRel, Ordering::Acquire);
            closed.leave_closed();
            Ok(())
        })?;
        closed.map_err(|refusal| refused(refusal, limit))
    }

    /// Turns away who waits at the closed gate, then waits for everybody inside, `timeout` seconds at most (None: as long as it takes).
    ///
    /// Raises TimeoutError; then the gate is sealed, and seal() goes on waiting. After Ctrl-C it may be called again. MisuseError where the
    /// gate is open.
    /// DeadlockError, at once, without a timeout in a thread that entered and has not left.
    #[pyo3(signature = (timeout = None))]
    fn seal(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let limit = limit(timeout)?;
        may_sleep("seal")?;
        let open = || MisuseError::new_err("seal of an open gate, expected close() first");
        if self.stage() == OPEN {
            return Err(open());
        }
        let mine = threads::acquired_here(self.address());
        if limit.is_none() && mine != 0 {
            return Err(DeadlockError::new_err(format!(
                "seal of a gate by a thread that entered {mine} time(s) and has not left: it would wait for itself; expected release() \
                 first, or a timeout where another thread is going to release"
            )));
        }
        // Inside: an exception of a handler that comes before leaves everything as it was.
        let sealed = wait(py, limit, |patience| {
            self.stage.store(SEALED, Ordering::Release);
            self.gate.seal_within(patience)
        })?;
        match sealed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(TimeoutError::new_err(format!(
                "{} are still inside after {} s; the gate is sealed",
                self.gate.inside(),
                limit.unwrap_or_default().as_secs_f64()
            ))),
            Err(_) => Err(open()),
        }
    }

    /// How many are inside or wait at the closed gate: a hint while others come and go.
    #[getter]
    fn inside(&self) -> i64 {
        self.gate.inside()
    }

    fn __repr__(&self) -> String {
        let stage = match self.stage() {
            OPEN => "open",
            SEALED => "sealed",
            _ => "closed",
        };
        format!("<psref.Gate {stage}, {} inside>", self.gate.inside())
    }
}
