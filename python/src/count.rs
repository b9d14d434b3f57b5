// SPDX-License-Identifier: MIT OR Apache-2.0
//! Local counts.

use crate::errors::{DeadlockError, DrainingError, TimeoutError, limit, may_sleep, not_made};
use crate::hold::{Hold, Kept};
use crate::threads;
use crate::waiting::wait;
use pyo3::prelude::*;
use pyo3::sync::critical_section::with_critical_section;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far its end has come; it only grows.
const OPEN: u8 = 0;
const DRAINING: u8 = 1;
const DRAINED: u8 = 2;

/// A count of holds, on each CPU for itself: one addition to acquire, one to release, from any thread, for any time. 8 bytes a CPU.
#[pyclass(frozen, module = "psref", subclass, dict, weakref)]
pub struct LocalCount {
    count: Arc<psref::LocalCount<()>>,
    stage: AtomicU8,
}

impl LocalCount {
    fn address(&self) -> usize {
        Arc::as_ptr(&self.count).addr()
    }
}

#[pymethods]
impl LocalCount {
    #[new]
    fn new() -> PyResult<LocalCount> {
        may_sleep("LocalCount")?;
        let count = psref::LocalCount::new(()).map_err(|e| not_made("the cells of a count", e))?;
        Ok(LocalCount { count: Arc::new(count), stage: AtomicU8::new(OPEN) })
    }

    /// Holds it. Never waits.
    ///
    /// Raises DrainingError once a drain has begun.
    fn acquire(slf: &Bound<'_, Self>) -> PyResult<Hold> {
        let this = slf.get();
        // Excludes `trydrain`: the interpreter's lock does, or where there is none, the object's.
        match with_critical_section(slf.as_any(), || this.count.acquire()) {
            Ok(guard) => {
                let noted = threads::note(this.address());
                Ok(Hold::new(Kept::Count(guard, Arc::clone(&this.count), noted), slf.clone().into_any().unbind()))
            }
            Err(psref::Draining) => {
                Err(DrainingError::new_err("local count is draining or has drained: no hold of it can begin any more"))
            }
        }
    }

    /// How many hold it: a hint while others acquire and release.
    #[getter]
    fn count(&self) -> u32 {
        self.count.references()
    }

    /// Stops new holds and waits for those that are, `timeout` seconds at most (None: as long as it takes). Final.
    ///
    /// Raises TimeoutError; then the count stays draining, and may be drained again, as after Ctrl-C. DeadlockError, at once, without a
    /// timeout in a thread that acquired a hold that is not released.
    #[pyo3(signature = (timeout = None))]
    fn drain(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let limit = limit(timeout)?;
        may_sleep("drain")?;
        let mine = threads::acquired_here(self.address());
        if limit.is_none() && mine != 0 {
            return Err(DeadlockError::new_err(format!(
                "drain of a local count by a thread that acquired {mine} hold(s) of it: it would wait for itself; expected release() \
                 first, or a timeout where another thread is going to release"
            )));
        }
        // Inside: an exception of a handler that comes before leaves everything as it was.
        let drained = wait(py, limit, |patience| {
            self.stage.fetch_max(DRAINING, Ordering::AcqRel);
            self.count.drain_within(patience)
        })?;
        match drained {
            Ok(()) => {
                self.stage.fetch_max(DRAINED, Ordering::AcqRel);
                Ok(())
            }
            Err(_) => Err(TimeoutError::new_err(format!(
                "local count is still held {} time(s) after {} s; it stays draining",
                self.count.references(),
                limit.unwrap_or_default().as_secs_f64()
            ))),
        }
    }

    /// Drains it if nobody holds it, and says whether it did; else changes nothing. Never waits for a hold.
    fn trydrain(slf: &Bound<'_, Self>) -> PyResult<bool> {
        may_sleep("trydrain")?;
        let this = slf.get();
        let drained = with_critical_section(slf.as_any(), || {
            // SAFETY: `acquire`, which alone acquires, is excluded by the same critical section (where there is the interpreter's
            // lock, by that: neither lets go of it).
            unsafe { this.count.try_drain_shared() }
        });
        if drained {
            this.stage.fetch_max(DRAINED, Ordering::AcqRel);
        }
        Ok(drained)
    }

    fn __repr__(&self) -> String {
        match self.stage.load(Ordering::Acquire) {
            DRAINED => "<psref.LocalCount drained>".to_owned(),
            stage => {
                let stage = if stage == OPEN { "open" } else { "draining" };
                format!("<psref.LocalCount {stage}, held {} time(s)>", self.count.references())
            }
        }
    }
}
