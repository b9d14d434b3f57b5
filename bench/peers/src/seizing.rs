// SPDX-License-Identifier: MIT OR Apache-2.0
//! seize: guards that keep everything.

use seize::{Collector, Guard, LocalGuard};
use std::mem::MaybeUninit;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

static COLLECTOR: LazyLock<Collector> = LazyLock::new(Collector::new);

// The caller's `struct seized`.
const _: () = assert!(crate::fits::<LocalGuard<'static>>(5));

/// The collector.
#[unsafe(no_mangle)]
pub extern "C" fn bench_seize() -> &'static Collector {
    &COLLECTOR
}

/// Enters.
#[unsafe(no_mangle)]
pub extern "C" fn bench_seize_enter(collector: &'static Collector, guard: &mut MaybeUninit<LocalGuard<'static>>) {
    guard.write(collector.enter());
}

/// Leaves.
///
/// # Safety
/// [`bench_seize_enter`] wrote it in this thread, and it was not dropped since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bench_seize_leave(guard: &mut MaybeUninit<LocalGuard<'static>>) {
    // SAFETY: the caller's promise.
    unsafe { guard.assume_init_drop() }
}

static FREED: AtomicBool = AtomicBool::new(false);

/// The first of [`bench_seize_reclaim`].
unsafe fn tell(object: *mut u64, _: &Collector) {
    // SAFETY: a box since it was made; the collector gives it to one caller, once.
    drop(unsafe { Box::from_raw(object) });
    FREED.store(true, Ordering::Release);
}

unsafe fn free(object: *mut u64, _: &Collector) {
    // SAFETY: as in `tell`.
    drop(unsafe { Box::from_raw(object) });
}

/// Retires an object, and returns when it was freed, which is after everybody who is inside now has left. A batch moves on when it has
/// as many objects as threads are active, so more follow the first until it does. One thread at a time.
#[unsafe(no_mangle)]
pub extern "C" fn bench_seize_reclaim() {
    FREED.store(false, Ordering::Relaxed);
    let object = || Box::into_raw(Box::new(0));
    // SAFETY: fresh, so nobody has a reference; the same for those below.
    unsafe { COLLECTOR.retire(object(), tell) };
    COLLECTOR.enter().flush();
    while !FREED.load(Ordering::Acquire) {
        std::thread::yield_now();
        // SAFETY: as above.
        unsafe { COLLECTOR.retire(object(), free) };
        COLLECTOR.enter().flush();
    }
}
