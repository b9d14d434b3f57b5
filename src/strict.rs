// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strict mode's switch, for the whole library: classes, counters and pools that are made while it is on hold their users to the
//! kernels' rules and remember where things were acquired. Asked where something is made or may sleep, never in a fast path:
//! what is strict sends its users to the slow paths by means that these test anyway.

use crate::diag::fatal;
use crate::sys::process;
use crate::thread;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// | value | meaning |
/// |---|---|
/// | 0 | as the environment says |
/// | `OFF`, `ON` | as [`set`] said |
static SWITCH: AtomicU8 = AtomicU8::new(0);

const OFF: u8 = 1;
const ON: u8 = 2;

/// Turns strict mode on or off for what is made from now on; the environment is not asked any more.
pub(crate) fn set(on: bool) {
    // Relaxed: who must know of it is told by other means.
    SWITCH.store(if on { ON } else { OFF }, Ordering::Relaxed);
}

/// Whether what is made now is strict: as [`set`] said, else whether `PSREF_STRICT` is 1 (ignored in set-user-id programs).
pub(crate) fn is_on() -> bool {
    match SWITCH.load(Ordering::Relaxed) {
        OFF => false,
        ON => true,
        _ => process::environment(c"PSREF_STRICT", |text| (text == "1").then_some(())).is_some(),
    }
}

/// Whether a face of the library asks [`sleeps_inside`] itself.
static ASKED_ABOVE: AtomicBool = AtomicBool::new(false);

/// For faces whose misuse raises an exception: from now on nothing that may sleep ends the program because of a read section; they ask
/// [`sleeps_inside`]. What their collectors end, wherever that happens, is not held: it does not wait.
pub(crate) fn leave_sleeping_to_callers() {
    // Relaxed: before anything that is asked about.
    ASKED_ABOVE.store(true, Ordering::Relaxed);
}

/// Whether what may sleep is misuse here: strict mode is on, and the thread is inside a read section.
pub(crate) fn sleeps_inside() -> bool {
    thread::is_reading() && is_on()
}

/// Ends the program where strict mode is on and `function`, which may sleep, is called inside a read section.
pub(crate) fn assert_sleepable(function: &str) {
    if sleeps_inside() && !ASKED_ABOVE.load(Ordering::Relaxed) {
        fatal(format_args!(
            "assert_sleepable: pserialize caller={function}: may sleep, called inside a read section of this very thread, expected \
             outside"
        ));
    }
}
