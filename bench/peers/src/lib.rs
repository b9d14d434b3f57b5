// SPDX-License-Identifier: MIT OR Apache-2.0
//! What Rust programs would use instead, behind functions that C calls: a crate or two a file. What a thread of a Rust program would keep
//! in its stack frame lies in the caller's: a [`MaybeUninit`](std::mem::MaybeUninit) that a C structure of as many pointers has room for.

mod arcs;
mod epoch;
mod hazards;
mod pools;
mod seizing;
mod slab;
mod stock;

/// Whether a C structure of so many pointers has room for a `T`.
const fn fits<T>(pointers: usize) -> bool {
    size_of::<T>() <= pointers * size_of::<usize>() && align_of::<T>() <= align_of::<usize>()
}
