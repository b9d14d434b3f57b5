// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a program whose caller's bug could corrupt memory: a message that names what was seen and what was expected,
//! then abort. No malloc, no lock: it may be the last thing a signal handler does.

use crate::sys::process;
use std::fmt::{self, Write};

/// A message on the stack; what does not fit is cut off.
pub(crate) struct Text {
    bytes: [u8; 1024],
    used: usize,
}

impl Text {
    pub(crate) fn new(what: fmt::Arguments<'_>) -> Self {
        let mut text = Text { bytes: [0; 1024], used: 0 };
        let _ = text.write_fmt(what);
        text
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.used]
    }
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = &mut self.bytes[self.used..];
        let n = room.len().min(s.len());
        room[..n].copy_from_slice(&s.as_bytes()[..n]);
        self.used += n;
        Ok(())
    }
}

/// Tells something without ending the program.
pub(crate) fn report(what: fmt::Arguments<'_>) {
    process::complain(Text::new(format_args!("psref: {what}\n")).as_bytes());
}

/// Tells a caller's bug and ends the program.
#[cold]
pub(crate) fn fatal(what: fmt::Arguments<'_>) -> ! {
    process::complain(Text::new(format_args!("psref: fatal: {what}\n")).as_bytes());
    std::process::abort()
}

/// The same, with last words that may need memory and locks. Where they hang, for this thread's handler interrupted whoever has
/// the lock, the program ends all the same, in two seconds.
#[cold]
pub(crate) fn fatal_and(what: fmt::Arguments<'_>, last_words: impl FnOnce()) -> ! {
    process::complain(Text::new(format_args!("psref: fatal: {what}\n")).as_bytes());
    process::abort_in(2);
    last_words();
    std::process::abort()
}
