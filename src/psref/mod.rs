// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passive references: hold one of many objects for a while. One per-CPU store to acquire, one store to release; whoever
//! destroys pays with an interrupt on every CPU and a look at all slots of the class.
//!
//! To hold for long, or to hand holds from thread to thread all the time, count instead (localcount); to hold nothing and
//! only look, use a read section (pserialize).
//!
//! P1. A slot that holds a target's address belongs to one live hold; only that hold's release clears it (L1).
//! P2. A claim is guarded by the target's draining flag, so no hold of a target begins after the membarrier that follows
//!     the flag; except by [`copy`](raw::copy) of a hold that exists, which moves the class's copy sequence before it
//!     returns (R18).
//! P3. A release looks at the class's waiter word after its store, and touches nothing of the target then (R4). Classes
//!     are type-stable.
//! P4. A drain raises the waiter word only after a scan that found a holder; a membarrier stands between the raising and
//!     the next scan. So a release either is seen by that scan or sees the word.
//! P5. What a drain sleeps on is read before the scan (R3).
//!
//! Source of the interface: NetBSD's psref(9), both the draft of 2016 (`psref_acquire` answers, `psref_target_drain`) and
//! today's.

mod class;
mod drain;
pub mod entry;
pub(crate) mod face;
mod fork;
mod hold;
mod holders;
#[cfg(all(test, loom))]
mod loom_tests;
mod many;
mod misuse;
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
mod plain;
pub mod raw;
pub(crate) mod retired;
mod state;
pub(crate) mod stats;
mod strict;
mod waiters;
mod watch;

pub use face::{Class, Guard, Target};
pub use holders::Holder;
pub use misuse::Misuse;
