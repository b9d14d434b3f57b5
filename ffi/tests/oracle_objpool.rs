// SPDX-License-Identifier: MIT OR Apache-2.0
//! Object pools through the C names beside the oracle: the sequences of ../../tests/objpool_oracle.rs.

#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/common/oracle/pool.rs"]
mod pool;
#[path = "../../tests/common/stock.rs"]
mod stock;
#[path = "../../tests/common/worker.rs"]
mod worker;

use psref::objpool::raw::HeadState;
use psref_ffi::objpool::*;
use std::ffi::c_int;
use stock::{Api, Object};

struct C;

impl Api for C {
    unsafe fn init(head: *mut HeadState, objects: c_int, bytes: c_int) -> c_int {
        // SAFETY: the caller's promise.
        unsafe { objpool_init(head.cast(), objects, bytes, 0, std::ptr::null_mut(), None, None) }
    }

    unsafe fn pop(head: *mut HeadState) -> Object {
        // SAFETY: the caller's promise.
        unsafe { objpool_pop(head.cast()) }
    }

    unsafe fn push(object: Object, head: *mut HeadState) -> c_int {
        // SAFETY: the caller's promise.
        unsafe { objpool_push(object, head.cast()) }
    }

    unsafe fn pop_bulk(head: *mut HeadState, objects: *mut Object, n: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe { objpool_pop_bulk(head.cast(), objects, n) }
    }

    unsafe fn push_bulk(objects: *const Object, n: usize, head: *mut HeadState) -> c_int {
        // SAFETY: the caller's promise.
        unsafe { objpool_push_bulk(objects, n, head.cast()) }
    }

    unsafe fn free(head: *mut HeadState) {
        // SAFETY: the caller's promise.
        unsafe { objpool_free(head.cast()) }
    }
}

#[test]
fn random_operations_agree_with_the_oracle() {
    pool::agree::<C>();
}

#[test]
fn every_mutant_of_the_oracle_differs() {
    pool::mutants_differ::<C>();
}
