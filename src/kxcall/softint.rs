// SPDX-License-Identifier: MIT OR Apache-2.0
//! Software interrupts: handlers that are scheduled from anywhere, signal handlers too, and run soon on the CPU that scheduled them.

use super::helper::{self, Helpers, Kind};
use super::raw::Handler;
use crate::diag::{fatal, report};
use crate::lwp;
use crate::park::{Futex, Patience};
use crate::percpu::region::{self, Piece};
use crate::stable::{Pool, Stable};
use crate::sys::cpus;
use crate::sys::errno::Errno;
use crate::sys::sync::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use crate::vcpu;
use crate::watchdog::Watchdog;
use std::ffi::c_void;

/// The level of a handler, in its flags.
const LEVEL: u32 = 0xff;
/// The highest level.
const HIGHEST: u32 = 3;
/// The handler may run on several CPUs at once, and beside those of others that may not.
const MPSAFE: u32 = 0x100;
/// The handler may be scheduled on other CPUs: it always may here.
const RCPU: u32 = 0x200;

/// A handler.
pub struct Softint {
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | 0 | never used | establish: `LIVE` |
    /// | `LIVE` | established | disestablish: `DEAD` |
    /// | `DEAD` | disestablished, poison | establish: `LIVE` |
    state: AtomicU32,
    flags: AtomicU32,
    handler: AtomicUsize,
    argument: AtomicPtr<c_void>,
    /// Address in stripe 0 of a word on every CPU: 1 while it is scheduled there.
    scheduled: AtomicUsize,
    /// Helpers that look at it or run it (X4).
    running: AtomicU32,
    /// Moves when the last of them has left one that is dead.
    left: Futex,
}

const LIVE: u32 = 1;
const DEAD: u32 = 0xdead;

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for Softint {}

static ALL: Pool<Softint> = Pool::new();

impl Softint {
    fn scheduled(&self) -> Piece {
        // SAFETY: the base of a piece of 8 bytes, which `establish` allocated; regions are never unmapped.
        unsafe { Piece::of_word(self.scheduled.load(Ordering::Acquire)) }
    }

    fn level(&self) -> u32 {
        self.flags.load(Ordering::Relaxed) & LEVEL
    }

    /// The CPU whose helper runs it on a virtual CPU. Those that are not MPSAFE have one and the same, so no two run at once.
    fn server_on(&self, helpers: &Helpers, cpu: usize) -> usize {
        let safe = self.flags.load(Ordering::Relaxed) & MPSAFE != 0;
        helpers.server_of(if safe { cpu } else { 0 })
    }

    fn is_live(&self) -> bool {
        self.state.load(Ordering::SeqCst) == LIVE
    }

    /// Runs it on a virtual CPU if it is scheduled there. Who schedules it before it has that CPU asks for this very run.
    fn run(&self, helpers: &Helpers, server: usize, cpu: usize) {
        self.running.fetch_add(1, Ordering::SeqCst); // X4
        // It may be another by now, which this helper does not serve.
        if self.is_live() && self.server_on(helpers, cpu) == server {
            let helper = helpers.this(Kind::High, server);
            helper.current.store(std::ptr::from_ref(self).cast_mut(), Ordering::Relaxed);
            let handler = self.handler.load(Ordering::Relaxed);
            let argument = self.argument.load(Ordering::Relaxed);
            helper::run(Kind::High, cpu, "a software interrupt's handler", || {
                if self.is_live() && self.scheduled().word(cpu, 0).swap(0, Ordering::SeqCst) != 0 {
                    // SAFETY: what `establish` stored, and its caller's promise.
                    unsafe {
                        std::mem::transmute::<*const (), Handler>(std::ptr::with_exposed_provenance(handler))(argument)
                    }
                }
            });
            helper.current.store(std::ptr::null_mut(), Ordering::Relaxed);
        }
        if self.running.fetch_sub(1, Ordering::SeqCst) == 1 && !self.is_live() {
            self.left.advance_and_wake_all();
        }
    }
}

/// One that is in use; else a fatal diagnostic.
fn check(who: &str, si: *const Softint) -> &'static Softint {
    if !ALL.contains(si) {
        fatal(format_args!("{who}: {si:p} is no software interrupt; expected what softint_establish returned"));
    }
    // SAFETY: one of the pool's; they are type-stable.
    let si = unsafe { &*si };
    if !si.is_live() {
        fatal(format_args!("{who}: software interrupt {si:p}: already disestablished"));
    }
    si
}

/// `softint_establish`.
pub(super) fn establish(flags: u32, handler: Handler, argument: *mut c_void) -> Result<&'static Softint, Errno> {
    if flags & LEVEL > HIGHEST || flags & !(LEVEL | MPSAFE | RCPU) != 0 {
        fatal(format_args!(
            "softint_establish: flags {flags:#x}; expected a level from 0 to {HIGHEST}, and {MPSAFE:#x} for MPSAFE or not"
        ));
    }
    helper::all().start(Kind::High)?;
    let piece = region::alloc(8)?;
    let si = ALL.take().inspect_err(|_| {
        // SAFETY: allocated above; nobody knows of it.
        unsafe { region::free(piece) }
    })?;
    // Relaxed: published by the state.
    si.flags.store(flags, Ordering::Relaxed);
    si.handler.store(handler as usize, Ordering::Relaxed);
    si.argument.store(argument, Ordering::Relaxed);
    si.scheduled.store(piece.base, Ordering::Release);
    si.state.store(LIVE, Ordering::SeqCst);
    Ok(si)
}

/// `softint_schedule`: on the CPU that the caller has, or runs on. No lock, no malloc: also in signal handlers.
pub(super) fn schedule(si: *const Softint) {
    let si = check("softint_schedule", si);
    let helpers = helper::all(); // established: there are
    let cpu = lwp::bound_to().unwrap_or_else(cpus::current) as usize % vcpu::all().count();
    let server = si.server_on(helpers, cpu);
    let before = si.scheduled().word(cpu, 0).swap(1, Ordering::SeqCst);
    if !helpers.runs(Kind::High, server) {
        // A forked child, where this is the first that is asked for.
        if let Err(error) = helpers.start(Kind::High) {
            fatal(format_args!(
                "softint_schedule: a thread that runs software interrupts cannot be started (errno {})",
                error.0
            ));
        }
    }
    if before == 0 {
        helpers.wake(Kind::High, server);
    }
}

/// `softint_disestablish`: waits for handlers that run; what is scheduled and has not begun does not.
pub(super) fn disestablish(si: *const Softint) {
    let si = check("softint_disestablish", si);
    if si.state.compare_exchange(LIVE, DEAD, Ordering::SeqCst, Ordering::Relaxed).is_err() {
        fatal(format_args!("softint_disestablish: software interrupt {si:p}: already disestablished"));
    }
    let mut watchdog = Watchdog::new();
    loop {
        let seen = si.left.word(); // X3
        if si.running.load(Ordering::SeqCst) == 0 {
            break;
        }
        if let Some(seconds) = watchdog.due() {
            report(format_args!(
                "softint_disestablish has waited {seconds} s for the handler at {:#x} to return",
                si.handler.load(Ordering::Relaxed)
            ));
        }
        let _ = Patience::FOREVER.wait(&si.left, seen, watchdog.next());
    }
    // SAFETY: X4: nobody who finds it dead touches the words, and those who found it alive have left.
    unsafe {
        region::free(si.scheduled());
        ALL.give(si);
    }
}

/// Runs one of those that are scheduled and that the helper of this CPU serves, of the highest level.
pub(super) fn serve(helpers: &Helpers, server: usize) -> bool {
    let cpus = vcpu::all().count();
    let waits = |si: &Softint| {
        let scheduled = si.scheduled();
        (0..cpus)
            .find(|&cpu| si.server_on(helpers, cpu) == server && scheduled.word(cpu, 0).load(Ordering::SeqCst) != 0)
    };
    let live = ALL.iter().filter(|si| si.is_live());
    let next = live.filter_map(|si| waits(si).map(|cpu| (si, cpu))).max_by_key(|(si, _)| si.level());
    next.is_some_and(|(si, cpu)| {
        si.run(helpers, server, cpu);
        true
    })
}

/// In a forked child no handler runs but the one that forked.
pub(super) fn in_child(helpers: &Helpers) {
    for si in ALL.iter() {
        si.running.store(helpers.running(si), Ordering::SeqCst);
        si.left.advance_and_wake_all();
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::sys::sync::AtomicU64;
    use crate::thread;

    #[test]
    fn a_helper_leaves_what_another_serves_by_now() {
        static RAN_IN: AtomicU64 = AtomicU64::new(0);
        unsafe extern "C" fn note(_: *mut c_void) {
            RAN_IN.store(thread::number(), Ordering::SeqCst);
        }
        // Not MPSAFE: for the helper of one CPU alone.
        let si = establish(0, note, std::ptr::null_mut()).unwrap();
        let helpers = helper::all();
        if let Some(other) = helpers.servers().find(|&server| server != si.server_on(helpers, server)) {
            si.scheduled().word(other, 0).store(1, Ordering::SeqCst);
            // As that helper, which found it when it was another's, MPSAFE.
            si.run(helpers, other, other);
            helpers.wake(Kind::High, si.server_on(helpers, other));
            while RAN_IN.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            assert_ne!(RAN_IN.load(Ordering::SeqCst), thread::number());
        }
        disestablish(si);
    }
}
