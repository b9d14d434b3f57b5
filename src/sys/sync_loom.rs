// SPDX-License-Identifier: MIT OR Apache-2.0
//! Atomics for the loom build. loom takes a SeqCst access for AcqRel and orders SeqCst fences alone, so the Dekker pairs of the
//! atomics back end would fail in its eyes. Here every SeqCst access also touches one word that stands for the total order of
//! such accesses:
//!
//! * a write adds what its thread knows to the order, after it (release);
//! * a read takes what is in the order, before it (acquire); a read-modify-write need not, it reads the newest value anyway;
//! * a fence does both.
//!
//! So a SeqCst write and a later SeqCst read exclude each other's misses, and a pair of which either half is weaker does not:
//! leaving out any one SeqCst shows. It is coarser than the language in one point: a SeqCst read synchronises with earlier
//! SeqCst writes to *other* words, so a missing release or acquire between two SeqCst accesses can hide. Miri sees those.

use super::plant::{Access, Bug, planted};
use loom::sync::atomic as real;

pub(crate) use loom::sync::atomic::{AtomicPtr, Ordering};

loom::lazy_static! {
    static ref ORDER: real::AtomicUsize = real::AtomicUsize::new(0);
}

/// Makes the words that all threads of a model share; its first step. loom orders whoever touches a lazy static after whoever
/// made it: made by all together they order nothing.
pub(crate) fn ready() {
    catch_up();
    made::begin();
    super::tls::grace();
    super::tls::waited();
}

/// How many objects the pools of this execution have made; it orders as theirs do.
pub(crate) mod made {
    use super::{Ordering, real};
    use std::cell::Cell;

    loom::lazy_static! {
        static ref MADE: real::AtomicUsize = real::AtomicUsize::new(0);
    }

    std::thread_local! {
        // loom runs all threads of a model on the thread that asked for it.
        static EXECUTION: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn begin() {
        EXECUTION.set(EXECUTION.get() + 1);
        seen();
    }

    /// Which execution this is.
    pub(crate) fn execution() -> u64 {
        EXECUTION.get()
    }

    /// So many more; answers how many there were.
    pub(crate) fn change(more: usize) -> usize {
        MADE.fetch_add(more, Ordering::AcqRel)
    }

    pub(crate) fn seen() -> usize {
        MADE.load(Ordering::Acquire)
    }
}

/// Before a SeqCst read.
fn catch_up() {
    ORDER.fetch_add(0, Ordering::Acquire);
}

/// After a SeqCst write. The next write continues the release sequence, so nothing that was told is lost.
fn tell() {
    ORDER.fetch_add(0, Ordering::Release);
}

pub(crate) fn fence(order: Ordering) {
    if order != Ordering::SeqCst {
        return real::fence(order);
    }
    if !planted(Bug::NoFence) {
        real::fence(Ordering::SeqCst);
        ORDER.fetch_add(0, Ordering::AcqRel);
    }
}

/// Keeps a signal handler's view in order; loom has none.
pub(crate) fn compiler_fence(_: Ordering) {}

macro_rules! atomics {
    ($($name:ident: $value:ty),*) => {$(
        #[derive(Debug)]
        pub(crate) struct $name(real::$name);

        #[allow(dead_code, reason = "the face of std's")]
        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self(real::$name::new(value))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                match sequential(order, Access::Load, stringify!($name)) {
                    Strength::Sequential => {
                        catch_up();
                        self.0.load(Ordering::Acquire)
                    }
                    Strength::Own(order) => self.0.load(order),
                }
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                match sequential(order, Access::Store, stringify!($name)) {
                    Strength::Sequential => {
                        self.0.store(value, Ordering::Release);
                        tell();
                    }
                    Strength::Own(order) => self.0.store(value, order),
                }
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                self.change(order, Access::Swap, |word, order| Ok::<_, $value>(word.swap(value, order))).unwrap()
            }

            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.change(order, Access::Change, |word, order| Ok::<_, $value>(word.fetch_add(value, order))).unwrap()
            }

            pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.change(order, Access::Change, |word, order| Ok::<_, $value>(word.fetch_sub(value, order))).unwrap()
            }

            pub(crate) fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                order: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.change(order, Access::Change, |word, order| word.compare_exchange(old, new, order, failure))
            }

            pub(crate) fn compare_exchange_weak(
                &self,
                old: $value,
                new: $value,
                order: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.compare_exchange(old, new, order, failure)
            }

            /// A read-modify-write; a read alone where it answers an error.
            fn change(
                &self,
                order: Ordering,
                access: Access,
                f: impl FnOnce(&real::$name, Ordering) -> Result<$value, $value>,
            ) -> Result<$value, $value> {
                match sequential(order, access, stringify!($name)) {
                    Strength::Sequential => {
                        let answer = f(&self.0, Ordering::AcqRel);
                        if answer.is_ok() {
                            tell();
                        }
                        answer
                    }
                    Strength::Own(order) => f(&self.0, order),
                }
            }
        }
    )*};
}

atomics!(AtomicU8: u8, AtomicU32: u32, AtomicU64: u64, AtomicUsize: usize);

enum Strength {
    Sequential,
    Own(Ordering),
}

fn sequential(order: Ordering, access: Access, name: &'static str) -> Strength {
    match order {
        Ordering::SeqCst if planted(Bug::Relaxed(access, name)) => Strength::Own(Ordering::Relaxed),
        Ordering::SeqCst => Strength::Sequential,
        weaker if planted(Bug::Weakened(weaker, name)) => Strength::Own(Ordering::Relaxed),
        weaker => Strength::Own(weaker),
    }
}
