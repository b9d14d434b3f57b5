// SPDX-License-Identifier: MIT OR Apache-2.0
//! mutex(9) and condvar(9), as far as psref sleeps on its callers' own: the structures of `<psref/kmutex.h>`, and what its
//! inline functions need of the system. Rust programs have `std::sync`; nothing here is for them.
//!
//! K1. `owner` is this_thread() of whoever has the lock, 0 if nobody has: written by the owner only, so a thread that
//!     compares it with itself gets the truth.
//! K2 and K3 are in `condvar.rs`.
//!
//! Source of the interface: NetBSD's mutex(9) and condvar(9).
#![doc(hidden)]

mod condvar;
pub mod raw;

pub use condvar::{DEAD_WMESG, HZ, Kcondvar};

use crate::diag;
pub(crate) use crate::sys::futex::Woken;
use crate::sys::sync::{AtomicU32, AtomicUsize, Ordering};
use crate::sys::{process, pthread};
use crate::{lwp, strict, vcpu};
use std::ffi::CStr;
use std::mem::offset_of;

/// `mtx_state` of a mutex between mutex_init and mutex_destroy.
pub const LIVE: u32 = 0x4b4d_5458;
/// The same of one that was made in strict mode: mutex_enter finds that it is not `LIVE`, and asks [`raw::may_enter`].
pub const STRICT: u32 = LIVE | 1;
/// `mtx_state` of a mutex after mutex_destroy.
pub const DEAD: u32 = 0x6b6d_7478;
/// `MUTEX_SPIN`, `MUTEX_ADAPTIVE` and `IPL_VM` of `<psref/kmutex.h>`.
const SPIN: u16 = 0;
const ADAPTIVE: u16 = 1;
const IPL_VM: u16 = 6;

/// `struct kmutex` of `<psref/kmutex.h>`.
#[repr(C)]
pub struct Kmutex {
    lock: pthread::Mutex,
    owner: AtomicUsize,
    state: AtomicU32,
    /// What mutex_init was told: of which sort it is.
    kind: u16,
    ipl: u16,
}

// The other half of this is in c-tests/kmutex_layout.c.
const _: () = {
    let lock = size_of::<libc::pthread_mutex_t>();
    assert!(offset_of!(Kmutex, lock) == 0 && offset_of!(Kmutex, owner) == lock);
    assert!(offset_of!(Kmutex, state) == lock + size_of::<usize>());
    assert!(offset_of!(Kmutex, kind) == lock + size_of::<usize>() + 4);
    assert!(offset_of!(Kmutex, ipl) == lock + size_of::<usize>() + 6);
    assert!(size_of::<Kmutex>() == lock + size_of::<usize>() + 8);
};

/// A spin mutex is about to be taken: its holder has preemption disabled.
fn begin_spin() {
    vcpu::disable();
    let spins = &lwp::words().spins;
    // Relaxed, here and below: the thread's own.
    spins.store(spins.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// A spin mutex was given back.
fn end_spin() {
    let spins = &lwp::words().spins;
    spins.store(spins.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    vcpu::enable("mutex_exit");
}

impl Kmutex {
    /// As mutex_init makes it.
    #[allow(clippy::new_without_default, reason = "C makes them")]
    pub const fn new() -> Self {
        let (owner, state) = (AtomicUsize::new(0), AtomicU32::new(LIVE));
        Kmutex { lock: pthread::Mutex::new(), owner, state, kind: 2, ipl: 0 }
    }

    /// Sleeps until the caller has the mutex. Having it already is a fatal diagnostic.
    pub(crate) fn enter(&self) {
        self.may_enter(c"mutex_enter");
        if self.is_spin() {
            begin_spin();
        }
        if !self.lock.try_lock() {
            self.lock_slow("mutex_enter");
        }
        // Relaxed: only the thread itself learns anything from it (K1).
        self.owner.store(pthread::this_thread(), Ordering::Relaxed);
    }

    /// What must be so before it is taken.
    fn may_enter(&self, who: &CStr) {
        if !self.is_live() || self.is_owned() {
            self.misuse(who, c"locking against myself");
        }
        if self.state.load(Ordering::Relaxed) == STRICT && !self.is_spin() {
            strict::assert_sleepable(&who.to_string_lossy());
        }
    }

    /// Gives the mutex back. Not having it is a fatal diagnostic.
    pub(crate) fn exit(&self) {
        if !self.is_live() || !self.is_owned() {
            self.misuse(c"mutex_exit", c"exiting a mutex that the caller does not hold");
        }
        self.owner.store(0, Ordering::Relaxed);
        let spin = self.is_spin(); // before: it may be gone afterwards
        if let Err(error) = self.lock.unlock() {
            diag::fatal(format_args!("mutex_exit: kmutex {self:p}: pthread_mutex_unlock: {error}"));
        }
        if spin {
            end_spin();
        }
    }

    /// Waits for who has the lock: with the virtual CPU that came before it if it is a spin mutex, else without any.
    fn lock_slow(&self, who: &str) {
        let lock = || {
            if let Err(error) = self.lock.lock() {
                diag::fatal(format_args!("{who}: kmutex {self:p}: pthread_mutex_lock: {error}"));
            }
        };
        if self.is_spin() { lock() } else { vcpu::asleep(who, lock) }
    }

    /// As psref_kmutex_is_spin of `<psref/kmutex.h>`.
    fn is_spin(&self) -> bool {
        self.kind == SPIN || (self.kind != ADAPTIVE && self.ipl >= IPL_VM)
    }

    /// Whether the calling thread has it.
    pub(crate) fn is_owned(&self) -> bool {
        self.owner.load(Ordering::Relaxed) == pthread::this_thread()
    }

    fn is_live(&self) -> bool {
        self.state.load(Ordering::Relaxed) | 1 == STRICT
    }

    #[cold]
    fn misuse(&self, who: &CStr, wrong: &CStr) -> ! {
        let (who, wrong) = (who.to_string_lossy(), wrong.to_string_lossy());
        match self.state.load(Ordering::Relaxed) {
            LIVE | STRICT => {}
            DEAD => diag::fatal(format_args!("{who}: kmutex {self:p}: already destroyed")),
            seen => {
                diag::fatal(format_args!("{who}: kmutex {self:p}: never initialised (state {seen:#x}, not {LIVE:#x})"))
            }
        }
        let (me, tid) = (pthread::this_thread(), process::thread_id());
        match self.owner.load(Ordering::Relaxed) {
            0 => diag::fatal(format_args!(
                "{who}: kmutex {self:p}: {wrong}: held by nobody; the caller is thread {tid} (pthread {me:#x})"
            )),
            owner if owner == me => diag::fatal(format_args!(
                "{who}: kmutex {self:p}: {wrong}: held by the caller, thread {tid} (pthread {me:#x})"
            )),
            owner => diag::fatal(format_args!(
                "{who}: kmutex {self:p}: {wrong}: held by pthread {owner:#x}; the caller is thread {tid} (pthread {me:#x})"
            )),
        }
    }
}
