// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a thread does with its virtual CPU: takes it, once however often it asks; gives it back; gives it up while it sleeps.

use super::state::{self, Got};
use crate::diag::fatal;
use crate::lwp;
#[cfg(not(loom))]
use crate::park;
use crate::strict;
use crate::sys::sync::{Ordering, compiler_fence};
use crate::sys::{cpus, process};
use crate::thread::{self, KernelWords};

const ADOPTED: u64 = 1 << 63;

/// `held` of a thread's words: the number plus one, the depth at which it was taken, and whether it is another frame's (V4).
fn pack(cpu: usize, depth: u32, got: Got) -> u64 {
    let adopted = if got == Got::Adopted { ADOPTED } else { 0 };
    adopted | u64::from(depth) << 32 | (cpu as u64 + 1)
}

fn cpu_in(held: u64) -> usize {
    (held as u32 - 1) as usize
}

fn depth_in(held: u64) -> u32 {
    ((held & !ADOPTED) >> 32) as u32
}

/// Takes a virtual CPU, if the thread has none, until the [`enable`] that belongs to this. Answers its number. May sleep where all
/// are taken; in signal handlers too.
pub(crate) fn disable() -> usize {
    let words = lwp::words();
    // Relaxed, here and below: the thread's own (W1).
    let depth = words.depth.load(Ordering::Relaxed) + 1;
    words.depth.store(depth, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst); // V4: a handler from here on takes at a greater depth
    match words.held.load(Ordering::Relaxed) {
        0 => take(words, depth, lwp::recorded().map(|cpu| cpu as usize)),
        held => cpu_in(held),
    }
}

/// Takes this virtual CPU, for a helper that has none, until the [`enable`] that belongs to it.
pub(crate) fn in_name_of(cpu: usize) {
    let words = lwp::words();
    words.depth.store(1, Ordering::Relaxed);
    take(words, 1, Some(cpu));
}

fn take(words: &KernelWords, depth: u32, which: Option<usize>) -> usize {
    let (all, me) = (state::all(), thread::number());
    // A handler may be bound to another than the frame below it has taken and not recorded: who has one does not wait (V5).
    let below = if depth > 1 { all.of(me) } else { None };
    let (cpu, got) = match (below, which) {
        (Some(cpu), _) => (cpu, Got::Adopted),
        (None, Some(cpu)) => (cpu % all.count(), all.take_this(words, me, cpu)),
        (None, None) => all.take_any(words, me, cpus::current() as usize),
    };
    compiler_fence(Ordering::SeqCst); // V4: a handler in between adopts it
    words.held.store(pack(cpu, depth, got), Ordering::Relaxed);
    cpu
}

/// Ends what a [`disable`] began. Without one it is a fatal diagnostic, in the name of `who`.
pub(crate) fn enable(who: &str) {
    let words = lwp::words();
    let depth = words.depth.load(Ordering::Relaxed);
    if depth == 0 {
        fatal(format_args!(
            "{who}: thread {} has no virtual CPU: preemption is not disabled; expected as many calls as of its counterpart",
            process::thread_id()
        ));
    }
    let held = words.held.load(Ordering::Relaxed);
    if depth_in(held) == depth {
        words.held.store(0, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst); // V4: a handler in between adopts it, or takes another
        if held & ADOPTED == 0 {
            state::all().give(thread::number(), cpu_in(held));
        }
    }
    compiler_fence(Ordering::SeqCst);
    words.depth.store(depth - 1, Ordering::Relaxed);
}

/// Calls `sleep`, which waits for other threads, without the virtual CPU that the thread may have (V5). With a spin mutex held it
/// is a fatal diagnostic, in strict mode with preemption disabled too, in the name of `who`.
pub(crate) fn asleep<R>(who: &str, sleep: impl FnOnce() -> R) -> R {
    let Some(words) = thread::record_if_any().map(|record| &record.kernel) else { return sleep() };
    let held = words.held.load(Ordering::Relaxed);
    if held == 0 || held & ADOPTED != 0 {
        return sleep();
    }
    check(who, words, held);
    let (all, me, cpu) = (state::all(), thread::number(), cpu_in(held));
    words.held.store(0, Ordering::Relaxed);
    compiler_fence(Ordering::SeqCst);
    all.give(me, cpu);
    let answer = sleep();
    all.take_this(words, me, cpu);
    compiler_fence(Ordering::SeqCst);
    words.held.store(held, Ordering::Relaxed);
    answer
}

/// Functions of cross-calls may sleep in whatever of the library sleeps, with nothing but the virtual CPU in whose name they run.
#[cfg(not(loom))]
pub(super) static AROUND: park::Around = |sleep| match lwp::context() {
    lwp::CROSS_CALL => asleep("a function of a cross-call", sleep),
    _ => sleep(),
};

#[cold]
fn check(who: &str, words: &KernelWords, held: u64) {
    let (tid, cpu) = (process::thread_id(), cpu_in(held));
    match words.spins.load(Ordering::Relaxed) {
        0 => {}
        spins => fatal(format_args!(
            "{who}: thread {tid} would sleep with {spins} spin mutexes held, on virtual CPU {cpu}: whoever waits for them may \
             be what it sleeps for; expected none"
        )),
    }
    if words.context.load(Ordering::Relaxed) != lwp::CROSS_CALL && strict::is_on() {
        fatal(format_args!(
            "{who}: thread {tid} would sleep with preemption disabled, on virtual CPU {cpu}; expected it enabled (strict mode)"
        ));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::UnsafeCell;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_thread_has_one_virtual_cpu_however_often_it_asks() {
        let cpu = disable();
        assert_eq!(lwp::held(), Some(cpu as u32));
        assert_eq!(disable(), cpu);
        enable("test");
        assert_eq!(lwp::bound_to(), Some(cpu as u32));
        enable("test");
        assert!(!lwp::is_preemption_disabled());
        assert_eq!(lwp::bound_to(), None);
    }

    #[test]
    fn a_bound_thread_takes_the_one_that_it_names() {
        let was = lwp::bind();
        let said = lwp::bound_to();
        let cpu = disable();
        assert_eq!(said, Some(cpu as u32));
        enable("test");
        lwp::bindx(was);
    }

    #[test]
    fn a_thread_that_is_bound_while_it_has_one_names_that() {
        let cpu = disable();
        let was = lwp::bind();
        enable("test");
        assert_eq!(lwp::bound_to(), Some(cpu as u32));
        lwp::bindx(was);
    }

    /// One cell a virtual CPU, added to without an atomic instruction.
    struct Cells(Vec<UnsafeCell<u64>>);
    // SAFETY: whoever is at a cell has its virtual CPU; that is what is tested.
    unsafe impl Sync for Cells {}

    #[test]
    fn whoever_has_one_is_alone_on_it() {
        let (threads, turns) = if cfg!(miri) { (3, 20) } else { (8, 20_000) };
        let cells = Cells((0..state::all().count()).map(|_| UnsafeCell::new(0)).collect());
        let cells = &cells;
        std::thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || {
                    for turn in 0..turns {
                        let bound = (thread % 3 == 0 && turn % 7 == 0).then(lwp::bind);
                        let cpu = disable();
                        // SAFETY: this thread has the virtual CPU.
                        unsafe { *cells.0[cpu].get() += 1 };
                        if turn % 5 == 0 {
                            asleep("test", std::thread::yield_now);
                            // SAFETY: as above: it is the same one.
                            unsafe { *cells.0[cpu].get() += 1 };
                        }
                        enable("test");
                        if let Some(was) = bound {
                            lwp::bindx(was);
                        }
                    }
                });
            }
        });
        // SAFETY: all threads have ended.
        let sum: u64 = cells.0.iter().map(|cell| unsafe { *cell.get() }).sum();
        assert_eq!(sum, threads as u64 * (turns + turns / 5) as u64);
    }

    #[test]
    fn a_virtual_cpu_that_is_given_up_can_be_taken_by_another() {
        let cpu = disable();
        let taken = AtomicUsize::new(usize::MAX);
        asleep("test", || {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    in_name_of(cpu);
                    taken.store(cpu, Ordering::Relaxed);
                    enable("test");
                });
            })
        });
        assert_eq!(taken.load(Ordering::Relaxed), cpu);
        assert_eq!(lwp::held(), Some(cpu as u32));
        enable("test");
    }

    #[test]
    fn a_handler_adopts_what_the_frame_it_interrupts_has_taken_and_not_recorded() {
        let (all, words, me) = (state::all(), lwp::words(), thread::number());
        // As in the middle of `disable`.
        words.depth.store(1, Ordering::Relaxed);
        let (cpu, got) = all.take_any(words, me, 0);
        assert_eq!(got, Got::Taken);
        // The handler.
        words.bound.store(cpu as u32 + 1, Ordering::Relaxed); // so that it can have no other
        assert_eq!(disable(), cpu);
        enable("test");
        words.bound.store(0, Ordering::Relaxed);
        // The frame goes on: it has it still.
        assert_eq!(all.take_this(words, me, cpu), Got::Adopted);
        words.held.store(pack(cpu, 1, got), Ordering::Relaxed);
        enable("test");
        assert!(!lwp::is_preemption_disabled());
    }

    #[test]
    fn a_handler_adopts_though_it_is_bound_to_another() {
        let (all, words, me) = (state::all(), lwp::words(), thread::number());
        if all.count() < 2 {
            return;
        }
        words.depth.store(1, Ordering::Relaxed);
        let (cpu, got) = all.take_any(words, me, 0);
        let (other, taken, over) = ((cpu + 1) % all.count(), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                in_name_of(other);
                taken.store(1, Ordering::SeqCst);
                while over.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                enable("test");
            });
            while taken.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            // The handler, on another CPU than the frame: who has that may be waiting for the frame's.
            words.bound.store(other as u32 + 1, Ordering::Relaxed);
            assert_eq!(disable(), cpu);
            enable("test");
            words.bound.store(0, Ordering::Relaxed);
            over.store(1, Ordering::SeqCst);
        });
        words.held.store(pack(cpu, 1, got), Ordering::Relaxed);
        enable("test");
        assert!(!lwp::is_preemption_disabled());
    }
}
