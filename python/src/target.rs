// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passive references: classes and targets.

use crate::errors::{
    ArgumentError, DeadlockError, DestroyedError, DrainingError, TimeoutError, limit, may_sleep, not_made,
};
use crate::hold::{Hold, Kept};
use crate::retire::{self, Owned};
use crate::stage::{DESTROYED, DRAINED, DRAINING, LIVE, RETIRED, Stage};
use crate::waiting::wait;
use psref::{GaveUp, ReadSection};
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use std::os::fd::IntoRawFd;
use std::sync::Arc;
use std::time::Duration;

/// A class of targets: what their holds share, and where their drains wait. One for each kind of thing.
///
/// The first 48 bytes of the name show in messages.
#[pyclass(frozen, module = "psref", weakref)]
pub struct Class(psref::Class);

#[pymethods]
impl Class {
    #[new]
    fn new(name: &str) -> PyResult<Class> {
        if name.contains('\0') {
            return Err(ArgumentError::new_err(format!("name is {name:?}, expected text without NUL")));
        }
        may_sleep("Class")?;
        psref::Class::new(name).map(Class).map_err(|e| not_made("the slots of a class", e))
    }

    /// The name, as messages show it.
    #[getter]
    fn name(&self) -> String {
        self.0.name()
    }

    fn __repr__(&self) -> String {
        format!("<psref.Class {:?}>", self.0.name())
    }
}

/// Something of which holds can be taken by passive references: one per-CPU store each.
///
/// Look it up where nobody destroys it meanwhile, then acquire(); whoever destroys it unpublishes it first.
/// All methods may be called by any thread.
#[pyclass(frozen, module = "psref", subclass, dict, weakref)]
pub struct Target {
    target: Arc<Owned>,
    class: Py<Class>,
    stage: Stage,
}

impl Target {
    fn name(&self) -> String {
        format!("target of class {:?}", self.class.get().0.name())
    }

    fn check(&self) -> PyResult<()> {
        let ended_by = match self.stage.now() {
            DESTROYED => "destroy()",
            RETIRED => "retire()",
            _ => return Ok(()),
        };
        Err(DestroyedError::new_err(format!("{} used after {ended_by}, expected a live one", self.name())))
    }

    /// Before the native target is used for a moment, without a wait. Whoever retires it sets the stage before; and
    /// what was retired comes to its end after the sections that were open then. So who finds another stage inside of
    /// one has a target until it leaves. A section that the thread is in already does as well, so there is no depth at
    /// which this fails: DestroyedError is the only answer but a section.
    fn use_it(&self) -> PyResult<Option<ReadSection>> {
        let section = (ReadSection::depth_here() == 0).then(ReadSection::enter);
        self.check()?;
        Ok(section)
    }

    fn is_held_here(&self) -> PyResult<bool> {
        let _section = self.use_it()?;
        Ok(self.target.is_held_here())
    }

    /// Who holds it; of what is no target any more, nobody.
    pub(crate) fn held_by(&self) -> Vec<psref::Holder> {
        self.use_it().map_or_else(|_| Vec::new(), |_section| self.target.holders())
    }

    /// Gives it up; what was done before it could be is undone.
    fn give_up(slf: &Bound<'_, Self>, callback: Option<Py<PyAny>>) -> PyResult<()> {
        let this = slf.get();
        let Some(before) = this.stage.retire() else {
            this.check()?;
            return Err(DeadlockError::new_err(format!(
                "retire of {} while another thread waits in its drain() or destroy(), expected one who ends it",
                this.name()
            )));
        };
        retire::target(&this.target, slf.clone().unbind(), callback).inspect_err(|_| this.stage.put_back(before))
    }

    fn end(&self, py: Python<'_>, limit: Option<Duration>, what: &str) -> PyResult<()> {
        self.check()?;
        may_sleep(what)?;
        let Some(_draining) = self.stage.drain() else { return self.check() };
        if limit.is_none() && self.is_held_here()? {
            return Err(DeadlockError::new_err(format!(
                "{what} of {} by a thread that holds it: it would wait for itself; expected release() first, or drain() with a \
                 timeout where another thread is going to release",
                self.name()
            )));
        }
        // Inside: an exception of a handler that comes before leaves everything as it was.
        let drained = wait(py, limit, |patience| {
            self.stage.reach(DRAINING);
            self.target.drain_within(patience)
        })?;
        match drained {
            Ok(()) => {
                self.stage.reach(DRAINED);
                Ok(())
            }
            // Interrupted: by a handler's exception, which `wait` raised.
            Err(GaveUp::TimedOut | GaveUp::Interrupted) => Err(TimeoutError::new_err(format!(
                "{} is still held after {} s by {}; it stays draining",
                self.name(),
                limit.unwrap_or_default().as_secs_f64(),
                listed(&self.held_by())
            ))),
        }
    }
}

/// Holders for people: the first few.
fn listed(held_by: &[psref::Holder]) -> String {
    const SHOWN: usize = 4;
    let one = |by: &psref::Holder| {
        let who = by.tid.map_or_else(|| "a thread that has ended".to_owned(), |tid| format!("thread {tid}"));
        by.cpu.map_or_else(|| who.clone(), |cpu| format!("{who} (acquired on CPU {cpu})"))
    };
    let mut names: Vec<String> = held_by.iter().take(SHOWN).map(one).collect();
    if held_by.len() > SHOWN {
        names.push(format!("{} more", held_by.len() - SHOWN));
    }
    if names.is_empty() { "nobody any more".to_owned() } else { names.join(", ") }
}

#[pymethods]
impl Target {
    #[new]
    #[pyo3(signature = (cls, /))]
    fn new(cls: Py<Class>) -> Target {
        let target = Arc::new(Owned::new(psref::Target::new(&cls.get().0, ())));
        Target { target, class: cls, stage: Stage::new() }
    }

    /// Its class.
    #[getter]
    fn cls(&self, py: Python<'_>) -> Py<Class> {
        self.class.clone_ref(py)
    }

    /// Holds it: one per-CPU store. Never waits.
    ///
    /// Raises DrainingError once a drain has begun, DestroyedError after destroy() and retire().
    fn acquire(slf: &Bound<'_, Self>) -> PyResult<Hold> {
        let this = slf.get();
        let _section = this.use_it()?;
        match this.target.acquire() {
            Ok(guard) => Ok(Hold::new(Kept::Target(guard, Arc::clone(&this.target)), slf.clone().into_any().unbind())),
            Err(psref::Draining) => {
                Err(DrainingError::new_err(format!("{} is draining: no hold of it can begin any more", this.name())))
            }
        }
    }

    /// Whether the calling thread acquired a hold that was not released; for assertions.
    fn held(&self) -> PyResult<bool> {
        self.is_held_here()
    }

    /// Who holds it: for each hold the kernel's id of the thread that acquired it (None: it has ended) and the CPU it did so on (None:
    /// without restartable sequences that is not known). A hint while others acquire and release.
    fn holders(&self) -> Vec<(Option<u32>, Option<u32>)> {
        self.held_by().iter().map(|by| (by.tid, by.cpu)).collect()
    }

    /// Stops new holds and waits for those that are, `timeout` seconds at most (None: as long as it takes).
    ///
    /// Raises TimeoutError; then the target stays draining, and may be drained again, as after Ctrl-C. DeadlockError, at once, without a
    /// timeout in a thread that holds it.
    #[pyo3(signature = (timeout = None))]
    fn drain(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<()> {
        self.end(py, limit(timeout)?, "drain")
    }

    /// Drains it, unless that is done, and ends it: from then on every use raises DestroyedError.
    ///
    /// After Ctrl-C it may be destroyed again.
    fn destroy(&self, py: Python<'_>) -> PyResult<()> {
        self.end(py, None, "destroy")?;
        match self.stage.destroy() {
            Some(()) => Ok(()),
            None => Err(DestroyedError::new_err(format!(
                "{} destroyed by two threads at once, expected one destroy()",
                self.name()
            ))),
        }
    }

    /// Stops new holds and tells whether the old ones are gone. Never waits; interrupts every CPU.
    fn poll_drained(&self) -> PyResult<bool> {
        let _section = self.use_it()?;
        self.stage.reach(DRAINING);
        let drained = self.target.poll_drained();
        if drained {
            self.stage.reach(DRAINED);
        }
        Ok(drained)
    }

    /// Stops new holds and answers a file descriptor for event loops: readable whenever poll_drained() should be asked.
    /// Nothing need be read; the caller closes it, whenever it likes. No thread waits.
    ///
    /// Raises OSError where no descriptor is to be had; then nothing is done.
    fn drain_fd(&self) -> PyResult<i32> {
        let _section = self.use_it()?;
        match self.target.drain_fd() {
            Ok(fd) => {
                self.stage.reach(DRAINING);
                Ok(fd.into_raw_fd())
            }
            Err(error) => Err(PyOSError::new_err((error.0, "no descriptor for a drain"))),
        }
    }

    /// Stops new holds; awaited, waits until those that are have been released, in an asyncio event loop that runs on
    /// meanwhile: no thread waits. Cancelled, it leaves the target draining, and nothing else.
    ///
    /// For a limit: asyncio.timeout(). A thread may await the end of its own holds, for other tasks of it may release
    /// them.
    fn drain_async<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("psref._aio")?.call_method1("drain", (slf,))
    }

    /// Gives it up, without a wait: acquire() raises from now on, and once the last hold is released, and every read
    /// section that is open now has ended, `callback` is called with it, if there is one.
    ///
    /// That is in a thread of the library's own, or in retire_poll() and retire_barrier(); never in this call. What the
    /// callback raises goes to sys.unraisablehook. While it runs others wait for their turn. When the interpreter ends
    /// (that is among the functions of the module atexit, after those that were registered later than psref was
    /// imported) one that runs is waited for, also after Ctrl-C, and no more are called.
    ///
    /// Raises DestroyedError after destroy() or retire(), DeadlockError while a thread waits in drain() or destroy() of
    /// it, NoMemoryError, also where too many things are waiting for their end; then nothing is done.
    #[pyo3(signature = (callback = None))]
    fn retire(slf: &Bound<'_, Self>, callback: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        if let Some(callback) = &callback
            && !callback.is_callable()
        {
            return Err(ArgumentError::new_err(format!("callback is {}, expected a function", callback.repr()?)));
        }
        Self::give_up(slf, callback.map(Bound::unbind))
    }

    fn __repr__(&self) -> String {
        let class = self.class.get().0.name();
        match self.stage.now() {
            DESTROYED => format!("<psref.Target of {class:?} destroyed>"),
            RETIRED => format!("<psref.Target of {class:?} retired>"),
            stage => {
                let stage = match stage {
                    LIVE => "live",
                    DRAINED => "drained",
                    _ => "draining",
                };
                let held_by = self.held_by();
                match held_by.len() {
                    0 => format!("<psref.Target of {class:?} {stage}, not held>"),
                    1 => format!("<psref.Target of {class:?} {stage}, held by {}>", listed(&held_by)),
                    n => format!("<psref.Target of {class:?} {stage}, {n} holds: {}>", listed(&held_by)),
                }
            }
        }
    }
}
