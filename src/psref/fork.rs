// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a forked child does first: the holds of threads that did not come along end, so that the child can drain what its
//! own thread may drain (R15). One thread, nothing allocated.

use super::state::CLASSES;
use super::{stats, watch};
use crate::percpu::slots::TOMBSTONE;
use crate::sys::atomic::BUSY;
use crate::sys::sync::Ordering;

/// For `thread::on_fork`.
pub(crate) static IN_CHILD: fn(u64) = in_child;

/// `me`: the number of the thread that came along. The memory is as it was at one moment of the parent. A section that was in
/// flight there has committed or not; a claim by compare-and-swap that was under way (BUSY) shows its slot's last holder still; if
/// it is this very thread's, whose signal handler forked, its next store makes a hold of the tombstone. A class that another
/// thread was destroying stays CLOSING.
pub(crate) fn in_child(me: u64) {
    stats::in_child();
    for class in CLASSES.iter().filter(|class| class.is_live()) {
        watch::in_child(class);
        if class.waiters.any() {
            // This very thread may be the one that drains: about to sleep on what it read before the holders vanished.
            class.waiters.clear();
            class.moved.advance_and_wake_all();
        }
        for (_, slot) in class.slots() {
            let target = slot.target.load(Ordering::Relaxed);
            if target != 0 && (target == BUSY || me == 0 || slot.holder.load(Ordering::Relaxed) != me) {
                slot.target.store(TOMBSTONE, Ordering::Relaxed);
            }
        }
    }
}
