// SPDX-License-Identifier: MIT OR Apache-2.0
//! Virtual CPUs for ported kernel code, one a possible CPU: whoever has one is alone on it, as code with preemption disabled is in
//! a kernel. A thread takes its own CPU's if that is free, else any free one, else it waits; it keeps it though the kernel preempts
//! or migrates the thread. One compare-and-swap to take, one addition to give back. A bound thread takes the one that it says it
//! runs on. New code wants sections (`percpu`), which cost no atomic instruction, or a lock.
//!
//! V1. An owner word names the thread that has the virtual CPU. Only that thread takes its number out, but for a fork.
//! V2. Who waits has counted itself in `waiters` and then read `moved` before it looks at the words (R3); who gives back takes its
//!     number out and then looks at `waiters`. So one of them sees the other.
//! V3. A word that somebody waits for in particular is not 0 when it is free: nobody else takes it by the way.
//! V4. A thread's frame that finds `held` set goes on with that virtual CPU. One that finds it not set takes one, and that very
//!     frame gives it back: a handler may interrupt a take or a giving back between any two steps. What the interrupted frame has
//!     taken already and not recorded is adopted: used, and left to that frame.
//! V5. A thread that sleeps for a mutex or a condition gives its virtual CPU up and takes the same one back, as in a kernel, where
//!     another thread runs meanwhile; a function of a cross-call does where it waits for anything in the library. So nobody who has
//!     one waits for anybody who wants one.
//!
//! Source of the interface: NetBSD's kpreempt(9), curcpu(9), cpu_index.

mod fork;
mod hold;
#[cfg(all(test, loom))]
mod loom_tests;
pub mod raw;
mod state;

#[cfg(not(loom))]
pub(crate) use hold::{asleep, in_name_of};
pub(crate) use hold::{disable, enable};
pub use state::Vcpu;
#[cfg(not(loom))]
pub(crate) use state::all;
