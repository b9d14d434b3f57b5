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

/// Writes a message to standard error, as far as that goes.
pub(crate) fn complain(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // Not write(3): that is a cancellation point, and a thread that ended there would never give its lead or its lock back.
        // SAFETY: the kernel reads our bytes.
        match unsafe { libc::syscall(libc::SYS_write, libc::STDERR_FILENO, bytes.as_ptr(), bytes.len()) } {
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
