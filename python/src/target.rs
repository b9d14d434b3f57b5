// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passive references: classes and targets.

use crate::errors::{
    ArgumentError, DeadlockError, DestroyedError, DrainingError, TimeoutError, limit, may_sleep, not_made,
};
use crate::hold::{Hold, Kept};
use crate::waiting::wait;
use psref::{GaveUp, Holder};
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
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

/// How far a target's end has come; it only grows.
const LIVE: u8 = 0;
const DRAINING: u8 = 1;
const DRAINED: u8 = 2;
const DESTROYED: u8 = 3;

/// Something of which holds can be taken by passive references: one per-CPU store each.
///
/// Look it up where nobody destroys it meanwhile, then acquire(); whoever destroys it unpublishes it first.
/// All methods may be called by any thread.
#[pyclass(frozen, module = "psref", subclass, dict, weakref)]
pub struct Target {
    target: Arc<psref::Target<()>>,
    class: Py<Class>,
    stage: AtomicU8,
}

impl Target {
    fn name(&self) -> String {
        format!("target of class {:?}", self.class.get().0.name())
    }

    fn check(&self) -> PyResult<()> {
        if self.stage.load(Ordering::Acquire) == DESTROYED {
            return Err(DestroyedError::new_err(format!("{} used after destroy(), expected a live one", self.name())));
        }
        Ok(())
    }

    fn end(&self, py: Python<'_>, limit: Option<Duration>, what: &str) -> PyResult<()> {
        self.check()?;
        may_sleep(what)?;
        if limit.is_none() && self.target.is_held_here() {
            return Err(DeadlockError::new_err(format!(
                "{what} of {} by a thread that holds it: it would wait for itself; expected release() first, or drain() with a \
                 timeout where another thread is going to release",
                self.name()
            )));
        }
        // Inside: an exception of a handler that comes before leaves everything as it was.
        let drained = wait(py, limit, |patience| {
            self.stage.fetch_max(DRAINING, Ordering::AcqRel);
            self.target.drain_within(patience)
        })?;
        match drained {
            Ok(()) => {
                self.stage.fetch_max(DRAINED, Ordering::AcqRel);
                Ok(())
            }
            // Interrupted: by a handler's exception, which `wait` raised.
            Err(GaveUp::TimedOut | GaveUp::Interrupted) => Err(TimeoutError::new_err(format!(
                "{} is still held after {} s by {}; it stays draining",
                self.name(),
                limit.unwrap_or_default().as_secs_f64(),
                listed(&self.target.holders())
            ))),
        }
    }
}

/// Holders for people: the first few.
fn listed(held_by: &[Holder]) -> String {
    const SHOWN: usize = 4;
    let one = |by: &Holder| {
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
        let target = Arc::new(psref::Target::new(&cls.get().0, ()));
        Target { target, class: cls, stage: AtomicU8::new(LIVE) }
    }

    /// Its class.
    #[getter]
    fn cls(&self, py: Python<'_>) -> Py<Class> {
        self.class.clone_ref(py)
    }

    /// Holds it: one per-CPU store. Never waits.
    ///
    /// Raises DrainingError once a drain has begun, DestroyedError after destroy().
    fn acquire(slf: &Bound<'_, Self>) -> PyResult<Hold> {
        let this = slf.get();
        this.check()?;
        match this.target.acquire() {
            Ok(guard) => Ok(Hold::new(Kept::Target(guard, Arc::clone(&this.target)), slf.clone().into_any().unbind())),
            Err(psref::Draining) => {
                Err(DrainingError::new_err(format!("{} is draining: no hold of it can begin any more", this.name())))
            }
        }
    }

    /// Whether the calling thread acquired a hold that was not released; for assertions.
    fn held(&self) -> PyResult<bool> {
        self.check()?;
        Ok(self.target.is_held_here())
    }

    /// Who holds it: for each hold the kernel's id of the thread that acquired it (None: it has ended) and the CPU it did so on (None:
    /// without restartable sequences that is not known). A hint while others acquire and release.
    fn holders(&self) -> Vec<(Option<u32>, Option<u32>)> {
        self.target.holders().iter().map(|by| (by.tid, by.cpu)).collect()
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
        match self.stage.swap(DESTROYED, Ordering::AcqRel) {
            DESTROYED => Err(DestroyedError::new_err(format!(
                "{} destroyed by two threads at once, expected one destroy()",
                self.name()
            ))),
            _ => Ok(()),
        }
    }

    fn __repr__(&self) -> String {
        let class = self.class.get().0.name();
        match self.stage.load(Ordering::Acquire) {
            DESTROYED => format!("<psref.Target of {class:?} destroyed>"),
            stage => {
                let stage = match stage {
                    LIVE => "live",
                    DRAINED => "drained",
                    _ => "draining",
                };
                let held_by = self.target.holders();
                match held_by.len() {
                    0 => format!("<psref.Target of {class:?} {stage}, not held>"),
                    1 => format!("<psref.Target of {class:?} {stage}, held by {}>", listed(&held_by)),
                    n => format!("<psref.Target of {class:?} {stage}, {n} holds: {}>", listed(&held_by)),
                }
            }
        }
    }
}
