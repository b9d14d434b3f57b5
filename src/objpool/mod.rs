// SPDX-License-Identifier: MIT OR Apache-2.0
//! Object pools: a fixed stock of objects where malloc is too slow or forbidden. Two per-CPU stores to take one and give it back.
//!
//! Each CPU has a small *magazine*, last in, first out, which its sections push to and pop from, and a *depot*, a lock-free stack.
//! What overflows goes to the depots of the objects' home CPUs; whose magazine is empty takes a batch from its own depot, then
//! from others', near ones first; and where only other CPUs' magazines show objects, they are recalled: opened for everybody.
//!
//! B1. An object is in one place: a magazine, a depot, or somebody's hands; what a thread takes out of one to put into the other
//!     is in its hands meanwhile, half a magazine at most and what bulk calls move.
//! B2. Only objects of the pool get into it: every push looks whether the address is one (see [`layout`]).
//! B3. NULL is answered only after every depot and magazine was looked at, each at some moment of the call.
//!
//! Source of the interface: Linux's `<linux/objpool.h>`. Its ring is only right with interrupts off.

mod block;
mod bytes;
mod depot;
pub mod entry;
mod face;
mod layout;
mod life;
#[cfg(all(test, loom))]
mod loom_tests;
mod misuse;
mod near;
mod placed;
mod pop;
mod push;
pub mod raw;
mod state;
#[cfg(not(loom))]
pub(crate) mod stats;
mod strict;

pub use bytes::{Bytes, Piece};
pub use face::{ObjPool, Pooled};
pub use misuse::Misuse;
pub use raw::Statistics;
