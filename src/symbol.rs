// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses of code in words: function, file and line where the program has debug information, else file and offset. Allocates
//! and takes locks: for reports, not for signal handlers.

use crate::sys::object;
use std::fmt;

/// Where a call returns to.
#[derive(Clone, Copy)]
pub(crate) struct Caller(pub(crate) usize);

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)?;
        // The instruction before: what it returns to may be another line, or the next function.
        let call = self.0.wrapping_sub(1);
        if lines::write(f, call)? {
            return Ok(());
        }
        let Some(origin) = object::origin(call) else { return Ok(()) };
        if let Some((symbol, distance)) = origin.symbol {
            write!(f, " {}+{distance:#x}", symbol.to_string_lossy())?;
        }
        write!(f, " ({}+{:#x})", origin.file.to_string_lossy(), origin.offset)
    }
}

#[cfg(all(feature = "symbols", not(any(loom, miri))))]
mod lines {
    use std::ffi::{OsStr, c_void};
    use std::fmt::{self, Write};
    use std::path::Path;

    /// Functions of this crate that stand between a Rust program and what takes its caller.
    const OURS: [&str; 3] = ["psref::psref::face::", "<psref::psref::face::", "psref::psref::raw::"];

    /// The inlined fast paths of C programs.
    fn is_our_header(file: &Path) -> bool {
        let ours = |name: &OsStr| name.as_encoded_bytes().starts_with(b"inline_");
        file.parent().is_some_and(|directory| directory.ends_with("psref")) && file.file_name().is_some_and(ours)
    }

    /// Whether there was a line to write. Of functions inlined into one another, the innermost of the program's.
    pub(super) fn write(f: &mut fmt::Formatter<'_>, address: usize) -> Result<bool, fmt::Error> {
        let mut text = String::new();
        backtrace::resolve(std::ptr::without_provenance_mut::<c_void>(address), |symbol| {
            let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) else { return };
            let name = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
            if text.is_empty() && !OURS.iter().any(|ours| name.starts_with(ours)) && !is_our_header(file) {
                let _ = write!(text, " {} ({}:{line})", if name.is_empty() { "?" } else { &name }, file.display());
            }
        });
        f.write_str(&text)?;
        Ok(!text.is_empty())
    }
}

#[cfg(not(all(feature = "symbols", not(any(loom, miri)))))]
mod lines {
    use std::fmt;

    pub(super) fn write(_: &mut fmt::Formatter<'_>, _: usize) -> Result<bool, fmt::Error> {
        Ok(false)
    }
}
