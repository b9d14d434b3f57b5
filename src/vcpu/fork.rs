// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of virtual CPUs in a forked child: the one thread that came along keeps its own, the others are free.

use super::state;
use crate::sys::sync::Ordering;
use crate::thread;

static IN_CHILD: fn(u64) = in_child;

/// Before there are any.
#[cfg(not(loom))]
pub(super) fn see_to_it() {
    thread::on_fork(&IN_CHILD);
    // Where there is no memory for it, the registration at the library's loading has to do.
    let _ = thread::prepare();
}

fn in_child(me: u64) {
    let Some(all) = state::if_any() else { return };
    all.iter().for_each(|vcpu| vcpu.keep_for(me));
    // A handler that forks may have interrupted a wait: that one goes on, and is counted.
    let waits = thread::record_if_any().map_or(0, |record| record.kernel.waits.load(Ordering::Relaxed));
    all.waiters.store(waits, Ordering::SeqCst);
    all.moved.advance_and_wake_all();
}
