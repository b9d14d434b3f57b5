// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads that cannot run a section in a process that has them: not registered for rseq, or single-stepped by a debugger so
//! that every section is restarted before it commits (R11). They are served by a stripe of their own.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "plays the C library and the debugger")]
#![cfg(target_arch = "x86_64")]

mod common;

use common::Thing;
use psref::psref::raw::Hold;
use std::sync::atomic::{AtomicBool, Ordering};

unsafe extern "C" {
    safe static __rseq_offset: isize;
}

/// Takes the calling thread's registration back, as if the C library had never made it.
fn unregister() {
    const UNREGISTER: i32 = 1;
    const SIGNATURE: u32 = 0x5305_3053;
    let area: usize;
    // SAFETY: reads the thread pointer.
    unsafe { std::arch::asm!("mov {}, qword ptr fs:[0]", out(reg) area) };
    let area = area.wrapping_add_signed(__rseq_offset);
    // SAFETY: the thread's own area; the kernel forgets it. The size is what the C library registered: 32, or more.
    let done = [32_usize, 28, 24, 20, 64, 128]
        .into_iter()
        .any(|size| unsafe { libc::syscall(libc::SYS_rseq, area, size, UNREGISTER, SIGNATURE) } == 0);
    assert!(done, "rseq cannot be unregistered");
}

#[test]
fn a_thread_without_rseq_holds_and_is_waited_for() {
    if !common::backend_is_rseq() {
        return;
    }
    let thing = Thing::new();
    let released = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (held, is_held) = std::sync::mpsc::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (thing, released) = (&thing, &released);
        scope.spawn(move || {
            unregister();
            // Past a block's end, too.
            let mut holds: Vec<Box<Hold>> = (0..100).map(|_| Box::new(Hold::EMPTY)).collect();
            holds.iter_mut().for_each(|hold| assert!(thing.acquire(hold)));
            held.send(()).unwrap();
            wait.recv().unwrap();
            released.store(true, Ordering::SeqCst);
            holds.iter_mut().for_each(|hold| thing.release(hold));
            assert!(!thing.acquire(&mut holds[0]), "acquired although the target drains");
        });
        is_held.recv().unwrap();
        let mut mine = Hold::EMPTY;
        assert!(thing.acquire(&mut mine));
        thing.release(&mut mine);
        let late = thing.drain_within(psref::Patience::at_most(std::time::Duration::from_millis(20)));
        assert_eq!(late, Err(psref::GaveUp::TimedOut), "the holds of the thread without rseq were not seen");
        go.send(()).unwrap();
        thing.drain();
        assert!(released.load(Ordering::SeqCst));
    });
    thing.end();
}

#[test]
fn a_hold_of_a_thread_without_rseq_is_released_by_one_with() {
    if !common::backend_is_rseq() {
        return;
    }
    let thing = Thing::new();
    let mut hold = Hold::EMPTY;
    std::thread::scope(|scope| {
        let (thing, hold) = (&thing, &mut hold);
        scope.spawn(move || {
            unregister();
            assert!(thing.acquire(hold));
        });
    });
    let late = thing.drain_within(psref::Patience::at_most(std::time::Duration::from_millis(20)));
    assert_eq!(late, Err(psref::GaveUp::TimedOut));
    thing.release(&mut hold);
    thing.end();
}

#[test]
fn a_single_stepped_thread_gets_its_holds() {
    let thing = Thing::new();
    // SAFETY: the child uses nothing but this thread's own state and ends by _exit.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
            let mut hold = Hold::EMPTY;
            for _ in 0..20 {
                if !thing.acquire(&mut hold) {
                    libc::_exit(1);
                }
                thing.release(&mut hold);
            }
            libc::_exit(0);
        }
        let mut status = 0;
        let mut steps = 0_u64;
        loop {
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            if libc::WIFEXITED(status) {
                break;
            }
            assert!(libc::WIFSTOPPED(status), "ended by signal {}", libc::WTERMSIG(status));
            steps += 1;
            if steps == 2_000_000 {
                libc::kill(child, libc::SIGKILL);
                panic!("two million steps and no end: retries are not bounded");
            }
            assert_eq!(libc::ptrace(libc::PTRACE_SINGLESTEP, child, 0, 0), 0);
        }
        assert_eq!(libc::WEXITSTATUS(status), 0);
        eprintln!("{steps} steps for 20 pairs");
    }
    thing.end();
}
