// SPDX-License-Identifier: MIT OR Apache-2.0
//! A number for people that many threads add to, in slow paths: a word on every CPU, so that those who add at the same
//! time do not meet. Never given back: whoever owns it is type-stable, and so whoever adds too late adds to nobody
//! else's.

use crate::sys::errno::Errno;

#[cfg(not(loom))]
pub(crate) use real::Tally;

#[cfg(not(loom))]
mod real {
    use super::Errno;
    use crate::percpu::magazine;
    use crate::percpu::region::{self, Piece};
    use crate::percpu::runtime;
    use crate::thread;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The number; its words' address in stripe 0, or 0.
    pub(crate) struct Tally(AtomicUsize);

    impl Tally {
        /// Of nothing, for an owner that nobody else has. May be called again.
        pub(crate) fn begin(&self) -> Result<(), Errno> {
            match self.piece() {
                // Reading costs no physical memory where nobody has added; writing would.
                Some(piece) => stripes()
                    .map(|stripe| piece.word(stripe, 0))
                    .filter(|word| word.load(Ordering::Relaxed) != 0)
                    .for_each(|word| word.store(0, Ordering::Relaxed)),
                // Relaxed: published with the owner.
                None => self.0.store(region::alloc(8)?.base, Ordering::Relaxed),
            }
            Ok(())
        }

        /// One more. In signal handlers too (R13).
        pub(crate) fn add(&self) {
            let Some(piece) = self.piece() else { return };
            let stripes = stripes().end;
            let here = magazine::cpu().filter(|&cpu| cpu < stripes);
            let stripe = here.unwrap_or_else(|| thread::number() as usize / 2 % stripes);
            piece.word(stripe, 0).fetch_add(1, Ordering::Relaxed);
        }

        pub(crate) fn sum(&self) -> u64 {
            let of = |piece: Piece| stripes().map(|stripe| piece.word(stripe, 0).load(Ordering::Relaxed)).sum();
            self.piece().map_or(0, of)
        }

        fn piece(&self) -> Option<Piece> {
            let base = self.0.load(Ordering::Relaxed);
            // SAFETY: allocated in `begin`, of that size.
            (base != 0).then(|| unsafe { Piece::of_word(base) })
        }
    }

    fn stripes() -> std::ops::Range<usize> {
        0..runtime::get().stripes()
    }
}

/// Models count nothing that nothing follows from.
#[cfg(loom)]
pub(crate) struct Tally;

#[cfg(loom)]
impl Tally {
    pub(crate) fn begin(&self) -> Result<(), Errno> {
        Ok(())
    }

    pub(crate) fn add(&self) {}
}
