// SPDX-License-Identifier: MIT OR Apache-2.0
//! A line on standard error, also out of a signal handler and out of a forked child: no lock, no allocation.

use std::fmt::{self, Write};

struct Line {
    bytes: [u8; 400],
    used: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - self.used; // one is the line's end
        let n = text.len().min(room);
        self.bytes[self.used..self.used + n].copy_from_slice(&text.as_bytes()[..n]);
        self.used += n;
        Ok(())
    }
}

/// Says it, cut where it is longer than a line may be.
pub fn say(what: fmt::Arguments<'_>) {
    let mut line = Line { bytes: [0; 400], used: 0 };
    let _ = line.write_fmt(what);
    line.bytes[line.used] = b'\n';
    // SAFETY: our bytes.
    unsafe { libc::write(2, line.bytes.as_ptr().cast(), line.used + 1) };
}
