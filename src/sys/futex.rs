// SPDX-License-Identifier: MIT OR Apache-2.0
//! futex(2) on a word of this process: sleep while the word is what it was, wake. Every return is spurious until the caller
//! has looked again (R7); a [`Futex`] lives in type-stable memory, other words as long as their callers promise.

#[cfg(not(loom))]
pub(crate) use real::{Futex, wait, wake};

#[cfg(loom)]
pub(crate) use model::Futex;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Woken, or the word had changed, or for no reason at all.
    LookAgain,
    TimedOut,
    /// A signal handler ran.
    Interrupted,
}

#[cfg(not(loom))]
mod real {
    use super::Woken;
    use crate::sys::errno::{Errno, check};
    use crate::sys::sync::{AtomicU32, Ordering};

    /// A sequence word that threads sleep on.
    #[repr(transparent)]
    pub(crate) struct Futex(AtomicU32);

    impl Futex {
        pub(crate) const fn new() -> Self {
            Futex(AtomicU32::new(0))
        }

        /// Read before whatever decides to sleep (R3).
        pub(crate) fn word(&self) -> u32 {
            self.0.load(Ordering::SeqCst)
        }

        pub(crate) fn advance_and_wake_all(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            #[cfg(feature = "inject")]
            if crate::sys::plant::planted(crate::sys::plant::Bug::WakesOne) {
                return wake(&self.0, 1);
            }
            wake(&self.0, u32::MAX);
        }

        /// Sleeps while the word is `seen`, until `deadline` (nanoseconds of CLOCK_MONOTONIC).
        pub(crate) fn wait(&self, seen: u32, deadline: Option<u64>) -> Woken {
            wait(&self.0, seen, deadline)
        }
    }

    /// Wakes at most `n` of those who sleep on a word.
    pub(crate) fn wake(word: &AtomicU32, n: u32) {
        let n = n.min(i32::MAX as u32) as i32;
        // SAFETY: FUTEX_WAKE never dereferences the address; it names a queue.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, n) };
    }

    /// Sleeps while `word` is `seen`, until `deadline` (nanoseconds of CLOCK_MONOTONIC).
    pub(crate) fn wait(word: &AtomicU32, seen: u32, deadline: Option<u64>) -> Woken {
        // A wait without limit looks like it needs no timeout. The kernel restarts such a wait by itself after
        // handlers installed with SA_RESTART; one with a timeout always answers EINTR.
        let ns = deadline.unwrap_or(i64::MAX as u64);
        let limit = libc::timespec {
            tv_sec: (ns / 1_000_000_000) as libc::time_t,
            tv_nsec: (ns % 1_000_000_000) as libc::c_long,
        };
        // SAFETY: the word is borrowed for the call and the timespec lies on this stack.
        let answer = check(unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG,
                seen,
                &raw const limit,
                std::ptr::null::<u32>(),
                libc::FUTEX_BITSET_MATCH_ANY,
            )
        });
        match answer {
            Err(Errno(libc::ETIMEDOUT)) => Woken::TimedOut,
            Err(Errno(libc::EINTR)) => Woken::Interrupted,
            _ => Woken::LookAgain,
        }
    }
}

/// loom knows no futex: a mutex around the comparison and a condition give the same promise, and a lost wake-up shows as
/// a deadlock.
#[cfg(loom)]
mod model {
    use super::Woken;
    use crate::sys::clock;
    use crate::sys::plant::{self, Bug};
    use crate::sys::sync::{AtomicU32, Ordering};

    pub(crate) struct Futex {
        word: AtomicU32,
        lock: loom::sync::Mutex<()>,
        moved: loom::sync::Condvar,
    }

    impl Futex {
        pub(crate) fn new() -> Self {
            Futex { word: AtomicU32::new(0), lock: loom::sync::Mutex::new(()), moved: loom::sync::Condvar::new() }
        }

        pub(crate) fn word(&self) -> u32 {
            self.word.load(Ordering::SeqCst)
        }

        pub(crate) fn advance_and_wake_all(&self) {
            self.word.fetch_add(1, Ordering::SeqCst);
            let _held = self.lock.lock().unwrap();
            if plant::planted(Bug::WakesOne) { self.moved.notify_one() } else { self.moved.notify_all() }
        }

        /// Time stands still in models: a deadline has passed, or never comes.
        pub(crate) fn wait(&self, seen: u32, deadline: Option<u64>) -> Woken {
            let held = self.lock.lock().unwrap();
            // Relaxed: the mutex is enough, and a wait that reads an old word is what the kernel's lock rules out.
            if plant::planted(Bug::SleepsWithoutCompare) || self.word.load(Ordering::Relaxed) == seen {
                if deadline.is_some_and(|end| end <= clock::now()) {
                    return Woken::TimedOut;
                }
                drop(self.moved.wait(held).unwrap());
            }
            Woken::LookAgain
        }
    }
}
