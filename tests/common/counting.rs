// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of counts and gates share: both in the shape of C, their cells, and a thread that is stopped in the middle of a
//! section.
#![allow(dead_code, reason = "each test program uses its part")]

use psref::gate::raw::{self as gate, DeviceState, GateState};
use psref::localcount::raw::{self as localcount, LocalCountState};
use psref::percpu::entry::{COUNT_CELLS, STRIPE_SHIFT};
use psref::{GaveUp, Patience};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, Ordering::SeqCst};
use std::time::Duration;

pub fn no_time() -> Patience {
    Patience::at_most(Duration::ZERO)
}

/// Longer than anything takes that is going to happen at all, and less than after what a watchdog looks again.
pub fn long() -> Patience {
    Patience::at_most(Duration::from_secs(5))
}

/// Long enough for whoever waits in vain to be asleep.
pub fn short() -> Patience {
    Patience::at_most(Duration::from_millis(20))
}

/// Stripes that count: one for every possible CPU, and the last.
pub fn stripes() -> usize {
    let possible = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    let highest: usize = possible.trim().rsplit(['-', ',']).next().unwrap().parse().unwrap();
    highest + 2
}

/// What is in each cell of a counted object that has not ended.
fn cells_of(object: *const u8) -> Vec<i64> {
    // SAFETY: the object's second word, which does not change while there are cells.
    let base = unsafe { object.add(COUNT_CELLS).cast::<usize>().read() };
    assert_ne!(base, 0, "no cells");
    (0..stripes())
        .map(|stripe| {
            let cell: *const AtomicI64 = std::ptr::with_exposed_provenance(base + (stripe << STRIPE_SHIFT));
            // SAFETY: a cell, mapped for ever.
            unsafe { &*cell }.load(SeqCst)
        })
        .collect()
}

/// A localcount, drained as Rust does.
pub struct Count(Box<LocalCountState>);

impl Count {
    pub fn new() -> Count {
        // SAFETY: plain atomics, for which zero is a value; `init` gets the only pointer.
        unsafe {
            let mut state: Box<LocalCountState> = Box::new(std::mem::zeroed());
            localcount::init(&raw mut *state).unwrap();
            Count(state)
        }
    }

    pub fn at(&self) -> *const LocalCountState {
        &raw const *self.0
    }

    /// By the fast path.
    pub fn acquire(&self) -> bool {
        // SAFETY: alive as long as `self`.
        unsafe { localcount::acquire(self.at()) == 0 }
    }

    /// By the path that Rust calls.
    pub fn acquire_slowly(&self) -> bool {
        // SAFETY: alive as long as `self`.
        unsafe { localcount::try_acquire(self.at()).is_ok() }
    }

    /// By the fast path.
    pub fn release(&self) {
        // SAFETY: held.
        unsafe { localcount::release_alone(self.at()) }
    }

    /// By the path that Rust calls.
    pub fn release_slowly(&self) {
        // SAFETY: held.
        unsafe { localcount::release_alone_slowly(self.at()) }
    }

    pub fn drain_within(&self, patience: Patience) -> Result<(), GaveUp> {
        // SAFETY: alive as long as `self`.
        unsafe { localcount::drain_alone(self.at(), patience) }
    }

    pub fn trydrain(&self) -> bool {
        // SAFETY: alive as long as `self`.
        unsafe { localcount::trydrain(self.at()) }
    }

    pub fn references(&self) -> u32 {
        // SAFETY: alive as long as `self`.
        unsafe { localcount::references(self.at()) }
    }

    pub fn bytes(&self) -> [u8; size_of::<LocalCountState>()] {
        // SAFETY: atomics without padding but the last four bytes, which `new` zeroed.
        unsafe { self.at().cast::<[u8; size_of::<LocalCountState>()]>().read() }
    }

    pub fn cells(&self) -> Vec<i64> {
        cells_of(self.at().cast())
    }

    /// Ends a drained one.
    pub fn end(self) {
        // SAFETY: nobody uses it any more.
        unsafe { localcount::fini(self.at()) }
    }
}

/// A device with a gate.
pub struct Device(Box<DeviceState>);

impl Device {
    pub fn new() -> Device {
        // SAFETY: plain atomics, for which zero is a value; `attach` gets the only pointer.
        unsafe {
            let mut state: Box<DeviceState> = Box::new(std::mem::zeroed());
            gate::attach(&raw mut *state).unwrap();
            Device(state)
        }
    }

    pub fn at(&self) -> *const DeviceState {
        &raw const *self.0
    }

    /// By the fast path.
    pub fn enter(&self) {
        // SAFETY: alive as long as `self`.
        unsafe { gate::enter(self.at()) }
    }

    /// By the path that Rust calls.
    pub fn enter_slowly(&self) {
        // SAFETY: alive as long as `self`.
        unsafe { psref::gate::entry::enter_slow(self.at()) }
    }

    /// By the fast path.
    pub fn exit(&self) {
        // SAFETY: inside.
        unsafe { gate::exit(self.at()) }
    }

    /// By the path that Rust calls.
    pub fn exit_slowly(&self) {
        // SAFETY: inside.
        unsafe { psref::gate::entry::exit_slow(self.at()) }
    }

    /// Waits at a closed gate, longer than any seal here; whether it was passed.
    pub fn acquire(&self) -> bool {
        let patience = Patience::at_most(Duration::from_secs(10));
        // SAFETY: alive as long as `self`.
        unsafe { gate::try_acquire(self.at(), patience) }.unwrap().is_ok()
    }

    /// The caller is the only one to close it.
    pub fn close(&self) -> &'static GateState {
        // SAFETY: alive as long as `self`.
        unsafe { gate::try_close(self.at(), b"test", psref::Patience::FOREVER) }.unwrap().unwrap()
    }

    pub fn seal_within(&self, closed: &'static GateState, patience: Patience) -> Result<(), GaveUp> {
        // SAFETY: alive as long as `self`.
        unsafe { gate::try_seal(self.at(), closed, patience) }.unwrap()
    }

    pub fn wait_within(&self, patience: Patience) -> Result<(), GaveUp> {
        // SAFETY: alive as long as `self`.
        unsafe { gate::try_wait(self.at(), patience) }.unwrap()
    }

    pub fn cells(&self) -> Vec<i64> {
        cells_of(self.at().cast())
    }

    /// Takes a gate away that nobody is inside of.
    pub fn end(self) {
        // SAFETY: nobody uses it any more.
        unsafe { gate::detach(self.at()) }
    }

    /// Takes it away whatever the counts say: they were spoiled on purpose.
    pub fn abandon(self) {
        // SAFETY: nobody uses it any more.
        unsafe { gate::abandon(self.at()) }
    }
}

/// Runs `body` in each way that additions can go: by sections, without a stripe on any CPU or on all but the first, and with a
/// membarrier that is refused in the middle of the run.
#[cfg(feature = "inject")]
pub fn every_way(body: impl Fn(&str)) {
    use psref::inject::{self, Barrier};
    body("as the back end does it");
    if psref::backend() != psref::Backend::Rseq {
        return;
    }
    for limit in [0, 1] {
        inject::limit_cpus(Some(limit));
        body(&format!("with stripes for {limit} CPUs"));
        inject::limit_cpus(None);
    }
    inject::set_barrier(Barrier::Refused);
    body("with the membarrier refused");
    inject::set_barrier(Barrier::Full);
}

/// A thread on a CPU of its own does `first`, then `step`, in which it is stopped at `site`; `meanwhile` runs then, on another CPU,
/// and the gate of the sections opens after it at the latest. On the same CPU every look at the thread would preempt it.
#[cfg(feature = "inject")]
pub fn stopped_at<S: Send, M>(
    site: psref::inject::Site,
    first: impl FnOnce() + Send,
    step: impl FnOnce() -> S + Send,
    meanwhile: impl FnOnce() -> M,
) -> (S, M) {
    use crate::common::{cpus, pin, until};
    use psref::inject;
    let [cpu, elsewhere, ..] = cpus()[..] else { panic!("needs two CPUs") };
    let ready = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        pin(elsewhere);
        let worker = scope.spawn(|| {
            pin(cpu);
            first();
            ready.wait();
            ready.wait();
            step()
        });
        ready.wait();
        let before = inject::waiting_at_gate();
        let _whatever_happens = Finally(inject::open_gate);
        inject::shut_gate(site);
        ready.wait();
        until("the thread to come to the gate", || inject::waiting_at_gate() > before || worker.is_finished());
        let then = meanwhile();
        inject::open_gate();
        (worker.join().unwrap(), then)
    })
}

/// Does it when it goes out of scope, also by a panic: the others of a scope are waited for.
pub struct Finally<F: Fn()>(pub F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Whether a section can be stopped while somebody else runs.
#[cfg(feature = "inject")]
pub fn can_stop_sections() -> bool {
    if crate::common::cpus().len() < 2 {
        eprintln!("skipped: whoever closes must run beside the section, and there is one CPU");
        return false;
    }
    crate::common::backend_is_rseq()
}

/// Does something while a sum has read the cells of the CPUs before `stripe` and no other.
#[cfg(feature = "inject")]
pub fn in_the_middle_of<S: Send>(stripe: usize, sum: impl FnOnce() -> S + Send, meanwhile: impl FnOnce()) -> S {
    use psref::inject;
    inject::stop_scan_before(stripe as u64);
    std::thread::scope(|scope| {
        let _whatever_happens = Finally(inject::let_scan_go);
        let summer = scope.spawn(sum);
        crate::common::until("the sum to come to its stop", || inject::scan_stopped() || summer.is_finished());
        meanwhile();
        inject::let_scan_go();
        summer.join().unwrap()
    })
}

/// Runs `body` on one CPU.
pub fn on<R: Send>(cpu: usize, body: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let there = scope.spawn(|| {
            crate::common::pin(cpu);
            body()
        });
        there.join().unwrap()
    })
}

/// Rounds in which one thread does `one` to a new thing and another at once `other`, each round a little later.
pub fn side_by_side<T: Sync>(
    rounds: u32,
    new: impl Fn() -> T,
    one: impl Fn(&T, u32),
    other: impl Fn(&T) + Sync,
    end: impl Fn(T),
) {
    /// Steps of delay: from none to when the other thread sleeps.
    const STEPS: u32 = 1000;
    let (current, over) = (AtomicPtr::new(std::ptr::null_mut::<T>()), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (current, other, over) = (&current, &other, &over);
        let at_the_end = Raise(over);
        scope.spawn(move || {
            let mut round = 0;
            while !over.load(SeqCst) {
                // SAFETY: null, or a thing that lives until this thread has put null here again.
                match unsafe { current.load(SeqCst).as_ref() } {
                    None => std::thread::yield_now(),
                    Some(thing) => {
                        (0..round % STEPS).for_each(|_| std::hint::spin_loop());
                        round += 1;
                        other(thing);
                        current.store(std::ptr::null_mut(), SeqCst);
                    }
                }
            }
        });
        for round in 0..rounds {
            let thing = new();
            current.store((&raw const thing).cast_mut(), SeqCst);
            one(&thing, round);
            crate::common::until("the other thread", || current.load(SeqCst).is_null());
            end(thing);
        }
        drop(at_the_end);
    });
}

/// Raises a flag when it goes out of scope, also by a panic.
pub struct Raise<'a>(pub &'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
