// SPDX-License-Identifier: MIT OR Apache-2.0
//! The virtual CPUs themselves: owner words, and waiting for them.
//!
//! ```text
//! take any:   first look: own CPU's word, then the others, 0 -> me
//!             waiters += 1
//!             loop: seen = moved; all words, 0 -> me: done; sleep while moved == seen
//!             waiters -= 1
//! take this:  0 -> me, or
//!             waiters += 1; word += WANTED
//!             loop: seen = moved; no number in the word: word -> word - WANTED + me: done; sleep while moved == seen
//!             waiters -= 1
//! give back:  word -= me; waiters != 0: moved += 1, wake all
//! ```

use crate::diag::{fatal, report};
#[cfg(not(loom))]
use crate::park;
use crate::park::{Futex, Patience};
use crate::sys::errno;
#[cfg(loom)]
use crate::sys::plant::{self, Bug};
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering};
use crate::thread::{self, KernelWords};
use crate::watchdog::Watchdog;

/// What one who waits for this very virtual CPU adds to its word.
const WANTED: u64 = 1 << 48;

/// `struct cpu_info` of `<psref/lwp.h>`, on lines of its own.
#[repr(C, align(128))]
pub struct Vcpu {
    /// The CPU's number: all that C sees.
    pub(super) index: u32,
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | 0 | free | anybody: its number |
    /// | number | the thread with that number has it | that thread, or a fork: 0 |
    /// | + n * `WANTED` | n threads want it: when it is free it is kept for them | each of them: its share out, its number in |
    owner: AtomicU64,
}

/// How a virtual CPU was got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Taken,
    /// An interrupted frame of the same thread has taken it (V4).
    Adopted,
}

impl Vcpu {
    /// The number of the thread that has it.
    fn number(word: u64) -> u64 {
        word % WANTED
    }

    /// Takes it if it is free and nobody wants it. (Numbers grow by two a thread: they do not reach `WANTED`.)
    fn try_take(&self, me: u64) -> Option<Got> {
        match self.owner.compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => Some(Got::Taken),
            Err(word) if Self::number(word) == me => Some(Got::Adopted),
            Err(_) => None,
        }
    }

    /// Takes it if it is free, for one who wanted it.
    fn try_take_wanted(&self, me: u64) -> Option<Got> {
        let mut word = self.owner.load(Ordering::SeqCst);
        while Self::number(word) == 0 {
            // A fork in a handler took the share out.
            let rest = word.saturating_sub(WANTED);
            match self.owner.compare_exchange(word, rest + me, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(Got::Taken),
                Err(now) => word = now,
            }
        }
        None
    }

    /// In a forked child, before anything else runs there.
    pub(super) fn keep_for(&self, me: u64) {
        let mine = me != 0 && Self::number(self.owner.load(Ordering::Relaxed)) == me;
        self.owner.store(if mine { me } else { 0 }, Ordering::SeqCst);
    }
}

/// All of them.
pub(crate) struct Vcpus {
    cpus: Box<[Vcpu]>,
    /// Threads that wait for one, whichever.
    pub(super) waiters: AtomicU32,
    /// Moves when one was given back while somebody waited.
    pub(super) moved: Futex,
}

impl Vcpus {
    pub(super) fn new(cpus: usize) -> Vcpus {
        let cpus = (0..cpus as u32).map(|index| Vcpu { index, owner: AtomicU64::new(0) }).collect();
        Vcpus { cpus, waiters: AtomicU32::new(0), moved: Futex::new() }
    }

    /// Highest possible CPU id plus one.
    pub(crate) fn count(&self) -> usize {
        self.cpus.len()
    }

    /// The one of a CPU; a number beyond those that were possible at the start stands for one of those.
    pub(crate) fn at(&self, cpu: usize) -> &Vcpu {
        &self.cpus[cpu % self.cpus.len()]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Vcpu> {
        self.cpus.iter()
    }

    /// Its number, if it is one of these.
    pub(crate) fn number_of(&self, cpu: *const Vcpu) -> Option<usize> {
        let offset = cpu.addr().checked_sub(self.cpus.as_ptr().addr())?;
        let number = offset / size_of::<Vcpu>();
        (offset % size_of::<Vcpu>() == 0 && number < self.cpus.len()).then_some(number)
    }

    fn look(&self, me: u64, first: usize) -> Option<(usize, Got)> {
        let n = self.cpus.len();
        (0..n).map(|i| (first + i) % n).find_map(|cpu| Some((cpu, self.cpus[cpu].try_take(me)?)))
    }

    /// The one that the thread with this number has.
    pub(super) fn of(&self, me: u64) -> Option<usize> {
        // Relaxed: nobody else writes this thread's number (V1).
        self.cpus.iter().position(|vcpu| Vcpu::number(vcpu.owner.load(Ordering::Relaxed)) == me)
    }

    /// Takes `first`, else any free one, else waits.
    pub(super) fn take_any(&self, words: &KernelWords, me: u64, first: usize) -> (usize, Got) {
        let first = first % self.cpus.len();
        match self.cpus[first].try_take(me) {
            Some(got) => (first, got),
            None => self.look(me, first).unwrap_or_else(|| self.wait(words, None, || self.look(me, first))),
        }
    }

    /// Takes this one, waits for it.
    pub(super) fn take_this(&self, words: &KernelWords, me: u64, cpu: usize) -> Got {
        let vcpu = self.at(cpu);
        vcpu.try_take(me).unwrap_or_else(|| {
            // V3. Whoever had it may have given it back: then it is free, and kept for us.
            vcpu.owner.fetch_add(WANTED, Ordering::SeqCst);
            self.wait(words, Some(cpu), || vcpu.try_take_wanted(me))
        })
    }

    /// Looks and sleeps until something is found (V2).
    #[cold]
    fn wait<T>(&self, words: &KernelWords, which: Option<usize>, look: impl Fn() -> Option<T>) -> T {
        let _errno = errno::Preserve::new();
        // First: a fork of a handler in between counts one too many, which costs wake-ups alone.
        words.waits.store(words.waits.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.waiters.fetch_add(1, Ordering::SeqCst);
        let mut watchdog = Watchdog::new();
        let found = loop {
            let seen = self.moved.word();
            if let Some(found) = look() {
                break found;
            }
            if let Some(seconds) = watchdog.due() {
                self.tell(which, seconds);
            }
            let _ = Patience::FOREVER.wait(&self.moved, seen, watchdog.next());
        };
        self.waiters.fetch_sub(1, Ordering::SeqCst);
        words.waits.store(words.waits.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        found
    }

    /// Gives back what the thread with this number took.
    pub(super) fn give(&self, me: u64, cpu: usize) {
        let was = self.at(cpu).owner.fetch_sub(me, Ordering::SeqCst);
        if Vcpu::number(was) != me {
            fatal(format_args!(
                "virtual CPU {cpu} given back by thread number {me}, held by {}: memory was overwritten, or a handler left by \
                 a jump",
                Vcpu::number(was)
            ));
        }
        #[cfg(loom)]
        if plant::planted(Bug::SilentGive) {
            return;
        }
        if self.waiters.load(Ordering::SeqCst) != 0 {
            self.moved.advance_and_wake_all();
        }
    }

    #[cold]
    fn tell(&self, which: Option<usize>, seconds: u64) {
        /// Virtual CPUs that a report names.
        const SHOWN: usize = 16;
        match which {
            Some(cpu) => report(format_args!("a thread has waited {seconds} s for virtual CPU {cpu}, of:")),
            None => report(format_args!("a thread has waited {seconds} s for a virtual CPU, of:")),
        }
        for vcpu in self.cpus.iter().filter(|vcpu| which.is_none_or(|cpu| vcpu.index as usize == cpu)).take(SHOWN) {
            let word = vcpu.owner.load(Ordering::Relaxed);
            match thread::tid_of(Vcpu::number(word)) {
                Some(tid) => report(format_args!("  virtual CPU {}: thread {tid}", vcpu.index)),
                None => report(format_args!("  virtual CPU {}: nobody, {} want it", vcpu.index, word / WANTED)),
            }
        }
        report(format_args!(
            "  kpreempt_disable, percpu_getref and spin mutexes are for moments: whoever has them must not wait"
        ));
    }
}

// Not a `Once`: a child forked while another thread was inside would wait for it for ever.
#[cfg(not(loom))]
static ALL: std::sync::atomic::AtomicPtr<Vcpus> = std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());

/// The process's if there are any yet. Never sleeps.
#[cfg(not(loom))]
pub(crate) fn if_any() -> Option<&'static Vcpus> {
    // SAFETY: null, or published once and never freed.
    unsafe { ALL.load(Ordering::Acquire).as_ref() }
}

/// The process's. May sleep the first time.
#[cfg(not(loom))]
pub(crate) fn all() -> &'static Vcpus {
    #[cold]
    fn make() -> &'static Vcpus {
        super::fork::see_to_it();
        park::go_round(&super::hold::AROUND);
        let mine = Box::into_raw(Box::new(Vcpus::new(crate::percpu::runtime::get().cpus())));
        // Release and acquire: what is in it before the pointer to it.
        match ALL.compare_exchange(std::ptr::null_mut(), mine, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: published, never freed.
            Ok(_) => unsafe { &*mine },
            Err(theirs) => {
                // SAFETY: nobody knows of ours; theirs is published.
                unsafe {
                    drop(Box::from_raw(mine));
                    &*theirs
                }
            }
        }
    }

    if_any().unwrap_or_else(make)
}

#[cfg(loom)]
loom::lazy_static! { static ref ALL: Vcpus = Vcpus::new(super::loom_tests::CPUS); }

#[cfg(loom)]
pub(crate) fn all() -> &'static Vcpus {
    &ALL
}

#[cfg(loom)]
pub(crate) fn if_any() -> Option<&'static Vcpus> {
    Some(all())
}
