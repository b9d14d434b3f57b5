// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt handlers pass a gate in every state: they neither wait nor fail, and are counted.
#![cfg(feature = "inject")]

#[path = "common/asleep.rs"]
mod asleep;
mod common;
#[path = "common/counting.rs"]
mod counting;

use asleep::{handle, signal, sleeps, tid};
use common::{hooks, until};
use counting::{Device, Raise, every_way, long, short};
use psref::gate::raw::{self, DeviceState};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, Ordering::SeqCst};

static DEVICE: AtomicPtr<DeviceState> = AtomicPtr::new(std::ptr::null_mut());
static INSIDE: AtomicI32 = AtomicI32::new(0);
static LEAVE: AtomicBool = AtomicBool::new(false);

/// An interrupt handler: enters whatever state the gate is in, stays a while.
extern "C" fn interrupt(_: i32) {
    let device = DEVICE.load(SeqCst).cast_const();
    // SAFETY: the device is there as long as the handler is hooked up.
    unsafe { raw::enter(device) };
    INSIDE.fetch_add(1, SeqCst);
    while !LEAVE.load(SeqCst) {
        std::hint::spin_loop();
    }
    INSIDE.fetch_sub(1, SeqCst);
    // SAFETY: inside.
    unsafe { raw::exit(device) };
}

#[test]
fn handlers_pass_a_closed_gate_and_the_seal_waits_for_them() {
    let _hooks = hooks();
    handle(libc::SIGUSR2, interrupt);
    every_way(|way| {
        let device = Device::new();
        DEVICE.store(device.at().cast_mut(), SeqCst);
        LEAVE.store(false, SeqCst);
        let (asleep, over) = (AtomicI32::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let late = scope.spawn(|| {
                asleep.store(tid(), SeqCst);
                until("the gate to be closed", || over.load(SeqCst));
                device.acquire()
            });
            until("the thread", || asleep.load(SeqCst) != 0);
            let closed = device.close();
            over.store(true, SeqCst);
            until("the late-comer to sleep", || sleeps(asleep.load(SeqCst)));
            // The handler interrupts a thread that sleeps at this very gate.
            signal(asleep.load(SeqCst), libc::SIGUSR2);
            until("the handler to be inside the closed gate", || INSIDE.load(SeqCst) == 1);
            assert!(device.seal_within(closed, short()).is_err(), "{way}: sealed, and a handler is inside");
            LEAVE.store(true, SeqCst);
            assert_eq!(device.wait_within(long()), Ok(()), "{way}: the handler has left");
            assert!(!late.join().unwrap(), "{way}: passed a closed gate");
        });
        device.end();
    });
}

#[test]
fn handlers_pass_all_the_time_while_gates_come_and_go() {
    static CURRENT: AtomicPtr<DeviceState> = AtomicPtr::new(std::ptr::null_mut());
    static PASSED: AtomicU32 = AtomicU32::new(0);
    extern "C" fn passes(_: i32) {
        let device = CURRENT.load(SeqCst).cast_const();
        if !device.is_null() {
            // SAFETY: unhooked, and handlers of that thread over, before the device goes.
            unsafe {
                raw::enter(device);
                PASSED.fetch_add(1, SeqCst);
                raw::exit(device);
            }
        }
    }
    let _hooks = hooks();
    handle(libc::SIGUSR1, passes);
    let over = AtomicBool::new(false);
    let me = tid();
    std::thread::scope(|scope| {
        let at_the_end = Raise(&over);
        scope.spawn(|| {
            while !over.load(SeqCst) {
                signal(me, libc::SIGUSR1);
                std::thread::yield_now();
            }
        });
        let enough = || PASSED.load(SeqCst) > 300;
        for round in 0.. {
            if enough() && round > 100 {
                break;
            }
            let device = Device::new();
            CURRENT.store(device.at().cast_mut(), SeqCst);
            for _ in 0..50 {
                device.enter();
                device.exit();
            }
            let closed = device.close();
            CURRENT.store(std::ptr::null_mut(), SeqCst); // unhook: the handler runs on this very thread
            assert_eq!(device.seal_within(closed, long()), Ok(()), "round {round}: a pass was lost");
            device.end();
        }
        drop(at_the_end);
    });
}

#[test]
fn all_of_it_holds_on_the_atomics_back_end() {
    asleep::again_with_atomics("all_of_it_holds_on_the_atomics_back_end");
}

#[test]
fn the_back_end_is_what_was_asked_for() {
    asleep::the_back_end_is_what_was_asked_for();
}
