// SPDX-License-Identifier: MIT OR Apache-2.0
//! The surface of the sections and of the TLS words where there are none: every claim goes to the atomics back end.

pub(crate) mod section {
    /// As in the native build; here a thread never has a CPU.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(dead_code, reason = "the native build's answers")]
    pub(crate) enum Claim {
        Slot(usize),
        Guarded,
        Full,
        NoCpu,
        Aborted,
    }

    /// # Safety
    /// None is needed: nothing is touched.
    pub(crate) unsafe fn claim(_: usize, _: usize, _: u64, _: *const u8, _: usize, _: usize) -> Claim {
        Claim::NoCpu
    }
}

pub(crate) mod tls {
    use crate::sys::sync::{AtomicPtr, AtomicU64};
    use std::ffi::c_void;

    pub(crate) struct Words {
        pub(crate) record: AtomicPtr<c_void>,
        pub(crate) number: AtomicU64,
    }

    #[cfg(not(loom))]
    std::thread_local! {
        static WORDS: Words = const {
            Words { record: AtomicPtr::new(std::ptr::null_mut()), number: AtomicU64::new(0) }
        };
    }
    #[cfg(loom)]
    loom::thread_local! {
        static WORDS: Words = Words { record: AtomicPtr::new(std::ptr::null_mut()), number: AtomicU64::new(0) };
    }

    pub(crate) fn with<R>(f: impl FnOnce(&Words) -> R) -> R {
        WORDS.with(f)
    }

    pub(crate) fn has_rseq() -> bool {
        false
    }

    pub(crate) fn arm(_: Option<u32>) {}
}
