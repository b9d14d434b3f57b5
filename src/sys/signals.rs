// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stretch of code that no signal handler of the calling thread interrupts. Two system calls: not for fast paths.

/// Calls `f` with all signals blocked that can be. May be called in signal handlers.
#[cfg(not(any(loom, miri)))]
pub(crate) fn blocked<R>(f: impl FnOnce() -> R) -> R {
    let mut before = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: fills a set and swaps the thread's mask for it; both sets are ours.
    unsafe {
        let mut all = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let answer = f();
    // SAFETY: gives back the mask that the call above wrote.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    answer
}

/// Models have no signals.
#[cfg(any(loom, miri))]
pub(crate) fn blocked<R>(f: impl FnOnce() -> R) -> R {
    f()
}
