// SPDX-License-Identifier: MIT OR Apache-2.0
//! The kernel has no more memory for us: an error comes back, nothing is half done, nothing leaks, and afterwards all works.
#![cfg(feature = "inject")]

mod common;

use common::{Thing, hooks};
use psref::psref::raw::{self, Hold};
use psref::{Errno, Misuse, inject};

fn mapped_pages() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_class_without_memory_is_enomem_and_leaks_nothing() {
    let _hooks = hooks();
    inject::refuse_memory(true);
    // What earlier classes left open is used up first.
    let mut made = Vec::new();
    let refused = loop {
        match raw::try_class_create(b"test") {
            Ok(class) => made.push(class),
            Err(e) => break e,
        }
    };
    assert_eq!(refused, Errno(libc::ENOMEM));
    let before = mapped_pages();
    for _ in 0..10_000 {
        assert_eq!(raw::try_class_create(b"test").err(), Some(Errno(libc::ENOMEM)));
    }
    assert_eq!(mapped_pages(), before);
    inject::refuse_memory(false);
    let thing = Thing::new();
    let mut hold = Hold::EMPTY;
    assert!(thing.acquire(&mut hold));
    thing.release(&mut hold);
    thing.end();
    // SAFETY: nothing is held of these.
    made.iter().for_each(|class| unsafe { raw::class_destroy(*class) });
}

#[test]
fn a_hold_without_memory_is_refused_and_those_that_are_stay() {
    let _hooks = hooks();
    let thing = Thing::new();
    // The thread's first use takes a record, without which nothing works.
    let mut first = Hold::EMPTY;
    assert!(thing.acquire(&mut first));
    thing.release(&mut first);
    inject::refuse_memory(true);
    let mut holds: Vec<Box<Hold>> = Vec::new();
    let refused = loop {
        let mut hold = Box::new(Hold::EMPTY);
        // SAFETY: the target is alive.
        match unsafe { raw::try_acquire(&raw mut *hold, &raw const *thing.target, thing.class) } {
            Ok(got) => assert!(got),
            Err(misuse) => break misuse,
        }
        holds.push(hold);
        assert!(holds.len() < 1_000_000, "memory is refused, and holds go on");
    };
    assert!(matches!(refused, Misuse::NoMemory { .. }), "{refused}");
    assert!(holds.len() >= 32);
    inject::refuse_memory(false);
    let mut one_more = Hold::EMPTY;
    assert!(thing.acquire(&mut one_more));
    thing.release(&mut one_more);
    holds.iter_mut().for_each(|hold| thing.release(hold));
    thing.end();
}
