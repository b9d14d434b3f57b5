// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a run that found something: what was seen, who does and holds what, and exit status 1.

use crate::page::Name;
use crate::say::say;
use crate::{board, report, system};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::*};
use std::time::Duration;

static FAILED: AtomicBool = AtomicBool::new(false);
/// The process that tortures; its forked children fail for themselves.
static OURSELVES: AtomicI32 = AtomicI32::new(0);

/// What every line of a failure begins with; the program that started this one looks for it.
pub const MARK: &str = "torture: FAILURE: ";

/// Reports it and ends the process. Whoever comes second waits for that.
pub fn fail(what: fmt::Arguments<'_>) -> ! {
    if FAILED.swap(true, SeqCst) {
        loop {
            system::pass(Duration::from_secs(1));
        }
    }
    say(format_args!("{MARK}{what}"));
    // SAFETY: no arguments.
    if OURSELVES.load(Relaxed) == unsafe { libc::getpid() } {
        board::dump();
        // Whoever fails in a handler, in the middle of an allocation, would wait for itself.
        // SAFETY: no pointers.
        unsafe { libc::alarm(5) };
        report::emit(Some(what.to_string()));
    }
    // SAFETY: ends the process, without the destructors that others would trip over.
    unsafe { libc::_exit(1) }
}

extern "C" fn faulted(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel's, of a fault.
    let address = unsafe { (*info).si_addr() }.addr();
    FAILED.store(true, SeqCst);
    say(format_args!(
        "{MARK}signal {signal} at {address:#x}: thread {} looked too late at {}",
        system::tid(),
        Name(address)
    ));
    board::dump();
    // SAFETY: ends the process.
    unsafe { libc::_exit(1) }
}

/// Faults and panics are reported from here on, and this process is the one that tortures.
pub fn catch_faults() {
    // SAFETY: no arguments.
    OURSELVES.store(unsafe { libc::getpid() }, SeqCst);
    std::panic::set_hook(Box::new(|panic| fail(format_args!("{panic}"))));
    for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL] {
        system::handle(signal, faulted, libc::SA_ONSTACK | libc::SA_RESETHAND);
    }
}
