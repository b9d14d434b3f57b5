// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pop may recall a magazine, in a signal handler too, and where membarrier was refused late the walk over the CPUs stands in for
//! it: then the walk runs in the handler, which may have interrupted malloc (R13).
#![cfg(feature = "inject")]

mod common;

use common::hooks;
use psref::inject::{self, Barrier};
use psref::localcount::raw;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: the system's allocator; counting is on the side.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn the_walk_over_the_cpus_allocates_nothing() {
    let _hooks = hooks();
    if !common::backend_is_rseq() {
        return;
    }
    // SAFETY: zeroed, nobody else's, and used as localcount(9) says.
    unsafe {
        let mut count: Box<raw::LocalCountState> = Box::new(std::mem::zeroed());
        raw::init(&raw mut *count).unwrap();
        inject::set_barrier(Barrier::Refused);
        let (before, barriers) = (ALLOCATIONS.get(), inject::barriers());
        let drained = raw::trydrain(&raw const *count);
        let (after, asked) = (ALLOCATIONS.get(), inject::barriers());
        assert!(drained && asked > barriers, "nobody holds it, and a membarrier is asked for");
        assert_eq!(after, before, "allocations of a walk");
        raw::fini(&raw const *count);
    }
}
