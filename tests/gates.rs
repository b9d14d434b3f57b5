// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device gates: who passes, who waits and how, what ends a wait, and what the owner can rely on.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;

use asleep::{alone, cpu_time, handle, pass, signal, sleeps, tid};
use common::{hooks, until};
use counting::{Device, every_way, long, no_time, short};
use psref::{Errno, Gate, GaveUp, Pass, Patience, Refusal, inject};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// A thread that comes to a gate; here once it sleeps there.
fn late_comer<'s, 'e>(
    scope: &'s Scope<'s, 'e>,
    gate: &'e Gate,
    patience: Patience,
) -> (i32, ScopedJoinHandle<'s, Option<Refusal>>) {
    let (tells, told) = channel();
    let late = scope.spawn(move || {
        tells.send(tid()).unwrap();
        gate.acquire(patience).err()
    });
    let tid = told.recv().unwrap();
    until("the late-comer to sleep", || sleeps(tid) || late.is_finished());
    (tid, late)
}

#[test]
fn an_open_gate_is_passed_by_everybody() {
    let _hooks = hooks();
    every_way(|way| {
        let gate = Gate::new().unwrap();
        let passes: Vec<Pass> =
            (0..100).map(|i| if i % 2 == 0 { gate.enter() } else { gate.acquire(no_time()).unwrap() }).collect();
        std::thread::scope(|scope| {
            scope.spawn(|| drop(passes)); // entered here, left there
        });
        let closed = gate.close("test").unwrap();
        assert_eq!(closed.seal_within(no_time()), Ok(()), "{way}: everybody has left");
    });
}

#[test]
fn a_seal_waits_for_each_that_is_inside() {
    let _hooks = hooks();
    every_way(|way| {
        let gate = Gate::new().unwrap();
        let (first, second) = (gate.enter(), gate.acquire(no_time()).unwrap());
        let closed = gate.close("test").unwrap();
        let third = gate.enter(); // as handlers do
        assert_eq!(closed.seal_within(short()), Err(GaveUp::TimedOut), "{way}");
        let fourth = gate.enter();
        for pass in [first, second, third, fourth] {
            assert_eq!(gate.wait_within(no_time()), Err(GaveUp::TimedOut), "{way}");
            std::thread::scope(|scope| {
                scope.spawn(|| drop(pass));
            });
        }
        assert_eq!(gate.wait_within(no_time()), Ok(()), "{way}: everybody has left");
    });
}

#[test]
fn late_comers_sleep_until_the_seal_turns_them_away() {
    let _hooks = hooks();
    every_way(|way| {
        let gate = Gate::new().unwrap();
        let closed = gate.close("test").unwrap();
        std::thread::scope(|scope| {
            let late: Vec<_> = (0..4).map(|_| late_comer(scope, &gate, long()).1).collect();
            pass(Duration::from_millis(10));
            assert!(late.iter().all(|one| !one.is_finished()), "{way}: passed a closed gate");
            assert_eq!(closed.seal_within(long()), Ok(()), "{way}: a late-comer sleeps on");
            late.into_iter().for_each(|one| assert_eq!(one.join().unwrap(), Some(Refusal::Sealed), "{way}"));
        });
        assert_eq!(gate.acquire(Patience::FOREVER).unwrap_err(), Refusal::Sealed, "{way}: a sealed gate");
        assert_eq!(gate.wait_within(no_time()), Ok(()), "{way}: they are not inside any more");
    });
}

#[test]
fn waiting_at_a_gate_costs_no_cpu_time() {
    let _hooks = hooks();
    let gate = Gate::new().unwrap();
    let closed = gate.close("test").unwrap();
    std::thread::scope(|scope| {
        let (tells, told) = channel();
        let gate = &gate;
        let late = scope.spawn(move || {
            tells.send(tid()).unwrap();
            let before = cpu_time();
            let _ = gate.acquire(long());
            cpu_time() - before
        });
        let tid = told.recv().unwrap();
        until("the late-comer to sleep", || sleeps(tid));
        pass(Duration::from_millis(300));
        closed.seal();
        let cost = late.join().unwrap();
        assert!(cost < Duration::from_millis(30), "300 ms at the gate cost {cost:?}");
    });
}

#[test]
fn waiting_for_the_last_exit_costs_no_cpu_time() {
    let _hooks = hooks();
    let gate = Gate::new().unwrap();
    let inside = gate.enter();
    let closed = gate.close("test").unwrap();
    std::thread::scope(|scope| {
        let (tells, told) = channel();
        let sealer = scope.spawn(move || {
            tells.send(tid()).unwrap();
            let before = cpu_time();
            closed.seal();
            cpu_time() - before
        });
        let tid = told.recv().unwrap();
        until("the sealer to sleep", || sleeps(tid));
        pass(Duration::from_millis(300));
        drop(inside);
        let cost = sealer.join().unwrap();
        assert!(cost < Duration::from_millis(30), "300 ms of sealing cost {cost:?}");
    });
}

extern "C" fn nothing(_: i32) {}

#[test]
fn a_signal_ends_an_interruptible_wait_even_with_sa_restart_and_no_other() {
    let _hooks = hooks();
    handle(libc::SIGUSR1, nothing);
    every_way(|way| {
        let gate = Gate::new().unwrap();
        let closed = gate.close("test").unwrap();
        std::thread::scope(|scope| {
            let (stubborn, stays) = late_comer(scope, &gate, long());
            // For ever: the kernel restarts waits without limit by itself.
            let (polite, goes) = late_comer(scope, &gate, Patience::FOREVER.or_signal());
            until("the signal to end the wait", || {
                signal(stubborn, libc::SIGUSR1);
                signal(polite, libc::SIGUSR1);
                pass(Duration::from_millis(1));
                goes.is_finished()
            });
            assert_eq!(goes.join().unwrap(), Some(Refusal::GaveUp(GaveUp::Interrupted)), "{way}");
            assert!(!stays.is_finished(), "{way}: a signal ended a wait that no signal may end");
            assert_eq!(closed.seal_within(long()), Ok(()), "{way}: who gave up is counted still");
            assert_eq!(stays.join().unwrap(), Some(Refusal::Sealed), "{way}");
        });
    });
}

#[test]
fn a_wait_with_a_limit_ends_in_time() {
    let _hooks = hooks();
    every_way(|way| {
        let gate = Gate::new().unwrap();
        let closed = gate.close("test").unwrap();
        let began = std::time::Instant::now();
        assert_eq!(gate.acquire(short()).unwrap_err(), Refusal::GaveUp(GaveUp::TimedOut), "{way}");
        assert!(began.elapsed() >= Duration::from_millis(20), "{way}: gave up early");
        assert_eq!(closed.seal_within(no_time()), Ok(()), "{way}: who gave up is counted still");
    });
}

#[test]
fn a_second_closer_waits_for_the_first_ones_seal_and_is_refused() {
    let _hooks = hooks();
    every_way(|way| {
        let gate = Gate::new().unwrap();
        let closed = gate.close("first").unwrap();
        std::thread::scope(|scope| {
            let (tells, told) = channel();
            let gate = &gate;
            let second = scope.spawn(move || {
                tells.send(tid()).unwrap();
                gate.close("second").map(drop).unwrap_err()
            });
            let tid = told.recv().unwrap();
            until("the second closer to sleep", || sleeps(tid) || second.is_finished());
            assert!(!second.is_finished(), "{way}: closed, and another's close has returned before its seal");
            assert_eq!(closed.seal_within(long()), Ok(()), "{way}");
            assert_eq!(second.join().unwrap(), Refusal::Sealed, "{way}");
        });
        assert_eq!(gate.close("third").map(drop).unwrap_err(), Refusal::Sealed, "{way}: a sealed gate");
    });
}

#[test]
fn of_those_who_close_at_once_one_does() {
    let _hooks = hooks();
    for round in 0..500 {
        let gate = Gate::new().unwrap();
        let start = std::sync::Barrier::new(3);
        let won = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let inside = gate.enter();
                    start.wait();
                    drop(inside);
                    match gate.close("race") {
                        Ok(closed) => {
                            won.fetch_add(1, SeqCst);
                            assert_eq!(closed.seal_within(long()), Ok(()), "round {round}");
                        }
                        Err(refusal) => assert_eq!(refusal, Refusal::Sealed, "round {round}"),
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), 1, "round {round}");
    }
}

#[test]
fn a_closed_gate_that_is_dropped_is_sealed_and_waits_for_nobody() {
    let _hooks = hooks();
    every_way(|way| {
        let gate = Gate::new().unwrap();
        let inside = gate.enter();
        let closed = gate.close("test").unwrap();
        std::thread::scope(|scope| {
            let (_, late) = late_comer(scope, &gate, long());
            drop(closed);
            assert_eq!(late.join().unwrap(), Some(Refusal::Sealed), "{way}");
        });
        assert_eq!(gate.wait_within(short()), Err(GaveUp::TimedOut), "{way}");
        drop(inside);
        assert_eq!(gate.wait_within(long()), Ok(()), "{way}");
    });
}

/// What a forgotten pass leaves in the cells is nobody's who gets their memory next.
#[test]
fn a_gate_with_a_forgotten_pass_can_be_dropped_and_leaves_clean_cells() {
    let _hooks = hooks();
    every_way(|way| {
        for _ in 0..200 {
            let gate = Gate::new().unwrap();
            std::mem::forget(gate.enter());
            drop(gate);
            let gate = Gate::new().unwrap();
            std::mem::forget(gate.enter());
            let closed = gate.close("test").unwrap();
            std::mem::forget(gate.enter());
            assert_eq!(closed.seal_within(no_time()), Err(GaveUp::TimedOut), "{way}");
            drop(gate);
            let device = Device::new();
            assert!(device.cells().iter().all(|&cell| cell == 0), "{way}: {:?}", device.cells());
            let closed = device.close();
            assert_eq!(device.seal_within(closed, no_time()), Ok(()), "{way}: nobody has entered this one");
            device.end();
        }
    });
}

#[test]
fn a_gate_can_be_dropped_in_every_state() {
    let _hooks = hooks();
    drop(Gate::new().unwrap());
    let gate = Gate::new().unwrap();
    drop(gate.close("test").unwrap());
    drop(gate);
    let gate = Gate::new().unwrap();
    gate.close("test").unwrap().seal();
    drop(gate);
    let gate = Gate::new().unwrap();
    std::mem::forget(gate.close("test").unwrap());
    drop(gate);
}

#[test]
fn waiting_for_the_end_of_a_gate_that_was_not_sealed_is_a_bug_of_the_caller() {
    let _hooks = hooks();
    let gate = Gate::new().unwrap();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gate.wait_within(no_time()))).is_err());
    let closed = gate.close("not sealed").unwrap();
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| gate.wait_within(no_time()))).is_err());
    closed.seal();
}

#[test]
fn closing_takes_one_membarrier_and_sealing_none() {
    let _hooks = hooks();
    if !common::backend_is_rseq() {
        return;
    }
    let gate = Gate::new().unwrap();
    let inside = gate.enter();
    let before = inject::barriers();
    let closed = gate.close("test").unwrap();
    assert_eq!(inject::barriers() - before, 1);
    assert!(closed.seal_within(short()).is_err());
    drop(inside);
    assert_eq!(gate.wait_within(long()), Ok(()));
    drop(gate);
    assert_eq!(inject::barriers() - before, 1);
}

#[test]
fn without_memory_a_gate_is_refused_and_one_that_is_stays_open() {
    let _hooks = hooks();
    let gate = Gate::new().unwrap();
    inject::refuse_memory(true);
    // What earlier gates left free is used up first.
    let mut made = Vec::new();
    let refused = loop {
        match Gate::new() {
            Ok(gate) => made.push(gate),
            Err(e) => break e,
        }
        assert!(made.len() < 1_000_000, "memory is refused, and gates go on");
    };
    assert_eq!(refused, Errno(libc::ENOMEM));
    let mut closed = Vec::new();
    let refused = loop {
        match made[closed.len()].close("test") {
            Ok(one) => closed.push(one),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refused, Refusal::NoMemory(Errno(libc::ENOMEM)));
    assert_eq!(made[closed.len()].acquire(no_time()).err(), None, "a gate that was not closed is open");
    inject::refuse_memory(false);
    drop(closed);
    drop(gate.acquire(no_time()).unwrap());
    gate.close("test").unwrap().seal();
}

#[test]
fn a_gate_that_another_seals_is_sealed_for_its_closer_too() {
    let _hooks = hooks();
    every_way(|way| {
        let gate = Gate::new().unwrap();
        let inside = gate.enter();
        let (dropped, sealed) = (gate.close("test").unwrap(), Gate::new().unwrap());
        assert_eq!(gate.seal_within(no_time()), Ok(Err(GaveUp::TimedOut)), "{way}");
        drop(dropped);
        drop(inside);
        let closed = sealed.close("test").unwrap();
        assert_eq!(sealed.seal_within(no_time()), Ok(Ok(())), "{way}");
        assert_eq!(closed.seal_within(no_time()), Ok(()), "{way}");
    });
}

const CHILD: &str = "PSREF_TEST_GATES_CHILD";

/// Run as a child of the test below.
#[test]
fn slow_seal() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let gate = Gate::new().unwrap();
    let inside = gate.enter();
    let closed = gate.close("detaching disk").unwrap();
    assert!(closed.seal_within(Patience::at_most(Duration::from_millis(400))).is_err());
    drop(inside);
    assert_eq!(gate.wait_within(long()), Ok(()));
}

#[test]
fn a_slow_seal_tells_which_gate_and_how_many_are_inside() {
    let run = alone("slow_seal", &[(CHILD, "1"), ("PSREF_DRAIN_WARN", "0.1")]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains("(\"detaching disk\") has waited 0 s for 1 inside"), "{said}");
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
