// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asynchronous, batched destruction: the end of a target, or of anything that read sections may still see, without a
//! wait for it. A queue entry and a few atomic additions a thing for whoever gives it up; one membarrier for whole
//! batches, in a thread that exists only once this is used, or in calls of [`poll`].
//!
//! Whoever can wait needs none of it: dropping a [`Target`](crate::Target) (`psref_target_destroy`, for many at once
//! `psref_target_destroy_many`) and [`Pserialize::perform`](crate::Pserialize::perform) end things where they are
//! called.
//!
//! E1. An entry that is not free belongs to the queue, to the batch in hand or to the held list; the last two are
//!     changed by whoever drives, one thread at a time (`State::driver`).
//! E2. Batches are counted before they are taken out of the queue. So what was queued before somebody read the count
//!     is in one of so many batches, or in the next.
//! E3. A target's draining flag is set before its entry is queued, and a batch's grace period begins after the batch
//!     was taken: so it is one membarrier that ends claims under way (P2) and begins the wait for readers (Z2).
//! E4. What is looked at before a sleep is looked at after the word that is slept on was read (R3); news comes before
//!     the word moves.
//! E5. A function runs when its entry is free again and nothing of its class is used for it any more: it may free the
//!     target, destroy the class, retire others, and fork.
//!
//! Source of the interface: this library's own; the kernels have none for psref(9), and `call_rcu` for RCU.

mod drive;
mod entry;
mod face;
mod fork;
mod helper;
#[cfg(all(test, loom))]
mod loom_tests;
pub mod raw;
mod state;
mod wait;

pub use drive::RetireStats;
#[cfg(not(loom))]
pub(crate) use drive::stats;
pub use entry::BOUND;
pub use face::{NotRetired, barrier, barrier_within, defer, poll};
