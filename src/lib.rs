// SPDX-License-Identifier: MIT OR Apache-2.0
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(loom, allow(dead_code, reason = "models have no regions, no placement and no time"))]

mod diag;
pub mod gate;
#[cfg_attr(loom, path = "kmutex/model.rs")]
pub mod kmutex;
pub mod localcount;
pub mod objpool;
mod park;
#[doc(hidden)]
pub mod percpu;
pub mod pserialize;
pub mod psref;
mod stable;
#[macro_use]
mod sys;
mod thread;
pub mod topology;
mod watchdog;
mod xcall;

pub use gate::{Closed, Gate, Pass, Refusal};
pub use localcount::{CountGuard, LocalCount};
pub use objpool::{ObjPool, Pooled};
pub use park::{Draining, GaveUp, Patience};
pub use pserialize::{InReadSection, Pserialize, ReadSection};
pub use psref::{Class, Guard, Misuse, Target};
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

/// Which CPU lies on which NUMA node, as memory is placed by. May sleep the first time.
///
/// ```
/// println!("CPU 0: nodes {:?}", psref::topology().nodes_near(0));
/// ```
pub fn topology() -> &'static topology::Topology {
    percpu::runtime::get().topology()
}
