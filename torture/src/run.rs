// SPDX-License-Identifier: MIT OR Apache-2.0
//! The run itself, in a process of its own: starts everything, watches it, shows how far it is, and settles.

use crate::args::Args;
use crate::failure::{self, fail};
use crate::faults::Fault;
use crate::say::say;
use crate::world::World;
use crate::{board, injector, report, system, unload};
use std::ffi::CString;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn interrupted(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    INTERRUPTED.store(true, SeqCst);
}

/// Runs to the end; failures end the process.
pub fn run(args: &Args) {
    system::handle(libc::SIGINT, interrupted, 0);
    failure::catch_faults();
    let mut faults = args.faults();
    let library = CString::new(args.library.as_str()).ok().filter(|library| {
        let wanted = faults.contains(&Fault::Unload);
        let there = wanted && unload::is_there(library);
        if wanted && !there {
            say(format_args!("torture: no {} here, so none is unloaded (--library)", args.library));
        }
        there
    });
    if library.is_none() {
        faults.retain(|&fault| fault != Fault::Unload);
    }
    let users = args.threads.map_or(6 * system::cpus().len(), |n| n as usize);
    let seed = args.seed.unwrap_or_default();
    let world: &'static World = Box::leak(Box::new(World::new(seed, &args.mixes(), faults, users, library)));
    let refused = if args.refuse_after.is_some() { ", membarrier refused" } else { "" };
    report::begin(world, format!("{}{refused}", psref::backend().name()));
    injector::install_handlers(world);
    if let Some(bug) = &args.plant {
        crate::planted::plant(bug);
    }
    let seats = world.start();
    let injectors: Vec<_> =
        world.faults.iter().map(|&fault| std::thread::spawn(move || injector::inject(fault, world))).collect();
    watch(args, world, || seats.iter().chain(&injectors).all(|thread| thread.is_finished()));
    report::keep();
    // The last drains find whatever was left over, and wait for it.
    let settling = std::thread::spawn(|| world.settle());
    let limit = Instant::now() + Duration::from_secs(2 * args.patience);
    while !settling.is_finished() {
        if Instant::now() > limit {
            fail(format_args!("everybody has left, and the last drains do not end"));
        }
        system::pass(Duration::from_millis(20));
    }
    if settling.join().is_err() {
        fail(format_args!("the last drains panicked"));
    }
    report::emit(None);
}

/// Until everybody has ended.
fn watch(args: &Args, world: &'static World, all_ended: impl Fn() -> bool) {
    let began = Instant::now();
    let end = Duration::from_secs(args.secs.unwrap_or(10));
    let patience = Duration::from_secs(args.patience);
    let mut refuse_after = args.refuse_after.map(Duration::from_millis);
    let mut ended = None;
    let live = std::io::stderr().is_terminal();
    while !all_ended() {
        system::pass(Duration::from_millis(50));
        let now = began.elapsed();
        if let Some((what, took, object, tid)) = board::overdue(patience.as_millis() as u64) {
            board::dump();
            // The library's own reports come soon after.
            system::pass(Duration::from_secs(2));
            fail(format_args!("thread {tid}: {what} of {object} has taken {took} ms"));
        }
        if refuse_after.take_if(|after| now >= *after).is_some() {
            if system::refuse_membarrier() {
                Fault::Refused.count();
            } else {
                say(format_args!("torture: no seccomp filter can be had, so membarrier is not refused"));
            }
        }
        if ended.is_none() && (now >= end || INTERRUPTED.load(SeqCst)) {
            ended = Some(now);
            world.end();
        }
        if ended.is_some_and(|at| now > at + 2 * patience + Duration::from_secs(10)) {
            fail(format_args!("the run does not end"));
        }
        if live {
            let (operations, ends) = report::so_far();
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[K{:.0} s  {operations} operations  {ends} drains and other ends",
                now.as_secs_f64()
            );
        }
    }
    if live {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
}
