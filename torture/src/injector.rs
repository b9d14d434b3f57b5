// SPDX-License-Identifier: MIT OR Apache-2.0
//! The threads that inject faults, one for each kind that needs one.

use crate::failure::fail;
use crate::faults::Fault;
use crate::random::Random;
use crate::say::say;
use crate::world::World;
use crate::{board, system, unload};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

/// What handlers use.
static HANDLERS: OnceLock<&'static World> = OnceLock::new();

extern "C" fn handler(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    static HANDLED: AtomicU64 = AtomicU64::new(0);
    // SAFETY: this thread's own.
    let errno = unsafe { *libc::__errno_location() };
    if let Some(world) = HANDLERS.get() {
        let mut random = Random::of(world.seed, u64::MAX, HANDLED.fetch_add(1, Relaxed));
        let (_, mix) = &world.mixes[random.below(world.mixes.len())];
        mix.in_handler(&mut random);
        Fault::Signals.count();
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Installs the handlers. One signal restarts what it interrupts, the other does not; neither interrupts the other.
pub fn install_handlers(world: &'static World) {
    let _ = HANDLERS.set(world);
    system::handle(libc::SIGUSR1, handler, libc::SA_RESTART);
    system::handle(libc::SIGUSR2, handler, 0);
}

/// A rhythm: `turn` again and again, with `pause` microseconds on average between, until the run ends.
fn again(world: &World, number: u64, pause: usize, mut turn: impl FnMut(&mut Random)) {
    for n in 0.. {
        if world.is_ending() {
            return;
        }
        let mut random = Random::of(world.seed, 1 << 32 | number, n);
        turn(&mut random);
        system::pass(Duration::from_micros(random.below(2 * pause + 1) as u64));
    }
}

/// Injects one kind of fault until the run ends.
pub fn inject(fault: Fault, world: &'static World) {
    let number = fault as u64;
    match fault {
        Fault::Delays => delays(world, number),
        Fault::Signals => again(world, number, 300, |random| {
            let tid = board::desk(random.below(world.threads)).tid.load(Acquire);
            if tid != 0 {
                system::signal(tid, if random.one_in(2) { libc::SIGUSR1 } else { libc::SIGUSR2 });
            }
        }),
        Fault::Affinity => {
            // Each thread moves itself, at its next turn: the library's own walk over the CPUs may not be led astray.
            again(world, number, 30_000, |random| {
                let all_on_one = random.one_in(3).then(|| world.cpus[random.below(world.cpus.len())]);
                world.only_cpu.store(all_on_one.map_or(usize::MAX, |cpu| cpu), Release);
                fault.count();
            });
            world.only_cpu.store(usize::MAX, Release);
        }
        Fault::Fork => again(world, number, 100_000, |_| fork(world)),
        Fault::Membarrier => again(world, number, 1000, |random| {
            const PRIVATE_EXPEDITED_RSEQ: i32 = 1 << 7;
            for _ in 0..1 + random.below(8) {
                // Where the library has not registered it, or a filter refuses it, there is no storm.
                if system::membarrier(PRIVATE_EXPEDITED_RSEQ) {
                    fault.count();
                }
            }
        }),
        Fault::Unload => {
            if let Some(library) = &world.library {
                again(world, number, 20_000, |_| unload::load_use_and_close(library));
            }
        }
        // Those that threads or the program that started this one see to.
        Fault::Refused | Fault::Rseq | Fault::Stop => {}
    }
}

#[cfg(feature = "inject")]
fn delays(world: &World, number: u64) {
    again(world, number, 50_000, |random| {
        psref::inject::set_delay([0, 100, 100, 1000, 1000, 10_000, 40_000][random.below(7)]);
        Fault::Delays.count();
    });
    psref::inject::set_delay(0);
}

#[cfg(not(feature = "inject"))]
fn delays(_: &World, _: u64) {}

/// A child that uses everything, and has ten seconds for it.
fn fork(world: &World) {
    // SAFETY: the child uses psref, its own stack and the allocator, which the C library readies for it.
    let child = unsafe { libc::fork() };
    match child {
        -1 => return,
        0 => {
            // SAFETY: ends the child if it hangs, and when it is done.
            unsafe {
                libc::alarm(10);
                world.mixes.iter().for_each(|(_, mix)| mix.in_child());
                libc::_exit(0);
            }
        }
        _ => Fault::Fork.count(),
    }
    let mut status = 0;
    // SAFETY: writes our word.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
        if std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return;
        }
    }
    if libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGALRM {
        fail(format_args!("a forked child hung"));
    }
    if status != 0 {
        say(format_args!("torture: a forked child ended with wait status {status:#x}"));
        fail(format_args!("a forked child ended with wait status {status:#x}; it has said why"));
    }
}
