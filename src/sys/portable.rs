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

    /// As in the native build.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(dead_code, reason = "the native build's answers")]
    pub(crate) enum Add {
        Done,
        Guarded,
        NoCpu,
        Aborted,
    }

    /// # Safety
    /// None is needed: nothing is touched.
    #[cfg(not(loom))]
    pub(crate) unsafe fn add(_: usize, _: *const usize, _: i64) -> Add {
        Add::NoCpu
    }
}

pub(crate) mod tls {
    use crate::sys::sync::{AtomicPtr, AtomicU64};
    use std::ffi::c_void;

    pub(crate) struct Words {
        pub(crate) record: AtomicPtr<c_void>,
        pub(crate) number: AtomicU64,
        pub(crate) reading: AtomicPtr<AtomicU64>,
    }

    const FIRST_GRACE: u64 = 0x10001;

    #[cfg(not(loom))]
    pub(crate) fn grace() -> &'static AtomicU64 {
        static GRACE: AtomicU64 = AtomicU64::new(FIRST_GRACE);
        &GRACE
    }

    #[cfg(not(loom))]
    pub(crate) fn waited() -> &'static AtomicU64 {
        static WAITED: AtomicU64 = AtomicU64::new(0);
        &WAITED
    }

    #[cfg(loom)]
    loom::lazy_static! {
        static ref GRACE: AtomicU64 = AtomicU64::new(FIRST_GRACE);
        static ref WAITED: AtomicU64 = AtomicU64::new(0);
    }

    #[cfg(loom)]
    pub(crate) fn grace() -> &'static AtomicU64 {
        &GRACE
    }

    #[cfg(loom)]
    pub(crate) fn waited() -> &'static AtomicU64 {
        &WAITED
    }

    #[cfg(not(loom))]
    std::thread_local! {
        static WORDS: Words = const {
            Words { record: AtomicPtr::new(std::ptr::null_mut()), number: AtomicU64::new(0), reading: AtomicPtr::new(std::ptr::null_mut()) }
        };
    }
    #[cfg(loom)]
    loom::thread_local! {
        static WORDS: Words = Words { record: AtomicPtr::new(std::ptr::null_mut()), number: AtomicU64::new(0), reading: AtomicPtr::new(std::ptr::null_mut()) };
    }

    pub(crate) fn with<R>(f: impl FnOnce(&Words) -> R) -> R {
        WORDS.with(f)
    }

    /// As in the native build; nobody looks there.
    pub(crate) fn no_reading() -> *mut AtomicU64 {
        std::ptr::null_mut()
    }

    pub(crate) fn has_rseq() -> bool {
        false
    }

    #[cfg(not(any(loom, miri)))]
    pub(crate) fn start() {}

    pub(crate) fn arm(_: u32) {}

    #[cfg(not(loom))]
    pub(crate) fn forget_section() {}
}

pub(crate) mod objpool_entry {
    /// As in the native build.
    pub const GUARD: usize = 0;
    /// As in the native build.
    pub const COUNT: usize = 8;
    /// As in the native build.
    pub const ENTRIES: usize = 16;
}

pub(crate) mod magazine {
    /// As in the native build.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    #[allow(dead_code, reason = "the native build's answers")]
    pub(crate) enum Moved {
        Some(usize),
        Guarded,
        NoCpu,
        Aborted,
    }

    /// # Safety
    /// None is needed: nothing is touched.
    #[cfg(not(loom))]
    pub(crate) unsafe fn pop(_: usize, _: *mut usize, _: usize) -> Moved {
        Moved::NoCpu
    }

    /// # Safety
    /// None is needed: nothing is touched.
    #[cfg(not(loom))]
    pub(crate) unsafe fn push(_: usize, _: *const usize, _: usize, _: usize) -> Moved {
        Moved::NoCpu
    }

    pub(crate) fn cpu() -> Option<usize> {
        None
    }
}
