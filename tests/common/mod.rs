// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests with injected pauses share: raw classes and targets, and one test at a time, for the hooks are the process's.
#![allow(dead_code, reason = "each test program uses its part")]

use psref::Patience;
use psref::psref::raw::{self, ClassState, Hold, TargetState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Puts every hook, and the affinity, back when the test ends, however it ends.
pub struct Hooks(#[allow(dead_code)] MutexGuard<'static, ()>);

pub fn hooks() -> Hooks {
    Hooks(ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(feature = "inject")]
impl Drop for Hooks {
    fn drop(&mut self) {
        use psref::inject::{Barrier, *};
        open_gate();
        set_barrier(Barrier::Full);
        arm_sections(true);
        set_delay(0);
        let_scan_go();
        ignore_copies(false);
        limit_cpus(None);
        refuse_memory(false);
    }
}

pub fn backend_is_rseq() -> bool {
    let rseq = psref::backend() == psref::Backend::Rseq;
    if !rseq {
        eprintln!("skipped: no sections here ({})", psref::why_not_rseq().unwrap_or("?"));
    }
    rseq
}

/// A class and one target, in the shape of C.
pub struct Thing {
    pub class: &'static ClassState,
    pub target: Box<TargetState>,
}

impl Thing {
    pub fn new() -> Thing {
        let class = raw::try_class_create(b"test").unwrap();
        Thing { class, target: new_target(class) }
    }

    pub fn acquire(&self, hold: &mut Hold) -> bool {
        // SAFETY: the target lives as long as `self`.
        unsafe { raw::acquire(hold, &raw const *self.target, self.class) == 0 }
    }

    pub fn release(&self, hold: &mut Hold) {
        // SAFETY: held.
        unsafe { raw::release(hold, &raw const *self.target, self.class) }
    }

    /// Releases a hold of any target of the class.
    pub fn release_any(&self, hold: &mut Hold) {
        let target = hold.target();
        // SAFETY: held, so the target is alive.
        unsafe { raw::release(hold, target, self.class) }
    }

    pub fn copy(&self, to: &mut Hold, from: &Hold) {
        // SAFETY: held.
        unsafe { raw::copy(to, from, self.class) }
    }

    pub fn drain(&self) {
        let _ = self.drain_within(Patience::FOREVER);
    }

    pub fn drain_within(&self, patience: Patience) -> Result<(), psref::GaveUp> {
        // SAFETY: the target lives as long as `self`.
        unsafe { raw::target_drain(&raw const *self.target, self.class, patience) }
    }

    /// Another target of the same class.
    pub fn sibling(&self) -> Thing {
        Thing { class: self.class, target: new_target(self.class) }
    }

    pub fn end(self) {
        // SAFETY: nobody holds anything any more.
        unsafe {
            raw::target_destroy(&raw const *self.target, self.class);
            raw::class_destroy(self.class);
        }
    }
}

fn new_target(class: &'static ClassState) -> Box<TargetState> {
    // SAFETY: plain atomics, for which zero is a value; `target_init` gets the only pointer.
    unsafe {
        let mut target: Box<TargetState> = Box::new(std::mem::zeroed());
        raw::target_init(&raw mut *target, class);
        target
    }
}

/// Holds with chosen homes: the sections hash the address of a hold and the number of its thread.
pub struct Spread {
    memory: Vec<Hold>,
}

impl Spread {
    pub fn new(holds: usize) -> Spread {
        // 32 slots, one for every 8 bytes: the pattern comes again every 256 bytes.
        let memory = (0..holds * 256).map(|_| Hold::EMPTY).collect();
        Spread { memory }
    }

    /// The slot to ask `hold` for, so that the calling thread gets this one: its number is in the hash. It stays on one CPU
    /// and holds nothing of the class.
    pub fn own(&mut self, thing: &Thing, slot: usize) -> usize {
        let mut got = [0usize; 32];
        for (i, got) in got.iter_mut().enumerate() {
            let hold = self.hold(0, i);
            assert!(thing.acquire(hold));
            // SAFETY: a hold's word for its slot, an address.
            *got = unsafe { std::ptr::from_ref(hold).byte_add(psref::psref::entry::PSREF_SLOT).cast::<usize>().read() };
            thing.release(hold);
        }
        let first = *got.iter().min().unwrap();
        got.iter().position(|&at| at == first + slot * 16).expect("32 homes, one for each slot")
    }

    /// The `n`th hold of those that share a home, one home for each of 32 `slot`s; which it is, the thread's number decides.
    pub fn hold(&mut self, n: usize, slot: usize) -> &mut Hold {
        let start = self.memory.as_ptr().addr().next_multiple_of(256);
        let at = start + n * 512 + slot * 8;
        assert!(at + size_of::<Hold>() <= self.memory.as_ptr_range().end.addr());
        // SAFETY: inside the vector, aligned to 8, and holds asked for with one `n` do not overlap others'.
        unsafe { &mut *self.memory.as_mut_ptr().with_addr(at) }
    }
}

/// Waits for something that another thread does; ends the test when it does not come.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < end, "waited 30 s for: {what}");
        std::thread::yield_now();
    }
}

/// Keeps the calling thread on one CPU.
pub fn pin(cpu: usize) {
    // SAFETY: a zeroed set is a value; the kernel reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of_val(&set), &raw const set), 0);
    }
}

/// CPUs this process may use: its first thread, which no test pins.
pub fn cpus() -> Vec<usize> {
    // SAFETY: as above; the kernel writes it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(libc::sched_getaffinity(libc::getpid(), size_of_val(&set), &raw mut set), 0);
        (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &set)).collect()
    }
}
