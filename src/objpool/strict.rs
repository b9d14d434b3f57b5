// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strict pools know of every object whether somebody has it: a double push is told. Every pop and push takes the slow path.

use super::block::{Block, Run};
use crate::strict;
use crate::sys::errno::Errno;
use crate::sys::sync::{AtomicU8, Ordering};

/// | value | meaning | who may change it to what |
/// |---|---|---|
/// | 0 | in the pool | pop: 1 |
/// | 1 | somebody has it, or fini is about to forget it | push: 0; drop, fini: 2 |
/// | 2 | dropped for good | |
pub(crate) struct States(Run<AtomicU8>);

impl States {
    /// For a pool that is made now.
    pub(crate) fn wanted(objects: usize, block: &mut Block) -> Result<Option<States>, Errno> {
        if !strict::is_on() {
            return Ok(None);
        }
        Ok(Some(States(block.run(objects)?)))
    }

    /// An object that a pop found; before anybody gets it.
    pub(crate) fn take(&self, object: usize) {
        self.0[object].store(1, Ordering::Relaxed);
    }

    /// An object that fini popped.
    pub(crate) fn forget(&self, object: usize) {
        self.0[object].store(2, Ordering::Relaxed);
    }

    /// An object that is given back, or dropped; false: nobody had it.
    pub(crate) fn give(&self, object: usize, dropped: bool) -> bool {
        let to = if dropped { 2 } else { 0 };
        self.0[object].compare_exchange(1, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
