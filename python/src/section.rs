// SPDX-License-Identifier: MIT OR Apache-2.0
//! Read sections and the wait for them.

use crate::errors::{DeadlockError, ReadSectionError, TimeoutError, limit, not_made};
use crate::hold::warn_of_loss;
use crate::threads::{self, Thread};
use crate::waiting::wait_for_readers;
use psref::pserialize::raw;
use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A read section of the thread that enters it: nothing within its reach goes away before it ends, provided that whoever takes things
/// away unpublishes them and then calls Pserialize.perform().
///
/// Two plain stores. Sections nest. Do not sleep inside: every perform() of the process waits.
#[pyclass(frozen, module = "psref", weakref)]
pub struct ReadSection(Mutex<Open>);

/// Who is inside by this object, and how often.
struct Open {
    by: Option<Thread>,
    times: usize,
}

impl ReadSection {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl ReadSection {
    #[new]
    fn new() -> ReadSection {
        ReadSection(Mutex::new(Open { by: None, times: 0 }))
    }

    /// How many sections the calling thread has open.
    #[staticmethod]
    fn depth() -> usize {
        psref::ReadSection::depth_here()
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        let me = threads::this();
        let mut open = slf.open();
        if let Some(by) = open.by
            && by != me
        {
            return Err(ReadSectionError::new_err(format!(
                "read section entered in thread {}, but thread {} is inside by the same object, expected an object for each thread",
                me.tid, by.tid
            )));
        }
        if psref::ReadSection::depth_here() >= psref::ReadSection::DEEPEST {
            return Err(ReadSectionError::new_err(format!(
                "{} read sections are open in this thread, expected fewer: is an exit missing?",
                psref::ReadSection::DEEPEST
            )));
        }
        // Not its guard: that is tied to a scope. `open` counts what is to be left.
        raw::enter();
        *open = Open { by: Some(me), times: open.times + 1 };
        drop(open);
        Ok(slf)
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (exc_type, exc_value, traceback);
        let me = threads::this();
        let mut open = self.open();
        match open.by {
            Some(by) if by == me => {
                open.times -= 1;
                if open.times == 0 {
                    open.by = None;
                }
                raw::exit(0);
                Ok(())
            }
            Some(by) => Err(ReadSectionError::new_err(format!(
                "read section left in thread {}, entered in thread {}, expected the thread that entered",
                me.tid, by.tid
            ))),
            None => Err(ReadSectionError::new_err(
                "read section left that nobody is inside of, expected one exit for each enter",
            )),
        }
    }

    fn __repr__(&self) -> String {
        let open = self.open();
        match open.by {
            None => "<psref.ReadSection outside>".to_owned(),
            Some(by) => format!("<psref.ReadSection thread {} is inside, {} deep>", by.tid, open.times),
        }
    }
}

impl Drop for ReadSection {
    fn drop(&mut self) {
        let Open { by, times } = *self.open();
        let Some(by) = by else { return };
        if by == threads::this() {
            (0..times).for_each(|_| raw::exit(0));
            warn_of_loss("a psref.ReadSection was collected inside; it is left now");
        } else {
            warn_of_loss(&format!(
                "a psref.ReadSection was collected inside, in another thread than thread {}, which stays inside: perform() will wait \
                 for it",
                by.tid
            ));
        }
    }
}

/// Waits for read sections. They are the process's: which object is used does not matter.
#[pyclass(frozen, module = "psref", weakref)]
pub struct Pserialize(psref::Pserialize);

#[pymethods]
impl Pserialize {
    #[new]
    fn new() -> PyResult<Pserialize> {
        psref::Pserialize::new().map(Pserialize).map_err(|e| not_made("a pserialize", e))
    }

    /// Waits until every read section has ended that was open when this was called, `timeout` seconds at most (None: as long
    /// as it takes).
    ///
    /// Raises DeadlockError inside a read section of the calling thread, TimeoutError; then, and after Ctrl-C, nothing is known of the
    /// sections.
    #[pyo3(signature = (timeout = None))]
    fn perform(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        let limit = limit(timeout)?;
        match wait_for_readers(py, limit, |patience| self.0.perform_within(patience))? {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(TimeoutError::new_err(format!(
                "read sections are still open after {} s",
                limit.unwrap_or_default().as_secs_f64()
            ))),
            Err(inside) => Err(DeadlockError::new_err(format!("perform {inside}, expected outside"))),
        }
    }

    #[allow(clippy::unused_self, reason = "Python's signature")]
    fn __repr__(&self) -> &'static str {
        "<psref.Pserialize>"
    }
}
