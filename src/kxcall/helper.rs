// SPDX-License-Identifier: MIT OR Apache-2.0
//! The threads that run what is asked for in the name of a CPU.

use super::{call, softint};
use crate::diag::{fatal, report};
use crate::lwp;
use crate::park::{Futex, Patience};
use crate::sys::affinity::{self, CpuSet};
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::sys::{errno, signals, spawn};
use crate::watchdog::Watchdog;
use crate::{thread, vcpu};
use std::ffi::{CString, c_void};

/// What a helper runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Cross-calls of low priority, which may sleep.
    Low = 0,
    /// Cross-calls of high priority and software interrupts.
    High = 1,
}

/// One thread, or the place of one.
pub(super) struct Helper {
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | `NONE` | there is no thread | who needs it: `STARTING` |
    /// | `STARTING` | one is being made | the thread itself: `RUNS`; who could not make it, or a fork: `NONE` |
    /// | `RUNS` | there is one | a fork: `NONE` |
    state: AtomicU32,
    /// The number of the thread.
    number: AtomicU64,
    /// The software interrupt that it runs.
    pub(super) current: AtomicPtr<softint::Softint>,
    /// Moves with new work.
    moved: Futex,
    /// Moves with `state`.
    turned: Futex,
}

const NONE: u32 = 0;
const STARTING: u32 = 1;
const RUNS: u32 = 2;

/// All of them, and who serves whom.
pub(super) struct Helpers {
    /// By kind and CPU; only those of CPUs that the process may use ever run.
    all: [Box<[Helper]>; 2],
    /// For each virtual CPU the CPU of its helper.
    serves: Box<[u32]>,
}

static ALL: AtomicPtr<Helpers> = AtomicPtr::new(std::ptr::null_mut());

/// If there are any yet.
pub(super) fn if_any() -> Option<&'static Helpers> {
    // SAFETY: null, or published once and never freed.
    unsafe { ALL.load(Ordering::Acquire).as_ref() }
}

/// All places of helpers; none of them is started by this.
pub(super) fn all() -> &'static Helpers {
    if_any().unwrap_or_else(|| {
        super::fork::see_to_it();
        let mine = Box::into_raw(Box::new(Helpers::new()));
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
    })
}

/// Which CPU's helper serves each of `cpus` virtual CPUs: its own where the process may use it, else one of those in turn.
fn serving(cpus: usize, allowed: &CpuSet) -> Box<[u32]> {
    let usable: Vec<u32> = allowed.iter().take_while(|&cpu| cpu < cpus).map(|cpu| cpu as u32).collect();
    let usable = if usable.is_empty() { vec![0] } else { usable };
    let own = |cpu: usize| usable.binary_search(&(cpu as u32)).is_ok();
    (0..cpus).map(|cpu| if own(cpu) { cpu as u32 } else { usable[cpu % usable.len()] }).collect()
}

impl Helpers {
    fn new() -> Helpers {
        let cpus = vcpu::all().count();
        let place = || Helper {
            state: AtomicU32::new(NONE),
            number: AtomicU64::new(0),
            current: AtomicPtr::new(std::ptr::null_mut()),
            moved: Futex::new(),
            turned: Futex::new(),
        };
        let places = || (0..cpus).map(|_| place()).collect();
        let allowed = affinity::of_process().unwrap_or(CpuSet::EMPTY);
        Helpers { all: [places(), places()], serves: serving(cpus, &allowed) }
    }

    fn at(&self, kind: Kind, cpu: usize) -> &Helper {
        &self.all[kind as usize][cpu]
    }

    /// The CPU whose helpers serve a virtual CPU.
    pub(super) fn server_of(&self, cpu: usize) -> usize {
        self.serves[cpu] as usize
    }

    /// The virtual CPUs that the helpers of a CPU serve.
    pub(super) fn served_by(&self, cpu: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.serves.len()).filter(move |&served| self.server_of(served) == cpu)
    }

    /// The CPUs that have helpers.
    pub(super) fn servers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.serves.len()).filter(|&cpu| self.server_of(cpu) == cpu)
    }

    /// Sees to it that there is a thread for every CPU. An error: one could not be made.
    pub(super) fn start(&'static self, kind: Kind) -> Result<(), Errno> {
        self.servers().try_for_each(|cpu| self.at(kind, cpu).start(kind, cpu))
    }

    /// Tells the helper of a CPU that there is work. In signal handlers too.
    pub(super) fn wake(&self, kind: Kind, server: usize) {
        let _errno = errno::Preserve::new();
        self.at(kind, server).moved.advance_and_wake_all();
    }

    /// The helper that the calling thread is.
    pub(super) fn this(&self, kind: Kind, cpu: usize) -> &Helper {
        self.at(kind, cpu)
    }

    /// Whether the helper runs in this process.
    pub(super) fn runs(&self, kind: Kind, server: usize) -> bool {
        self.at(kind, server).state.load(Ordering::Acquire) == RUNS
    }

    /// In a forked child: there are no threads but one, which may be a helper whose function forked.
    pub(super) fn forget_but(&self, me: u64) {
        for helper in self.all.iter().flatten() {
            if me == 0 || helper.number.load(Ordering::Relaxed) != me {
                helper.number.store(0, Ordering::Relaxed);
                helper.current.store(std::ptr::null_mut(), Ordering::Relaxed);
                helper.state.store(NONE, Ordering::SeqCst);
            }
            helper.turned.advance_and_wake_all();
        }
    }

    /// How many helpers run a software interrupt.
    pub(super) fn running(&self, si: *const softint::Softint) -> u32 {
        let runs = |helper: &&Helper| std::ptr::eq(helper.current.load(Ordering::Relaxed), si);
        self.all[Kind::High as usize].iter().filter(runs).count() as u32
    }
}

impl Helper {
    /// Makes the thread if there is none; the state if there is.
    fn make(&self, kind: Kind, cpu: usize) -> Result<Result<(), Errno>, u32> {
        self.state.compare_exchange(NONE, STARTING, Ordering::SeqCst, Ordering::SeqCst)?;
        Ok(spawn::thread(serve, cpu << 1 | kind as usize).map_err(|error| {
            self.state.store(NONE, Ordering::SeqCst);
            self.turned.advance_and_wake_all();
            if error == Errno(libc::EAGAIN) { ENOMEM } else { error }
        }))
    }

    fn start(&self, kind: Kind, cpu: usize) -> Result<(), Errno> {
        let mut watchdog = Watchdog::new();
        loop {
            let seen = self.turned.word(); // X3
            if self.state.load(Ordering::Acquire) == RUNS {
                return Ok(());
            }
            // No handler in between: one that schedules would wait for a thread that nobody makes.
            match signals::blocked(|| self.make(kind, cpu)) {
                Ok(made) => made?,
                Err(_) => {
                    if let Some(seconds) = watchdog.due() {
                        report(format_args!("a thread has waited {seconds} s for the helper of CPU {cpu} to start"));
                    }
                    let _ = Patience::FOREVER.wait(&self.turned, seen, watchdog.next());
                }
            }
        }
    }
}

/// A helper's life.
extern "C" fn serve(packed: *mut c_void) -> *mut c_void {
    let (cpu, kind) = match packed.addr() {
        packed if packed & 1 == 0 => (packed >> 1, Kind::Low),
        packed => (packed >> 1, Kind::High),
    };
    if let Ok(name) = CString::new(format!("psref/{}{cpu}", if kind == Kind::Low { "xc" } else { "si" })) {
        spawn::name(&name);
    }
    // A CPU that went away meanwhile is served from another: a virtual one is what counts.
    let _ = affinity::set(&CpuSet::only(cpu));
    let all = all();
    let this = all.this(kind, cpu);
    this.number.store(thread::number(), Ordering::SeqCst);
    this.state.store(RUNS, Ordering::SeqCst);
    this.turned.advance_and_wake_all();
    loop {
        let seen = this.moved.word(); // X3
        let called = all.served_by(cpu).fold(false, |any, served| call::serve(kind, served) | any);
        if !called && (kind == Kind::Low || !softint::serve(all, cpu)) {
            this.moved.wait(seen, None);
        }
    }
}

/// Runs something of the program's in the name of a CPU, and looks whether it left things as it found them.
pub(super) fn run(kind: Kind, cpu: usize, what: &str, f: impl FnOnce()) {
    vcpu::in_name_of(cpu);
    let words = lwp::words();
    // Relaxed, all of these: the thread's own.
    words.context.store(if kind == Kind::Low { lwp::CROSS_CALL } else { lwp::SOFTINT }, Ordering::Relaxed);
    f();
    let depth = words.depth.load(Ordering::Relaxed);
    if depth != 1 {
        fatal(format_args!(
            "{what} returned with preemption disabled {depth} times, expected 1: kpreempt_disable, percpu_getref or mutex_enter \
             without its counterpart, or the other way round"
        ));
    }
    words.context.store(0, Ordering::Relaxed);
    vcpu::enable(what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_virtual_cpu_is_served_by_a_cpu_that_may_be_used() {
        let mut allowed = CpuSet::only(1);
        allowed.join(&CpuSet::only(3));
        assert_eq!(*serving(5, &allowed), [1, 1, 1, 3, 1]);
        assert_eq!(*serving(4, &CpuSet::EMPTY), [0, 0, 0, 0]);
        assert_eq!(*serving(2, &CpuSet::only(100)), [0, 0]);
    }
}
