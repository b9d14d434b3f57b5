// SPDX-License-Identifier: MIT OR Apache-2.0
//! What acquire and enter answer: one class for holds of all kinds.

use crate::errors::ReleasedError;
use crate::retire::Owned;
use crate::threads::Noted;
use pyo3::exceptions::PyResourceWarning;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

/// The native hold. Fields are dropped in this order: the hold, then what it keeps.
pub(crate) enum Kept {
    Target(#[allow(dead_code)] psref::Guard<()>, #[allow(dead_code)] Arc<Owned>),
    Count(
        #[allow(dead_code)] psref::CountGuard<()>,
        #[allow(dead_code)] Arc<psref::LocalCount<()>>,
        #[allow(dead_code)] Noted,
    ),
    Pass(#[allow(dead_code)] psref::OwnedPass, #[allow(dead_code)] Noted),
}

/// Something held. Leaving the `with` block, or release(), ends it; so does its collection, with a ResourceWarning.
///
/// May be released in another thread than it was acquired in.
#[pyclass(frozen, module = "psref", weakref)]
pub struct Hold {
    kept: Mutex<Option<Kept>>,
    of: Py<PyAny>,
}

impl Hold {
    pub(crate) fn new(kept: Kept, of: Py<PyAny>) -> Hold {
        Hold { kept: Mutex::new(Some(kept)), of }
    }

    fn take(&self) -> Option<Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl Hold {
    /// Ends the hold. Never waits.
    ///
    /// Raises ReleasedError where that was done already.
    fn release(&self, py: Python<'_>) -> PyResult<()> {
        match self.take() {
            Some(_) => Ok(()),
            None => Err(ReleasedError::new_err(format!(
                "hold of {} released twice, expected one release for each acquire",
                self.of.bind(py).repr()?
            ))),
        }
    }

    /// Whether it was released.
    #[getter]
    fn released(&self) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// What is held.
    #[getter]
    fn of(&self, py: Python<'_>) -> Py<PyAny> {
        self.of.clone_ref(py)
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyResult<PyRef<'_, Self>> {
        if slf.released() {
            let of = slf.of.bind(slf.py()).repr()?;
            return Err(ReleasedError::new_err(format!("hold of {of} entered after its release, expected a live one")));
        }
        Ok(slf)
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: &Bound<'_, PyAny>,
        exc_value: &Bound<'_, PyAny>,
        traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _ = (exc_value, traceback);
        match self.release(py) {
            // An exception is on its way already: that one matters.
            Err(_) if !exc_type.is_none() => Ok(()),
            answer => answer,
        }
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let state = if self.released() { "released, " } else { "" };
        Ok(format!("<psref.Hold {state}of {}>", self.of.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.of)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let of = match self.take() {
            None => return,
            Some(Kept::Target(..)) => "target",
            Some(Kept::Count(..)) => "local count",
            Some(Kept::Pass(..)) => "gate",
        };
        warn_of_loss(&format!("a hold of a {of} was collected without release(); it is released now"));
    }
}

/// Tells that something was collected that should have been given back. Called by destructors: an exception may be on its way.
pub(crate) fn warn_of_loss(what: &str) {
    Python::try_attach(|py| {
        let on_its_way = PyErr::take(py);
        let message = CString::new(what).expect("no zero in it");
        if let Err(raised) = PyErr::warn(py, &py.get_type::<PyResourceWarning>(), &message, 1) {
            raised.write_unraisable(py, None);
        }
        if let Some(raised) = on_its_way {
            raised.restore(py);
        }
    });
}
