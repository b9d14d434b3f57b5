// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong with a run.

use std::fmt;

/// Why there is no report. An unsafe run is none of these: it has a report that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is refused; nothing was run. Names the field, what was seen and what is allowed.
    Config(String),
    /// The progress callback said stop. No thread of the run is left.
    Stopped,
    /// The machine refused something a run needs: a thread, memory, a place on a CPU.
    System(String),
}

impl Error {
    pub(crate) fn system(what: impl fmt::Display, why: impl fmt::Display) -> Error {
        Error::System(format!("{what}: {why}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Config(what) | Error::System(what) => f.write_str(what),
            Error::Stopped => f.write_str("stopped on request"),
        }
    }
}

impl std::error::Error for Error {}
