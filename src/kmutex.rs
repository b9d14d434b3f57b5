// SPDX-License-Identifier: MIT OR Apache-2.0
//! mutex(9) and condvar(9), as far as psref sleeps on its callers' own: the structures of `<psref/kmutex.h>`, and what its
//! inline functions need of the system. Rust programs have `std::sync`; nothing here is for them.
//!
//! K1. `owner` is this_thread() of whoever has the lock, 0 if nobody has: written by the owner only, so a thread that
//!     compares it with itself gets the truth.
//! K2. The counts of a condition change with the mutex held, all but those of callers who wake without it, for whom they are
//!     only hints. Every wait counts itself before it reads the sequence word, and both before the mutex is dropped (R3): who
//!     changes what is waited for holds the mutex, so it sees the count, and moves the word that the sleep compares.
//! K3. A waiter touches the condition until its wait returns: to be destroyed it must have nobody inside, woken or not.
//!
//! Source of the interface: NetBSD's mutex(9) and condvar(9).
#![doc(hidden)]

use crate::diag;
use crate::sys::futex;
pub(crate) use crate::sys::futex::Woken;
use crate::sys::sync::{AtomicU32, AtomicUsize, Ordering};
use crate::sys::{clock, fork, process, pthread};
use crate::{lwp, strict, vcpu};
use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::mem::offset_of;

/// `mtx_state` of a mutex between mutex_init and mutex_destroy.
pub const LIVE: u32 = 0x4b4d_5458;
/// The same of one that was made in strict mode: mutex_enter finds that it is not `LIVE`, and asks [`raw::may_enter`].
pub const STRICT: u32 = LIVE | 1;
/// `mtx_state` of a mutex after mutex_destroy.
pub const DEAD: u32 = 0x6b6d_7478;
/// `cv_wmesg` after cv_destroy: no string's address.
pub const DEAD_WMESG: usize = 1;
/// Ticks a second, of the waits with a limit.
pub const HZ: u32 = 100;

/// In `waiters`, of a forked child: there were waiters before the fork. All but one are gone at most: that one, whose signal
/// handler forked, may sleep on, so no wake is left out.
const VANISHED: u32 = 1 << 31;

/// `MUTEX_SPIN`, `MUTEX_ADAPTIVE` and `IPL_VM` of `<psref/kmutex.h>`.
const SPIN: u16 = 0;
const ADAPTIVE: u16 = 1;
const IPL_VM: u16 = 6;

const TICK: u64 = 1_000_000_000 / HZ as u64;

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

/// `struct kcondvar` of `<psref/kmutex.h>`.
#[repr(C)]
pub struct Kcondvar {
    /// Moves with every wake.
    sequence: AtomicU32,
    /// Threads inside a wait, those too that were woken and are not back yet; and [`VANISHED`].
    waiters: AtomicU32,
    /// How many of them a wake was meant for.
    woken: AtomicU32,
    /// `forks()` when the last wait began: in a forked child, the threads that are counted did not come along.
    epoch: AtomicU32,
    /// What waits here, for diagnostics. Null: never initialised.
    wmesg: *const c_char,
}

// SAFETY: what `wmesg` points to is never written and outlives the condition (cv_init's contract).
unsafe impl Send for Kcondvar {}
// SAFETY: as above; all else is atomic.
unsafe impl Sync for Kcondvar {}

// The other half of this is in c-tests/kmutex_layout.c.
const _: () = {
    let lock = size_of::<libc::pthread_mutex_t>();
    assert!(offset_of!(Kmutex, lock) == 0 && offset_of!(Kmutex, owner) == lock);
    assert!(offset_of!(Kmutex, state) == lock + size_of::<usize>());
    assert!(offset_of!(Kmutex, kind) == lock + size_of::<usize>() + 4);
    assert!(offset_of!(Kmutex, ipl) == lock + size_of::<usize>() + 6);
    assert!(size_of::<Kmutex>() == lock + size_of::<usize>() + 8);
    assert!(offset_of!(Kcondvar, sequence) == 0 && offset_of!(Kcondvar, waiters) == 4);
    assert!(offset_of!(Kcondvar, woken) == 8 && offset_of!(Kcondvar, epoch) == 12 && offset_of!(Kcondvar, wmesg) == 16);
    assert!(size_of::<Kcondvar>() == 16 + size_of::<usize>());
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

impl Kcondvar {
    /// As cv_init makes it.
    pub const fn new(wmesg: &'static CStr) -> Self {
        Kcondvar {
            sequence: AtomicU32::new(0),
            waiters: AtomicU32::new(0),
            woken: AtomicU32::new(0),
            epoch: AtomicU32::new(0),
            wmesg: wmesg.as_ptr(),
        }
    }

    /// Drops the mutex, sleeps until woken, until `deadline` (nanoseconds of CLOCK_MONOTONIC) or until a signal handler ran,
    /// and takes the mutex again. May return for no reason.
    pub(crate) fn wait(&self, mutex: &Kmutex, deadline: Option<u64>) -> Woken {
        self.sleep(c"cv_wait", mutex, deadline, true)
    }

    /// Wakes all who wait. The caller holds the mutex that they gave.
    pub(crate) fn broadcast(&self) {
        self.wake(c"cv_broadcast", u32::MAX);
    }

    fn sleep(&self, who: &CStr, mutex: &Kmutex, deadline: Option<u64>, interruptible: bool) -> Woken {
        if !self.is_valid() {
            self.misuse(who, format_args!(""));
        }
        if !mutex.is_live() || !mutex.is_owned() {
            mutex.misuse(who, c"waiting without holding the mutex");
        }
        let epoch = self.forget_the_vanished();
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let seen = self.sequence.load(Ordering::SeqCst);
        mutex.exit();
        let woken = vcpu::asleep(&who.to_string_lossy(), || {
            loop {
                match futex::wait(&self.sequence, seen, deadline) {
                    // To go on sleeping is to compare again: a wake meanwhile has moved the word.
                    Woken::Interrupted if !interruptible => {}
                    woken => break woken,
                }
            }
        });
        mutex.enter();
        if forks() == epoch {
            self.leave(woken);
        }
        woken
    }

    /// The counts of a process that this one was forked from are of threads that are not here. Gives the number of forks.
    fn forget_the_vanished(&self) -> u32 {
        let now = forks();
        if self.epoch.swap(now, Ordering::SeqCst) != now && self.waiters.load(Ordering::SeqCst) != 0 {
            self.waiters.store(VANISHED, Ordering::SeqCst);
            self.woken.store(0, Ordering::SeqCst);
        }
        now
    }

    /// With the mutex held again. A wake is used up by one who was woken; one whose time was over leaves it to another, if
    /// there is one.
    fn leave(&self, woken: Woken) {
        let left = (self.waiters.fetch_sub(1, Ordering::SeqCst) - 1) & !VANISHED;
        let used = u32::from(woken == Woken::LookAgain);
        let meant = self.woken.load(Ordering::Relaxed).saturating_sub(used);
        self.woken.store(meant.min(left), Ordering::Relaxed);
    }

    fn wake(&self, who: &CStr, n: u32) {
        if !self.is_valid() {
            self.misuse(who, format_args!(""));
        }
        // Nobody counted: nobody sleeps who must see this wake (K2).
        let waiters = self.waiters.load(Ordering::SeqCst);
        if waiters == 0 {
            return;
        }
        let meant = self.woken.load(Ordering::Relaxed).saturating_add(n).min(waiters & !VANISHED);
        self.woken.store(meant, Ordering::Relaxed);
        self.sequence.fetch_add(1, Ordering::SeqCst);
        futex::wake(&self.sequence, n);
    }

    /// Threads inside a wait, and those of them that were woken.
    fn inside(&self) -> (u32, u32) {
        if self.epoch.load(Ordering::SeqCst) != forks() {
            return (0, 0);
        }
        let waiters = self.waiters.load(Ordering::SeqCst) & !VANISHED;
        (waiters, self.woken.load(Ordering::Relaxed).min(waiters))
    }

    fn is_valid(&self) -> bool {
        !self.wmesg.is_null() && self.wmesg.addr() != DEAD_WMESG
    }

    #[cold]
    fn misuse(&self, who: &CStr, wrong: fmt::Arguments<'_>) -> ! {
        let who = who.to_string_lossy();
        if self.wmesg.is_null() {
            diag::fatal(format_args!("{who}: kcondvar {self:p}: never initialised (wmesg is NULL)"));
        }
        if self.wmesg.addr() == DEAD_WMESG {
            diag::fatal(format_args!("{who}: kcondvar {self:p}: already destroyed"));
        }
        // SAFETY: cv_init's contract: a terminated string that outlives the condition.
        let wmesg = unsafe { CStr::from_ptr(self.wmesg) }.to_string_lossy();
        diag::fatal(format_args!("{who}: kcondvar {self:p} (\"{wmesg}\"): {wrong}"))
    }
}

/// How often this process's ancestors forked since one of them first asked; a number that no two of a line have in common.
fn forks() -> u32 {
    static FORKS: AtomicU32 = AtomicU32::new(0);
    static WATCHED: AtomicU32 = AtomicU32::new(0);
    unsafe extern "C" fn in_child() {
        FORKS.fetch_add(1, Ordering::SeqCst);
    }
    // Two who come first together register it twice: then a fork counts two.
    if WATCHED.load(Ordering::SeqCst) == 0 && fork::in_child(in_child).is_ok() {
        WATCHED.store(1, Ordering::SeqCst);
    }
    FORKS.load(Ordering::SeqCst)
}

/// What the inline functions of `<psref/kmutex.h>` call. `who` is the function's name.
pub mod raw {
    use super::*;

    /// What hooks of `<sys/module_hook.h>` are drained by. Here, and not in the programs that have hooks: a plug-in does not see the
    /// data of a program that was linked without `-rdynamic`, and a drain in the one would sleep through releases in the other.
    static HOOKS: (Kmutex, Kcondvar) = (Kmutex::new(), Kcondvar::new(c"modhook"));

    /// That mutex and condition variable.
    pub fn hooks() -> &'static (Kmutex, Kcondvar) {
        &HOOKS
    }

    /// Ends the program: `wrong` is what the caller did, if the mutex is one at all.
    ///
    /// # Safety
    /// Strings are terminated; `mutex` is null or readable.
    #[cold]
    pub unsafe fn mutex_misuse(who: *const c_char, mutex: *const Kmutex, wrong: *const c_char) -> ! {
        // SAFETY: the caller's promise.
        let (who, mutex, wrong) = unsafe { (CStr::from_ptr(who), mutex.as_ref(), CStr::from_ptr(wrong)) };
        match mutex {
            Some(mutex) => mutex.misuse(who, wrong),
            None => null(who, "mutex"),
        }
    }

    /// `mtx_state` of what is made now.
    pub fn live() -> u32 {
        if strict::is_on() { STRICT } else { LIVE }
    }

    /// Before a mutex is taken that is not plainly free to be: ends the program unless it is only strict, and its rules
    /// are kept.
    ///
    /// # Safety
    /// `who` is terminated; `mutex` is null or readable.
    pub unsafe fn may_enter(who: *const c_char, mutex: *const Kmutex) {
        // SAFETY: the caller's promise.
        let (who, mutex) = unsafe { (CStr::from_ptr(who), mutex.as_ref()) };
        mutex.unwrap_or_else(|| null(who, "mutex")).may_enter(who);
    }

    /// The waits: 0, EWOULDBLOCK or EINTR. No ticks: for ever.
    ///
    /// # Safety
    /// `who` is terminated; the others are null or made by cv_init and mutex_init.
    pub unsafe fn wait(
        who: *const c_char,
        cv: *const Kcondvar,
        mutex: *const Kmutex,
        ticks: c_int,
        interruptible: bool,
    ) -> c_int {
        // SAFETY: the caller's promise.
        let (who, cv, mutex) = unsafe { (CStr::from_ptr(who), cv.as_ref(), mutex.as_ref()) };
        let cv = cv.unwrap_or_else(|| null(who, "condition variable"));
        let mutex = mutex.unwrap_or_else(|| null(who, "mutex"));
        strict::assert_sleepable(&who.to_string_lossy());
        let deadline = match u64::try_from(ticks) {
            Ok(0) => None,
            Ok(ticks) => Some(clock::now() + ticks * TICK),
            Err(_) => cv.misuse(who, format_args!("negative ticks: {ticks}; expected 0, for ever, or more")),
        };
        match cv.sleep(who, mutex, deadline, interruptible) {
            Woken::LookAgain => 0,
            Woken::TimedOut => libc::EWOULDBLOCK,
            Woken::Interrupted => libc::EINTR,
        }
    }

    /// The waits for so many nanoseconds at most, of which what has passed is subtracted: 0, EWOULDBLOCK or EINTR.
    ///
    /// # Safety
    /// As of [`wait`]; `left` is the caller's.
    pub unsafe fn wait_ns(
        who: *const c_char,
        cv: *const Kcondvar,
        mutex: *const Kmutex,
        left: *mut u64,
        interruptible: bool,
    ) -> c_int {
        // SAFETY: the caller's promise.
        let (who, cv, mutex, left) = unsafe { (CStr::from_ptr(who), cv.as_ref(), mutex.as_ref(), &mut *left) };
        let cv = cv.unwrap_or_else(|| null(who, "condition variable"));
        let mutex = mutex.unwrap_or_else(|| null(who, "mutex"));
        strict::assert_sleepable(&who.to_string_lossy());
        let deadline = clock::now().saturating_add(*left);
        let woken = cv.sleep(who, mutex, Some(deadline.min(i64::MAX as u64)), interruptible);
        *left = deadline.saturating_sub(clock::now());
        match woken {
            Woken::LookAgain => 0,
            Woken::TimedOut => libc::EWOULDBLOCK,
            Woken::Interrupted => libc::EINTR,
        }
    }

    /// A mutex that somebody has: waits for it.
    ///
    /// # Safety
    /// `who` is terminated, and mutex_init made the mutex.
    pub unsafe fn lock(who: *const c_char, mutex: *const Kmutex) {
        // SAFETY: the caller's promise.
        let (who, mutex) = unsafe { (CStr::from_ptr(who), &*mutex) };
        mutex.lock_slow(&who.to_string_lossy());
    }

    /// Before a spin mutex is taken.
    pub fn spin_begin() {
        begin_spin();
    }

    /// After a spin mutex was given back.
    pub fn spin_end() {
        end_spin();
    }

    /// Ends the program.
    ///
    /// # Safety
    /// `who` is terminated.
    #[cold]
    pub unsafe fn no_memory(who: *const c_char) -> ! {
        // SAFETY: the caller's promise.
        let who = unsafe { CStr::from_ptr(who) }.to_string_lossy();
        diag::fatal(format_args!(
            "{who}: no memory for a mutex, and its callers do not look; mutex_obj_tryalloc can answer that"
        ))
    }

    /// Wakes at most `n`.
    ///
    /// # Safety
    /// `who` is terminated; `cv` is null or made by cv_init.
    pub unsafe fn wake(who: *const c_char, cv: *const Kcondvar, n: u32) {
        // SAFETY: the caller's promise.
        let (who, cv) = unsafe { (CStr::from_ptr(who), cv.as_ref()) };
        cv.unwrap_or_else(|| null(who, "condition variable")).wake(who, n);
    }

    /// Whether somebody waits whom no wake was meant for.
    ///
    /// # Safety
    /// `cv` was made by cv_init.
    pub unsafe fn has_waiters(cv: *const Kcondvar) -> bool {
        // SAFETY: the caller's promise.
        let (inside, woken) = unsafe { &*cv }.inside();
        inside > woken
    }

    /// Ends the program unless the condition is one, and nobody is inside (K3).
    ///
    /// # Safety
    /// `who` is terminated; `cv` is null or made by cv_init.
    pub unsafe fn check_idle(who: *const c_char, cv: *const Kcondvar) {
        // SAFETY: the caller's promise.
        let (who, cv) = unsafe { (CStr::from_ptr(who), cv.as_ref()) };
        let cv = cv.unwrap_or_else(|| null(who, "condition variable"));
        let (inside, woken) = cv.inside();
        if !cv.is_valid() || inside != 0 {
            cv.misuse(who, format_args!("{inside} in a wait, {woken} of them woken but not back yet; expected nobody"));
        }
    }

    #[cold]
    fn null(who: &CStr, what: &str) -> ! {
        diag::fatal(format_args!("{}: the {what} is NULL", who.to_string_lossy()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Shared {
        mutex: Kmutex,
        cv: Kcondvar,
        done: Cell<u32>,
    }

    // SAFETY: `done` is touched with the mutex held.
    unsafe impl Sync for Shared {}

    fn shared() -> Shared {
        Shared { mutex: Kmutex::new(), cv: Kcondvar::new(c"test"), done: Cell::new(0) }
    }

    #[test]
    fn a_broadcast_ends_every_wait() {
        const WAITERS: u32 = 3;
        let shared = shared();
        std::thread::scope(|scope| {
            for _ in 0..WAITERS {
                scope.spawn(|| {
                    let Shared { mutex, cv, done } = &shared;
                    mutex.enter();
                    while done.get() == 0 {
                        assert_ne!(cv.wait(mutex, None), Woken::TimedOut);
                        assert!(mutex.is_owned());
                    }
                    done.set(done.get() + 1);
                    mutex.exit();
                    assert!(!mutex.is_owned());
                });
            }
            loop {
                shared.mutex.enter();
                if shared.cv.inside() == (WAITERS, 0) {
                    break;
                }
                shared.mutex.exit();
                std::thread::yield_now();
            }
            shared.done.set(1);
            shared.cv.broadcast();
            assert_eq!(shared.cv.inside(), (WAITERS, WAITERS));
            shared.mutex.exit();
        });
        assert_eq!(shared.done.get(), 1 + WAITERS);
        assert_eq!(shared.cv.inside(), (0, 0));
    }

    #[test]
    fn a_deadline_ends_a_wait() {
        let Shared { mutex, cv, .. } = &shared();
        mutex.enter();
        let deadline = clock::now() + 20_000_000;
        while cv.wait(mutex, Some(deadline)) != Woken::TimedOut {}
        assert!(clock::now() >= deadline);
        assert!(mutex.is_owned());
        assert_eq!(cv.inside(), (0, 0));
        mutex.exit();
    }

    #[test]
    fn a_wake_meant_for_one_who_gave_up_is_not_counted_for_those_who_come() {
        let Shared { mutex, cv, .. } = &shared();
        mutex.enter();
        // Two inside, one of them meant; the one whose time is over leaves.
        cv.waiters.store(2, Ordering::SeqCst);
        cv.wake(c"test", 1);
        assert_eq!(cv.inside(), (2, 1));
        cv.leave(Woken::TimedOut);
        assert_eq!(cv.inside(), (1, 1));
        cv.leave(Woken::TimedOut);
        assert_eq!(cv.inside(), (0, 0));
        cv.waiters.store(1, Ordering::SeqCst);
        assert_eq!(cv.inside(), (1, 0));
        mutex.exit();
    }

    #[test]
    fn a_wait_in_a_child_does_not_count_those_of_its_parent() {
        let Shared { mutex, cv, .. } = &shared();
        cv.waiters.store(5, Ordering::SeqCst);
        cv.woken.store(1, Ordering::SeqCst);
        cv.epoch.store(forks().wrapping_sub(1), Ordering::SeqCst);
        assert_eq!(cv.inside(), (0, 0));
        mutex.enter();
        while cv.wait(mutex, Some(clock::now())) != Woken::TimedOut {}
        mutex.exit();
        assert_eq!(cv.inside(), (0, 0));
        assert_ne!(cv.waiters.load(Ordering::SeqCst), 0); // wakes are not left out
    }
}
