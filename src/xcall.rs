// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cross-call of whoever destroys: when it returns, every section that was in flight on any CPU has been restarted, and
//! every store made before the call is visible there. So a flag that a section tests before its commit is seen by every
//! section that commits after it. Costs an interrupt on every CPU where the process runs.

use crate::percpu::runtime;
use crate::sys::backend::Backend;
use crate::sys::errno::Errno;
use crate::sys::process::uncancelled;
use crate::sys::sync::{Ordering, fence};
use crate::sys::{affinity, membarrier};
use std::sync::atomic::AtomicU64;

static MADE: AtomicU64 = AtomicU64::new(0);

/// How many there were, for people.
pub(crate) fn made() -> u64 {
    MADE.load(std::sync::atomic::Ordering::Relaxed)
}

/// Interrupts every CPU once. Where the back end is atomic there are no sections, and the accesses on both sides are
/// SeqCst; the fence is for code that shares this path with the sections'.
pub(crate) fn restart_sections() {
    MADE.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    if runtime::get().backend() == Backend::Atomic {
        fence(Ordering::SeqCst);
        return;
    }
    // R10: the answer counts at every call: a filter installed late refuses what worked before.
    if let Err(refused) = membarrier::restart_all() {
        restart_by_visits(refused);
    }
}

/// Where membarrier was refused: apart, for it takes pages of stack.
#[cold]
fn restart_by_visits(refused: Errno) {
    if let Err(unreachable) = uncancelled(affinity::walk) {
        crate::diag::fatal(format_args!(
            "membarrier was refused ({refused}) after it had worked, and not every CPU could be visited instead \
             ({unreachable}): holds can no longer be told from their absence. Install seccomp filters before the first use of \
             psref, or set PSREF_BACKEND=atomic"
        ));
    }
}
