// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits: without the interpreter's lock, and answering Ctrl-C.
//!
//! W1. Signal handlers of Python run in the main thread alone, when it asks for them. So it asks between two sleeps; other threads do not, and
//!     a daemon thread that waits while the interpreter ends never comes back to it.
//! W2. What a handler raised ends the wait. It is kept for the thread that waited, which takes it when the wait is over.

use crate::errors::MisuseError;
use psref::Patience;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyModule;
use std::cell::{Cell, RefCell};
use std::time::Duration;

thread_local! {
    static RAISED: RefCell<Option<PyErr>> = const { RefCell::new(None) };
    static PERFORMS: Cell<bool> = const { Cell::new(false) };
}

/// Asks for signals: whether a handler raised.
fn handler_raised() -> bool {
    Python::attach(|py| match py.check_signals() {
        Ok(()) => false,
        Err(raised) => {
            RAISED.with(|place| place.replace(Some(raised)));
            true
        }
    })
}

fn is_main_thread(py: Python<'_>) -> PyResult<bool> {
    static THREADING: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let threading = THREADING.get_or_try_init(py, || PyModule::import(py, "threading").map(Bound::unbind))?.bind(py);
    let main = threading.call_method0("main_thread")?.getattr("ident")?;
    main.eq(threading.call_method0("get_ident")?)
}

/// Runs `wait` without the interpreter's lock, with a patience of `limit` that a signal handler's exception ends.
pub(crate) fn wait<T: Send>(
    py: Python<'_>,
    limit: Option<Duration>,
    wait: impl FnOnce(Patience) -> T + Send,
) -> PyResult<T> {
    py.check_signals()?;
    let mut patience = limit.map_or(Patience::FOREVER, Patience::at_most);
    if is_main_thread(py)? {
        patience = patience.or_when(handler_raised);
    }
    let answer = py.detach(|| wait(patience));
    match RAISED.with(RefCell::take) {
        Some(raised) => Err(raised),
        None => Ok(answer),
    }
}

/// The same for waits for read sections: the waiting thread may be the one that others wait behind, so what its handlers
/// call may not wait behind it.
pub(crate) fn wait_for_readers<T: Send>(
    py: Python<'_>,
    limit: Option<Duration>,
    perform: impl FnOnce(Patience) -> T + Send,
) -> PyResult<T> {
    if PERFORMS.replace(true) {
        return Err(MisuseError::new_err(
            "perform called by a signal handler that interrupted a perform of this very thread, expected outside of it",
        ));
    }
    let answer = wait(py, limit, perform);
    PERFORMS.set(false);
    answer
}
