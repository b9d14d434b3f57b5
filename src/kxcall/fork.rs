// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of helpers and calls in a forked child. Helpers start again on use.

use super::{call, helper, softint};
use crate::thread;

static IN_CHILD: fn(u64) = in_child;

/// Before there is anything.
pub(super) fn see_to_it() {
    thread::on_fork(&IN_CHILD);
    // Where there is no memory for it, the registration at the library's loading has to do.
    let _ = thread::prepare();
}

fn in_child(me: u64) {
    let Some(helpers) = helper::if_any() else { return };
    helpers.forget_but(me);
    softint::in_child(helpers);
    call::in_child(me);
}
