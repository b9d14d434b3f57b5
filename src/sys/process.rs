// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the process is: its kernel, its threads' ids, its environment, its end.

use super::errno::{self, Errno};

/// The kernel's version, (0, 0) where it cannot be read.
pub(crate) fn kernel() -> (u32, u32) {
    // SAFETY: all-zero is a value of utsname, uname fills it in.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: writes into our structure.
    if unsafe { libc::uname(&raw mut names) } != 0 {
        return (0, 0);
    }
    // SAFETY: uname terminates its strings.
    let release = unsafe { std::ffi::CStr::from_ptr(names.release.as_ptr()) };
    version(&release.to_string_lossy())
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The calling thread's id.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::gettid() as u32 }
}

#[cfg(not(miri))]
unsafe extern "C" {
    // Not in the libc crate; glibc and musl have it.
    fn secure_getenv(name: *const libc::c_char) -> *mut libc::c_char;
}

/// What `read` makes of an environment variable; `None` without it, and where the program runs with somebody else's rights. Needs
/// no memory.
#[cfg(not(miri))]
pub(crate) fn environment<T>(name: &std::ffi::CStr, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    // SAFETY: a terminated name; the answer is read at once. As for every reader of the environment, nobody may write it at the
    // same time.
    unsafe {
        let value = secure_getenv(name.as_ptr());
        if value.is_null() { None } else { read(std::ffi::CStr::from_ptr(value).to_str().ok()?) }
    }
}

/// Miri has no `secure_getenv`, and nobody else's rights.
#[cfg(miri)]
pub(crate) fn environment<T>(name: &std::ffi::CStr, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    read(&std::env::var(name.to_str().ok()?).ok()?)
}

/// Calls `f`, which may read files, without cancellation points: a thread that ended there would leave what it is in the middle of.
#[cfg(not(any(loom, miri)))]
pub(crate) fn uncancelled<T>(f: impl FnOnce() -> T) -> T {
    unsafe extern "C" {
        fn pthread_setcancelstate(state: libc::c_int, old: *mut libc::c_int) -> libc::c_int;
    }
    const DISABLE: libc::c_int = 1; // of glibc and musl
    let mut before = 0;
    // SAFETY: writes our word.
    unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
    let answer = f();
    // SAFETY: as it was; writes nothing.
    unsafe { pthread_setcancelstate(before, std::ptr::null_mut()) };
    answer
}

/// Nobody is cancelled there.
#[cfg(any(loom, miri))]
pub(crate) fn uncancelled<T>(f: impl FnOnce() -> T) -> T {
    f()
}

/// The name of a thread of this process, as far as the system knows one, into `name`; how many bytes it has.
pub(crate) fn thread_name(tid: u32, name: &mut [u8; 16]) -> usize {
    use std::io::{Cursor, Write};
    let mut path = [0; 40];
    if cfg!(miri) || write!(Cursor::new(&mut path[..]), "/proc/self/task/{tid}/comm").is_err() {
        return 0;
    }
    let _errno = errno::Preserve::new();
    // SAFETY: a terminated path; the kernel writes into our bytes, as many as we say at most.
    let n = unsafe {
        let file = libc::open(path.as_ptr().cast(), libc::O_RDONLY | libc::O_CLOEXEC);
        if file < 0 {
            return 0;
        }
        let n = libc::read(file, name.as_mut_ptr().cast(), name.len());
        libc::close(file);
        usize::try_from(n).unwrap_or(0)
    };
    name[..n].iter().position(|&byte| byte == b'\n').unwrap_or(n)
}

/// The program ends by SIGABRT in so many seconds, whatever it does meanwhile: for last words that may never be spoken. Where it
/// ignores that signal, no longer.
#[cfg(not(any(loom, miri)))]
pub(crate) fn abort_in(seconds: i64) {
    // SAFETY: all-zero is a value of these structures; each call reads and writes ours.
    unsafe {
        let mut event: libc::sigevent = std::mem::zeroed();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGABRT;
        let mut timer: libc::c_int = 0;
        // Not timer_create(3): that takes memory.
        if libc::syscall(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) != 0 {
            return;
        }
        let mut when: libc::itimerspec = std::mem::zeroed();
        when.it_value.tv_sec = seconds;
        libc::syscall(libc::SYS_timer_settime, timer, 0, &raw const when, std::ptr::null_mut::<libc::itimerspec>());
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGABRT, std::ptr::null(), &raw mut action);
        if action.sa_sigaction == libc::SIG_IGN {
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(libc::SIGABRT, &raw const action, std::ptr::null_mut());
        }
        let mut abort = std::mem::zeroed();
        libc::sigemptyset(&raw mut abort);
        libc::sigaddset(&raw mut abort, libc::SIGABRT);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const abort, std::ptr::null_mut());
    }
}

/// Models have no hangs of this kind.
#[cfg(any(loom, miri))]
pub(crate) fn abort_in(_: i64) {}

/// Writes a message to standard error, as far as that goes.
pub(crate) fn complain(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // Not write(3): that is a cancellation point, and a thread that ended there would never give its lead or its lock back.
        // SAFETY: the kernel reads our bytes.
        #[cfg(not(miri))]
        let written = unsafe { libc::syscall(libc::SYS_write, libc::STDERR_FILENO, bytes.as_ptr(), bytes.len()) };
        // SAFETY: the same; Miri knows no system call of this number, and cancels nobody.
        #[cfg(miri)]
        let written = unsafe { libc::write(libc::STDERR_FILENO, bytes.as_ptr().cast(), bytes.len()) };
        match written {
            n if n > 0 => bytes = &bytes[n as usize..],
            -1 if errno::last() == Errno(libc::EINTR) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn a_release_string_gives_its_first_two_numbers() {
        assert_eq!(version("6.18.44-fc-v445"), (6, 18));
        assert_eq!(version("5.10"), (5, 10));
        assert_eq!(version("6.1.0-49-cloud-amd64"), (6, 1));
        assert_eq!(version("nonsense"), (0, 0));
    }
}
