// SPDX-License-Identifier: MIT OR Apache-2.0
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(loom, allow(dead_code, reason = "models have no regions, no placement and no time"))]

mod diag;
pub mod gate;
#[cfg_attr(loom, path = "kmutex/model.rs")]
pub mod kmutex;
#[cfg(not(loom))]
#[doc(hidden)]
pub mod kpercpu;
#[cfg(not(loom))]
#[doc(hidden)]
pub mod kxcall;
pub mod localcount;
#[doc(hidden)]
pub mod lwp;
pub mod objpool;
mod park;
#[doc(hidden)]
pub mod percpu;
pub mod pserialize;
pub mod psref;
pub mod retire;
mod sort;
mod stable;
#[cfg(not(loom))]
pub mod stats;
mod strict;
#[cfg_attr(any(loom, miri), allow(dead_code))]
mod symbol;
#[macro_use]
mod sys;
mod tally;
mod thread;
pub mod topology;
#[doc(hidden)]
pub mod vcpu;
mod watchdog;
mod xcall;

pub use gate::{Closed, Gate, OwnedPass, Pass, Refusal};
pub use localcount::{CountGuard, LocalCount};
pub use objpool::{ObjPool, Pooled};
pub use park::{Draining, GaveUp, Patience};
pub use pserialize::{InReadSection, Pserialize, ReadSection};
pub use psref::{Class, Guard, Holder, Misuse, Target};
pub use retire::{NotRetired, defer};
pub use sys::backend::Backend;
pub use sys::errno::Errno;

#[cfg(feature = "inject")]
#[doc(hidden)]
pub use sys::inject;

/// The back end of this process: chosen at first use, never revised. May sleep the first time.
///
/// ```
/// assert!(["rseq", "atomic"].contains(&psref::backend().name()));
/// ```
pub fn backend() -> Backend {
    percpu::runtime::get().backend()
}

/// Why [`backend`] is not [`Backend::Rseq`], where it is not.
pub fn why_not_rseq() -> Option<&'static str> {
    percpu::runtime::get().why_not_rseq()
}

/// Turns strict mode on or off for the classes, counts and pools that are made from now on, whatever `PSREF_STRICT` in the
/// environment says: where each hold was acquired and since when is remembered, misuse that could not be noticed is, and C's classes
/// hold their users to all the rules of NetBSD's psref(9). Every acquire and release of theirs takes the slow path.
///
/// Of Rust's own classes the rules about threads and CPUs are not demanded: a guard may be sent and dropped wherever the type
/// system lets it.
///
/// ```
/// psref::set_strict(true);
/// let class = psref::Class::new("route")?;
/// let target = psref::Target::new(&class, "10.0.0.1");
/// let guard = target.acquire()?;
/// assert!(target.holders()[0].acquired_at.is_some());
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_strict(on: bool) {
    strict::set(on);
}

/// For languages whose misuse raises: what may sleep does not end the program inside a read section, and they ask
/// [`sleeps_inside_section`].
#[doc(hidden)]
pub fn leave_sleeping_to_callers() {
    strict::leave_sleeping_to_callers();
}

/// Whether strict mode is on and the calling thread is inside a read section: what may sleep is misuse here.
#[doc(hidden)]
pub fn sleeps_inside_section() -> bool {
    strict::sleeps_inside()
}

/// The kernel's id of the calling thread, as reports name it.
pub fn thread_id() -> u32 {
    sys::process::thread_id()
}

/// Called by every thread that used this library, before the code that it was used from is unloaded: else the thread dies the next
/// time it is scheduled, for the kernel would look up the last section that the thread was in. Modules that contain sections,
/// every Rust `cdylib` among them, are better linked with `-z nodelete`. May be called in signal handlers; never sleeps.
#[doc(alias = "psref_prepare_unload")]
#[cfg(not(loom))]
pub fn prepare_unload() {
    sys::tls::forget_section();
}

/// Which CPU lies on which NUMA node, as memory is placed by. May sleep the first time.
///
/// ```
/// println!("CPU 0: nodes {:?}", psref::topology().nodes_near(0));
/// ```
pub fn topology() -> &'static topology::Topology {
    percpu::runtime::get().topology()
}
