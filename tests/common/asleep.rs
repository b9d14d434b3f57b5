// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests ask the system: whether a thread sleeps, what it has cost; signal handlers; the same program once more.
#![allow(dead_code, reason = "each test program uses its part")]

use std::process::{Command, Output};
use std::sync::mpsc::channel;
use std::time::Duration;

pub fn tid() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }
}

/// Whether a thread of this process sleeps.
pub fn sleeps(tid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{tid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().unwrap().trim_start().starts_with('S')
}

/// Lets time pass where time is what is measured; nothing is lined up by it.
pub fn pass(time: Duration) {
    let (_keep, never) = channel::<()>();
    let _ = never.recv_timeout(time);
}

/// What the calling thread has cost so far.
pub fn cpu_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes into our structure.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) }, 0);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Installs a handler, with SA_RESTART.
pub fn handle(signal: i32, handler: extern "C" fn(i32)) {
    // SAFETY: a zeroed action is a value, and the handler is one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(signal, &raw const action, std::ptr::null_mut()), 0);
    }
}

/// Sends a signal to one thread of this process, if it lives.
#[allow(clippy::disallowed_methods, reason = "no function of the C library signals by thread id everywhere")]
pub fn signal(tid: i32, signal: i32) {
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, signal) };
}

/// From now on this thread handles that signal no more: for one that others signal until its work ends. A scope waits for the
/// work of its threads alone, and what is still pending would be handled on a thread's way out, beside what comes after the scope.
pub fn ignore_from_now_on(signal: i32) {
    // SAFETY: a zeroed set is a value; the call reads it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigaddset(&raw mut set, signal);
        assert_eq!(libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()), 0);
    }
}

/// Runs one test of this program in a process of its own, with these variables.
pub fn alone(test: &str, environment: &[(&str, &str)]) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .envs(environment.iter().copied())
        .output()
        .unwrap()
}

/// Runs all tests of this program but `this` on the atomics back end.
pub fn again_with_atomics(this: &str) {
    if std::env::var_os("PSREF_BACKEND").is_some() {
        return;
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--test-threads=1", "--skip", this])
        .env("PSREF_BACKEND", "atomic")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
    assert!(!said.contains(" 0 passed"), "{said}");
}

/// What the tests above are run with; each program that uses them calls this in a test.
pub fn the_back_end_is_what_was_asked_for() {
    if let Ok(asked) = std::env::var("PSREF_BACKEND") {
        assert!(asked == "auto" || psref::backend().name() == asked);
    }
}
