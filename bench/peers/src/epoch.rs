// SPDX-License-Identifier: MIT OR Apache-2.0
//! crossbeam-epoch behind functions that C calls.

use crossbeam_epoch::{Guard, pin};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

// The caller's `struct guard` has room for two pointers.
const _: () = assert!(crate::fits::<Guard>(2));

/// Pins the thread.
#[unsafe(no_mangle)]
pub extern "C" fn bench_crossbeam_pin(guard: &mut MaybeUninit<Guard>) {
    guard.write(pin());
}

/// Drops the guard.
///
/// # Safety
/// [`bench_crossbeam_pin`] wrote it in this thread, and it was not dropped since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_crossbeam_unpin(guard: &mut MaybeUninit<Guard>) {
    // SAFETY: the caller's promise.
    unsafe { guard.assume_init_drop() }
}

/// Returns when what is deferred now has been called, which is after everybody who is pinned now has left. The crate has no such
/// function: it collects while others pin. The CPU is left to them meanwhile.
#[unsafe(no_mangle)]
pub extern "C" fn bench_crossbeam_synchronize() {
    let done = Arc::new(AtomicBool::new(false));
    let told = done.clone();
    {
        let guard = pin();
        guard.defer(move || told.store(true, Ordering::Release));
        guard.flush();
    }
    while !done.load(Ordering::Acquire) {
        pin().flush();
        if !done.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }
}
