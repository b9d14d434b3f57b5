// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cross-calls: one under way of either kind.
//!
//! ```text
//! call:   lane taken by a compare-and-swap, or wait for it
//!         function, arguments, left = CPUs; issued += 1
//!         pending[cpu] = 1 for each; wake their helpers
//! helper: pending[cpu] == 1: run; pending[cpu] = 0; left -= 1; the last: done = issued, lane free, wake all who wait
//! wait:   until done >= ticket
//! ```

use super::helper::{self, Kind};
use super::raw::Function;
use crate::diag::{fatal, report};
use crate::park::{Futex, Patience};
use crate::sys::signals;
use crate::sys::sync::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::watchdog::Watchdog;
use crate::{thread, vcpu};
use std::ffi::c_void;

/// What callers of one kind share.
struct Lane {
    /// The number of the thread whose call is under way; 0: none is. | 0 -> caller | caller -> the last helper, a fork: 0 |
    busy: AtomicU64,
    /// Calls so far: the ticket of the last.
    issued: AtomicU64,
    /// The ticket of the last that is done.
    done: AtomicU64,
    /// CPUs on which the function has not run yet.
    left: AtomicU32,
    function: AtomicUsize,
    arguments: [AtomicPtr<c_void>; 2],
    /// Moves when a call is done.
    turned: Futex,
}

impl Lane {
    const fn new() -> Lane {
        Lane {
            busy: AtomicU64::new(0),
            issued: AtomicU64::new(0),
            done: AtomicU64::new(0),
            left: AtomicU32::new(0),
            function: AtomicUsize::new(0),
            arguments: [const { AtomicPtr::new(std::ptr::null_mut()) }; 2],
            turned: Futex::new(),
        }
    }
}

static LANES: [Lane; 2] = [const { Lane::new() }; 2];

/// For each CPU and kind whether the function under way is still to run there.
struct Pending(Box<[[AtomicU32; 2]]>);

static PENDING: AtomicPtr<Pending> = AtomicPtr::new(std::ptr::null_mut());

fn pending_if_any() -> Option<&'static Pending> {
    // SAFETY: null, or published once and never freed.
    unsafe { PENDING.load(Ordering::Acquire).as_ref() }
}

fn pending() -> &'static Pending {
    pending_if_any().unwrap_or_else(|| {
        let none = || [AtomicU32::new(0), AtomicU32::new(0)];
        let mine = Box::into_raw(Box::new(Pending((0..vcpu::all().count()).map(|_| none()).collect())));
        // Release and acquire: what is in it before the pointer to it.
        match PENDING.compare_exchange(std::ptr::null_mut(), mine, Ordering::AcqRel, Ordering::Acquire) {
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

fn start(who: &str, kind: Kind) {
    pending(); // before a helper looks
    if let Err(error) = helper::all().start(kind) {
        fatal(format_args!(
            "{who}: a thread that runs cross-calls cannot be started (errno {}), and xcall(9) cannot fail",
            error.0
        ));
    }
}

/// Begins a call, on one CPU or on all, and answers its ticket. Sleeps while another is under way.
pub(super) fn begin(who: &str, kind: Kind, function: Function, arguments: [*mut c_void; 2], on: Option<usize>) -> u64 {
    start(who, kind);
    let lane = &LANES[kind as usize];
    let me = thread::number();
    let mut watchdog = Watchdog::new();
    loop {
        let seen = lane.turned.word(); // X3
        // No handler in between: its fork would find a call half begun.
        let ticket = signals::blocked(|| {
            let free = lane.busy.compare_exchange(0, me, Ordering::SeqCst, Ordering::SeqCst).is_ok();
            free.then(|| issue(lane, kind, function, arguments, on))
        });
        if let Some(ticket) = ticket {
            return ticket;
        }
        if let Some(seconds) = watchdog.due() {
            tell(who, lane, kind, seconds);
        }
        let _ = Patience::FOREVER.wait(&lane.turned, seen, watchdog.next());
    }
}

fn issue(lane: &Lane, kind: Kind, function: Function, arguments: [*mut c_void; 2], on: Option<usize>) -> u64 {
    let (helpers, pending) = (helper::all(), pending());
    // Relaxed: published by `pending` (X2).
    lane.function.store(function as usize, Ordering::Relaxed);
    lane.arguments.iter().zip(arguments).for_each(|(place, argument)| place.store(argument, Ordering::Relaxed));
    let ticket = lane.issued.load(Ordering::Relaxed) + 1;
    lane.issued.store(ticket, Ordering::SeqCst);
    lane.left.store(on.map_or(pending.0.len() as u32, |_| 1), Ordering::SeqCst);
    let ask = |cpu: usize| pending.0[cpu][kind as usize].store(1, Ordering::SeqCst);
    match on {
        Some(cpu) => {
            ask(cpu);
            helpers.wake(kind, helpers.server_of(cpu));
        }
        None => {
            (0..pending.0.len()).for_each(ask);
            helpers.servers().for_each(|server| helpers.wake(kind, server));
        }
    }
    ticket
}

/// Runs the function of the call under way on one CPU, if it is to run there.
pub(super) fn serve(kind: Kind, cpu: usize) -> bool {
    let lane = &LANES[kind as usize];
    let Some(pending) = pending_if_any() else { return false };
    let pending = &pending.0[cpu][kind as usize];
    if pending.load(Ordering::SeqCst) == 0 {
        return false;
    }
    let function = lane.function.load(Ordering::Relaxed);
    let [first, second] = [0, 1].map(|i| lane.arguments[i].load(Ordering::Relaxed));
    helper::run(kind, cpu, "a function of a cross-call", || {
        // SAFETY: X2: what `issue` stored, and its caller's promise.
        unsafe {
            std::mem::transmute::<*const (), Function>(std::ptr::with_exposed_provenance(function))(first, second)
        }
    });
    // What a fork in the function has taken out is counted no more.
    if pending.swap(0, Ordering::SeqCst) == 1 && lane.left.fetch_sub(1, Ordering::SeqCst) == 1 {
        finish(lane);
    }
    true
}

fn finish(lane: &Lane) {
    lane.done.store(lane.issued.load(Ordering::SeqCst), Ordering::SeqCst);
    lane.busy.store(0, Ordering::SeqCst);
    lane.turned.advance_and_wake_all();
}

/// Waits until a call is done. One that was never begun is a fatal diagnostic.
pub(super) fn finished(who: &str, kind: Kind, ticket: u64) {
    let lane = &LANES[kind as usize];
    let issued = lane.issued.load(Ordering::SeqCst);
    if ticket > issued {
        fatal(format_args!("{who}: ticket {ticket} was never given out; the last of its kind was {issued}"));
    }
    if lane.done.load(Ordering::SeqCst) >= ticket {
        return;
    }
    start(who, kind); // in a forked child
    let mut watchdog = Watchdog::new();
    loop {
        let seen = lane.turned.word(); // X3
        if lane.done.load(Ordering::SeqCst) >= ticket {
            return;
        }
        if let Some(seconds) = watchdog.due() {
            tell(who, lane, kind, seconds);
        }
        let _ = Patience::FOREVER.wait(&lane.turned, seen, watchdog.next());
    }
}

#[cold]
fn tell(who: &str, lane: &Lane, kind: Kind, seconds: u64) {
    let left = lane.left.load(Ordering::Relaxed);
    report(format_args!(
        "{who} has waited {seconds} s for a cross-call whose function, at {:#x}, has still to run, or to return, on {left} CPUs",
        lane.function.load(Ordering::Relaxed)
    ));
    let on = pending().0.iter().enumerate().filter(|(_, on)| on[kind as usize].load(Ordering::Relaxed) != 0);
    on.take(16).for_each(|(cpu, _)| report(format_args!("  CPU {cpu}")));
}

/// In a forked child: calls of threads that did not come along are forgotten. One that is the child's own thread's runs on where it
/// has not ended yet.
pub(super) fn in_child(me: u64) {
    let Some(pending) = pending_if_any() else { return };
    for (kind, lane) in LANES.iter().enumerate() {
        let busy = lane.busy.load(Ordering::SeqCst);
        let left = pending.0.iter().filter(|on| on[kind].load(Ordering::Relaxed) != 0).count() as u32;
        if busy != 0 && busy == me && left != 0 {
            lane.left.store(left, Ordering::SeqCst);
        } else {
            pending.0.iter().for_each(|on| on[kind].store(0, Ordering::SeqCst));
            lane.left.store(0, Ordering::SeqCst);
            finish(lane);
        }
    }
}
