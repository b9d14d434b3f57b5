// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of retired things in a forked child. They are the child's too: its memory is a copy of all of them,
//! its own thread may have retired them (R15), and holds of threads that did not come along are no more. The helper
//! starts again on use. A function that another thread was in is not called again. One thread, nothing allocated.

use super::entry::{ENTRIES, FREE, QUEUED};
use super::helper::{NONE, POLLED};
use super::state::{ALL, State};
use crate::psref::retired::{self, ATTENTION};
use crate::sys::sync::Ordering;
use crate::thread;
use std::ptr;

static IN_CHILD: fn(u64) = in_child;

/// Before there is anything.
pub(super) fn see_to_it() {
    thread::on_fork(&IN_CHILD);
    // Where there is no memory for it, the registration at the library's loading has to do.
    let _ = thread::prepare();
}

/// Everything goes back into the queue: whatever lists it was in, some thread may have been about to change them. If
/// it is this very thread, in a function that forked, it finds that out (`drive::Forked`).
fn in_child(me: u64) {
    let all: &State = &ALL;
    // Relaxed, all of these: there is one thread.
    for list in [&all.queue, &all.batch, &all.held] {
        list.store(ptr::null_mut(), Ordering::Relaxed);
    }
    all.holding.store(0, Ordering::Relaxed);
    retired::forget_all();
    let mut outstanding = 0;
    for entry in ENTRIES.iter() {
        match entry.state.load(Ordering::Relaxed) {
            FREE => continue,
            QUEUED => {
                if let Some(class) = entry.class() {
                    retired::count(class);
                }
            }
            // Ended, or about to be, and nobody holds it: what is left is the function.
            _ => entry.class.store(ptr::null_mut(), Ordering::Relaxed),
        }
        entry.push(all);
        outstanding += 1;
    }
    all.outstanding.store(outstanding, Ordering::Relaxed);
    all.finished.store(all.taken.load(Ordering::Relaxed), Ordering::Relaxed);
    if me == 0 || all.driver.load(Ordering::Relaxed) != me {
        all.driver.store(0, Ordering::Relaxed);
    }
    let helper = all.helper.load(Ordering::Relaxed);
    if helper != POLLED && (me == 0 || all.helper_is.load(Ordering::Relaxed) != me) {
        all.helper.store(NONE, Ordering::Relaxed);
        all.helper_is.store(0, Ordering::Relaxed);
    }
    ATTENTION.moved.advance_and_wake_all();
    all.turned.advance_and_wake_all();
}
