// SPDX-License-Identifier: MIT OR Apache-2.0
//! The native laboratory, for `psref.experiment`.

use crate::errors::{ConfigError, Error, StoppedError};
use psref_bench::{Config, Progress};
use pyo3::prelude::*;
use serde_json::json;

/// Runs an experiment that a JSON object describes, and reports as JSON. Lets other threads run meanwhile, and answers Ctrl-C.
///
/// `progress` is called some twenty times a second with a JSON object: `done` (0 to 1), `strategy`, `threads` and `round` (what is
/// measured now). Where it answers False the run stops with a StoppedError, and what it raises is raised.
///
/// Raises ConfigError, before anything is run, for what cannot be.
#[pyfunction]
#[pyo3(signature = (config_json, progress = None, /))]
pub(crate) fn run_experiment(py: Python<'_>, config_json: &str, progress: Option<Py<PyAny>>) -> PyResult<String> {
    let config = Config::from_json(config_json).map_err(|e| ConfigError::new_err(e.to_string()))?;
    let mut raised = None;
    let ran = py.detach(|| {
        psref_bench::run(&config, &mut |now| {
            // None: the interpreter ends.
            let goes_on = Python::try_attach(|py| goes_on(py, progress.as_ref(), now)).unwrap_or(Ok(false));
            goes_on.unwrap_or_else(|e| {
                raised = Some(e);
                false
            })
        })
    });
    if let Some(raised) = raised {
        return Err(raised);
    }
    match ran {
        Ok(report) => serde_json::to_string(&report).map_err(|e| Error::new_err(format!("no JSON of the report: {e}"))),
        Err(psref_bench::Error::Config(what)) => Err(ConfigError::new_err(what)),
        Err(psref_bench::Error::Stopped) => Err(StoppedError::new_err("stopped: progress answered False")),
        Err(e) => Err(Error::new_err(e.to_string())),
    }
}

/// Asks for signals, then tells how far the run is.
fn goes_on(py: Python<'_>, progress: Option<&Py<PyAny>>, now: Progress<'_>) -> PyResult<bool> {
    py.check_signals()?;
    let Some(progress) = progress else { return Ok(true) };
    let now = json!({ "done": now.done, "strategy": now.strategy, "threads": now.threads, "round": now.round });
    progress.bind(py).call1((now.to_string(),))?.is_truthy()
}

/// The strategies and pools that experiments compare: a JSON list of objects with `name`, `kind` ("lookup" or "pool") and `says`.
#[pyfunction]
pub(crate) fn strategies() -> PyResult<String> {
    serde_json::to_string(&psref_bench::strategies())
        .map_err(|e| Error::new_err(format!("no JSON of the strategies: {e}")))
}
