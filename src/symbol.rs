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

/// Functions of this crate that stand between a Rust program and what takes its caller.
#[cfg(any(feature = "symbols", feature = "borrowed-symbols"))]
const OURS: [&str; 3] = ["psref::psref::face::", "<psref::psref::face::", "psref::psref::raw::"];

/// Whether a line is the library's: one of those functions', or of the inlined fast paths of C programs.
#[cfg(any(feature = "symbols", feature = "borrowed-symbols"))]
#[cfg_attr(any(loom, miri), allow(dead_code))]
fn is_ours(function: &str, file: &str) -> bool {
    let mut path = file.rsplit('/');
    let in_header = path.next().is_some_and(|name| name.starts_with("inline_")) && path.next() == Some("psref");
    in_header || OURS.iter().any(|ours| function.starts_with(ours))
}

#[cfg(all(feature = "symbols", not(feature = "borrowed-symbols"), not(any(loom, miri))))]
mod lines {
    use std::ffi::c_void;
    use std::fmt::{self, Write};

    /// Whether there was a line to write. Of functions inlined into one another, the innermost of the program's.
    pub(super) fn write(f: &mut fmt::Formatter<'_>, call: usize) -> Result<bool, fmt::Error> {
        let mut text = String::new();
        backtrace::resolve(std::ptr::without_provenance_mut::<c_void>(call), |symbol| {
            let (Some(file), Some(line)) = (symbol.filename(), symbol.lineno()) else { return };
            let name = symbol.name().map(|name| format!("{name:#}")).unwrap_or_default();
            let file = file.to_string_lossy();
            if text.is_empty() && !super::is_ours(&name, &file) {
                let _ = write!(text, " {} ({file}:{line})", if name.is_empty() { "?" } else { &name });
            }
        });
        f.write_str(&text)?;
        Ok(!text.is_empty())
    }
}

#[cfg(all(feature = "borrowed-symbols", not(any(loom, miri))))]
mod lines {
    use crate::sys::borrowed_symbols;
    use std::fmt;

    /// As above.
    pub(super) fn write(f: &mut fmt::Formatter<'_>, call: usize) -> Result<bool, fmt::Error> {
        let text = borrowed_symbols::around(call);
        let Some((function, file, line)) =
            super::parse(&text).find(|(function, file, _)| !super::is_ours(function, file))
        else {
            return Ok(false);
        };
        write!(f, " {function} ({file}:{line})")?;
        Ok(true)
    }
}

/// Function, file and line of each function that has one, the innermost first, as [`std::backtrace`] prints them.
#[cfg(any(feature = "borrowed-symbols", test))]
#[cfg_attr(any(loom, miri), allow(dead_code))]
fn parse(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut function = "?";
    text.lines().map(str::trim_start).filter_map(move |line| {
        let Some(place) = line.strip_prefix("at ") else {
            // `0: 0x55d0 - name`; and of the functions that this one was inlined into, `name`.
            let first = line.starts_with(|c: char| c.is_ascii_digit());
            let name = if first { line.split_once('-').map(|(_, name)| name.trim_start()) } else { None };
            function = name.unwrap_or(line);
            return None;
        };
        let (rest, last) = place.rsplit_once(':').filter(|(_, last)| is_number(last))?;
        // With a column or without.
        Some(match rest.rsplit_once(':').filter(|(_, line)| is_number(line)) {
            Some((file, line)) => (function, file, line),
            None => (function, rest, last),
        })
    })
}

#[cfg(any(not(any(feature = "symbols", feature = "borrowed-symbols")), loom, miri))]
mod lines {
    use std::fmt;

    pub(super) fn write(_: &mut fmt::Formatter<'_>, _: usize) -> Result<bool, fmt::Error> {
        Ok(false)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    #[test]
    fn what_the_standard_library_prints_is_understood() {
        let text = "   0:     0x55f3a2c4d1b9 - inner\n                               at /a b-c/x.c:23:5\n\
                    \u{20}                        outer::<a>\n                               at /y.rs:7\n   \
                    1:                0x1 - <unknown>\n";
        let all: Vec<_> = super::parse(text).collect();
        assert_eq!(all, [("inner", "/a b-c/x.c", "23"), ("outer::<a>", "/y.rs", "7")]);
        // And so it does print.
        let here = format!("{:#}", std::backtrace::Backtrace::force_capture());
        let mut all = super::parse(&here);
        assert!(
            all.any(|(function, file, _)| function.contains("is_understood") && file.ends_with("symbol.rs")),
            "{here}"
        );
    }
}
