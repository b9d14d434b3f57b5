// SPDX-License-Identifier: MIT OR Apache-2.0
//! Retiring: what runs at a target's end, in a thread that Python knows nothing of, and what that means when the
//! interpreter ends.
//!
//! F1. A callback is called, and Python's objects are touched, only by who has put its process's number into
//!     `RUNNING`, which it takes out when that is over. One thread of a process calls functions at a time, so nobody
//!     contends but the interpreter's end.
//! F2. Before the interpreter is taken down, while every thread can still attach to it, `at_exit` sets [`SHUT`], after
//!     which nobody begins, and waits until nobody runs, whatever is raised meanwhile. So no thread attaches to an
//!     interpreter that is going away, which would end the thread in the middle of the library.
//! F3. What has come to its end after that is leaked: there is no interpreter to give it back to.
//! F4. [`SHUT`] is set from the beginning, and cleared once `at_exit` is sure to be called.

use crate::errors::{DeadlockError, NoMemoryError, TimeoutError, limit, may_sleep};
use crate::target::Target;
use crate::waiting::wait;
use pyo3::prelude::*;
use std::cell::Cell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The native target, for the Python object and its holds.
pub(crate) struct Owned {
    target: ManuallyDrop<psref::Target<()>>,
    /// Somebody else ends it, and has when the last owner goes: one owner is what is called then.
    retired: AtomicBool,
}

impl Owned {
    pub(crate) fn new(target: psref::Target<()>) -> Owned {
        Owned { target: ManuallyDrop::new(target), retired: AtomicBool::new(false) }
    }
}

impl Deref for Owned {
    type Target = psref::Target<()>;

    fn deref(&self) -> &psref::Target<()> {
        &self.target
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: not used after this.
        let target = unsafe { ManuallyDrop::take(&mut self.target) };
        match *self.retired.get_mut() {
            false => drop(target),
            // SAFETY: `ended` had an owner, so it has been called.
            true => unsafe { target.into_value_of_ended() },
        }
    }
}

/// What is done at a target's end.
struct AtEnd {
    owned: Arc<Owned>,
    target: Py<Target>,
    callback: Option<Py<PyAny>>,
}

/// | value | meaning | who may change it to what |
/// |---|---|---|
/// | 0 | nobody runs | who is going to: its process's number; the end: `SHUT` |
/// | a process's number | who runs is of that process, or of another and did not come along with a fork | who runs: 0; the end: adds `SHUT` |
/// | `SHUT` | the interpreter ends, or nobody would tell of it | `see_to_the_end`, once: 0 |
/// | `SHUT` and a number | the end waits for who runs | who runs: `SHUT` |
static RUNNING: AtomicU64 = AtomicU64::new(SHUT);
const SHUT: u64 = 1 << 63;

thread_local! {
    /// Whether this thread runs.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

fn this_process() -> u64 {
    u64::from(std::process::id())
}

/// Becomes the one who runs (F1); false: the interpreter ends.
fn begin() -> bool {
    RUNNING.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |now| (now & SHUT == 0).then(this_process)).is_ok()
}

/// A target has come to its end.
unsafe extern "C" fn ended(argument: *mut c_void) {
    // SAFETY: what `target` leaked; called once.
    let at_end = ManuallyDrop::new(*unsafe { Box::from_raw(argument.cast::<AtEnd>()) });
    if !begin() {
        return; // F3
    }
    RUNS.set(true);
    Python::try_attach(|py| {
        let AtEnd { owned, target, callback } = ManuallyDrop::into_inner(at_end);
        drop(owned);
        if let Some(callback) = &callback
            && let Err(raised) = callback.call1(py, (&target,))
        {
            raised.write_unraisable(py, Some(callback.bind(py)));
        }
    });
    RUNS.set(false);
    // What forked in it has another number now, and its own word.
    RUNNING.fetch_and(SHUT, Ordering::SeqCst);
}

/// Called by the module `atexit` (F2). The first exception of a signal's handler is raised once nobody runs.
#[pyfunction]
fn at_exit(py: Python<'_>) -> PyResult<()> {
    RUNNING.fetch_or(SHUT, Ordering::SeqCst);
    let mut answer = Ok(());
    while !RUNS.get() && RUNNING.load(Ordering::SeqCst) & !SHUT == this_process() {
        // Whoever runs tells nobody: this is how often one looks.
        py.detach(|| std::thread::park_timeout(Duration::from_millis(1)));
        answer = answer.and(py.check_signals());
    }
    answer
}

/// Sees to the interpreter's end (F4). When the module is imported: handlers that are registered later run earlier, and
/// what they retire comes to its end as ever.
pub(crate) fn see_to_the_end(py: Python<'_>) -> PyResult<()> {
    if is_ending(py)? {
        return Ok(());
    }
    py.import("atexit")?.call_method1("register", (wrap_pyfunction!(at_exit, py)?,))?;
    RUNNING.fetch_and(!SHUT, Ordering::SeqCst);
    Ok(())
}

/// Whether the functions of `atexit` may be running already, or have run: the main thread is over by then, and so are
/// all but daemons. (Not told of a program that imports `threading` as late as that, for which nobody ends the threads.)
fn is_ending(py: Python<'_>) -> PyResult<bool> {
    let threading = py.import("threading")?;
    let main = threading.call_method0("main_thread")?;
    if main.call_method0("is_alive")?.extract()? {
        return Ok(false);
    }
    let this = threading.call_method0("current_thread")?;
    Ok(this.is(&main) || this.getattr("daemon")?.extract()?)
}

/// Retires a native target for its Python object, whose stage says so already.
pub(crate) fn target(owned: &Arc<Owned>, target: Py<Target>, callback: Option<Py<PyAny>>) -> PyResult<()> {
    owned.retired.store(true, Ordering::SeqCst); // before its end, which may come at once
    let at_end = Box::into_raw(Box::new(AtEnd { owned: Arc::clone(owned), target, callback }));
    // SAFETY: the stage says that nobody else ends it; `at_end` keeps it where it is; `ended` takes the interpreter
    // itself.
    unsafe { owned.retire_in_place(ended, at_end.cast()) }.map_err(|error| {
        owned.retired.store(false, Ordering::SeqCst);
        // SAFETY: leaked above, and nobody knows of it.
        drop(unsafe { Box::from_raw(at_end) });
        NoMemoryError::new_err(format!(
            "no memory to retire a target, or {} things wait for their end already (errno {})",
            psref::retire::BOUND,
            error.0
        ))
    })
}

/// Sees to what was retired as far as that is possible now, in the calling thread, and answers how many things are
/// left. Where this is called before anything is retired, the library starts no thread for it.
///
/// Calls the callbacks of what has come to its end; in one of those, inside a read section, and while another thread
/// does the same, it does nothing.
#[pyfunction]
pub(crate) fn retire_poll(py: Python<'_>) -> usize {
    py.detach(psref::retire::poll)
}

/// Waits until everything that was retired before has come to its end, its callback included, `timeout` seconds at most
/// (None: as long as it takes).
///
/// Raises DeadlockError in a callback and inside a read section, for which it would wait, and without a timeout in a
/// thread that holds something that was retired; TimeoutError, and then things go on.
#[pyfunction]
#[pyo3(signature = (timeout = None))]
pub(crate) fn retire_barrier(py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
    let limit = limit(timeout)?;
    may_sleep("retire_barrier")?;
    if psref::retire::raw::is_inside() {
        return Err(DeadlockError::new_err(
            "retire_barrier called by what was retired, for which it would wait for ever, expected any other place",
        ));
    }
    if psref::ReadSection::depth_here() != 0 {
        return Err(DeadlockError::new_err(
            "retire_barrier called inside a read section of this very thread, for which it would wait for ever, expected outside",
        ));
    }
    if limit.is_none() && psref::retire::raw::is_held_up_here() {
        return Err(DeadlockError::new_err(
            "retire_barrier called by a thread that holds something that was retired: it would wait for itself; expected \
             release() first, or a timeout where another thread is going to release",
        ));
    }
    wait(py, limit, psref::retire::barrier_within)?.map_err(|_| {
        TimeoutError::new_err(format!(
            "what was retired has not come to its end after {} s; it goes on",
            limit.unwrap_or_default().as_secs_f64()
        ))
    })
}
