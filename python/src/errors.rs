// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exceptions, which `psref/errors.py` defines, and arguments that are out of range.

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use std::ops::RangeInclusive;
use std::time::Duration;

mod raised {
    #![allow(missing_docs, reason = "errors.py has the words")]
    use pyo3::import_exception;

    import_exception!(psref.errors, ArgumentError);
    import_exception!(psref.errors, ConfigError);
    import_exception!(psref.errors, DeadlockError);
    import_exception!(psref.errors, DestroyedError);
    import_exception!(psref.errors, DrainingError);
    import_exception!(psref.errors, Error);
    import_exception!(psref.errors, ForeignObjectError);
    import_exception!(psref.errors, MisuseError);
    import_exception!(psref.errors, NoMemoryError);
    import_exception!(psref.errors, ReadSectionError);
    import_exception!(psref.errors, ReleasedError);
    import_exception!(psref.errors, SealedError);
    import_exception!(psref.errors, StoppedError);
    import_exception!(psref.errors, TimeoutError);
}
pub(crate) use raised::*;

/// What making something may answer.
pub(crate) fn not_made(what: &str, error: psref::Errno) -> PyErr {
    NoMemoryError::new_err(format!("no memory for {what} (errno {})", error.0))
}

/// A whole number in its range.
pub(crate) fn number(name: &str, value: &Bound<'_, PyAny>, allowed: RangeInclusive<usize>) -> PyResult<usize> {
    let seen = match value.extract::<i64>() {
        Ok(seen) => usize::try_from(seen).ok(),
        Err(e) if e.is_instance_of::<PyOverflowError>(value.py()) => None,
        Err(e) => return Err(e),
    };
    seen.filter(|seen| allowed.contains(seen)).ok_or_else(|| {
        ArgumentError::new_err(format!("{name} is {value}, expected {} to {}", allowed.start(), allowed.end()))
    })
}

/// Seconds that a caller is ready to wait; `None`: for ever.
pub(crate) fn limit(timeout: Option<f64>) -> PyResult<Option<Duration>> {
    match timeout {
        None => Ok(None),
        // Infinity, and what no clock reaches: for ever, of which DeadlockError knows.
        Some(seconds) if seconds >= 0.0 => Ok(Duration::try_from_secs_f64(seconds).ok()),
        Some(seconds) => Err(ArgumentError::new_err(format!(
            "timeout is {seconds}, expected seconds of 0 or more, or None: as long as it takes"
        ))),
    }
}

/// Before what may sleep: strict mode allows it outside of read sections alone.
pub(crate) fn may_sleep(what: &str) -> PyResult<()> {
    if psref::sleeps_inside_section() {
        return Err(ReadSectionError::new_err(format!(
            "{what} may sleep: called inside a read section of this very thread, expected outside (strict mode)"
        )));
    }
    Ok(())
}
