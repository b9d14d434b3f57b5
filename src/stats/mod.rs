// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of everything in the process: what is held, what took the slow path, what was drained and how long that
//! was waited for. Fast paths count nothing; what they did shows as far as slots and magazines show it. Costs a look at
//! every slot of every class and some memory, and stops nobody: numbers of one moment need not go together.
//!
//! For one class and by whom: [`Class::report`](crate::Class::report). As it happens: the probes that `docs/holders.md`
//! tells of.

mod json;
#[doc(hidden)]
pub mod raw;
mod text;

pub use crate::localcount::CountStats;
pub use crate::objpool::stats::PoolStats;
pub use crate::pserialize::PerformStats;
pub use crate::psref::stats::ClassStats;
pub use crate::retire::RetireStats;
pub use crate::tally::{SPANS, Waits};

use crate::sys::backend::Backend;
use crate::{gate, localcount, objpool, percpu, pserialize, psref, retire, xcall};

/// What [`take`] answers. Shown (`{}`) as text, some lines long; [`to_json`](Stats::to_json) says the same for
/// programs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The back end of the process.
    pub backend: Backend,
    /// Interrupts of every CPU: one membarrier each (two where the kernel is older than 6.18), or a fence without
    /// sections.
    pub cross_calls: u64,
    /// The classes of passive references that there are.
    pub classes: Vec<ClassStats>,
    /// The pools that there are.
    pub pools: Vec<PoolStats>,
    /// All local counts together.
    pub localcounts: CountStats,
    /// Seals of all gates together.
    pub seals: Waits,
    /// Read sections: the waits for them.
    pub pserialize: PerformStats,
    /// What was retired.
    pub retire: RetireStats,
}

/// Reads all numbers. Allocates; never waits; not in signal handlers.
///
/// ```
/// let class = psref::Class::new("session")?;
/// let target = psref::Target::new(&class, ());
/// let guard = target.acquire()?;
/// let stats = psref::stats::take();
/// let of_class = stats.classes.iter().find(|one| one.name == "session").expect("there is one");
/// assert_eq!((of_class.holds, of_class.drains.begun), (1, 0));
/// println!("{stats}");
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "psref_stats_dump")]
pub fn take() -> Stats {
    Stats {
        backend: percpu::runtime::get().backend(),
        cross_calls: xcall::made(),
        classes: psref::stats::classes(),
        pools: objpool::stats::pools(),
        localcounts: localcount::stats(),
        seals: gate::stats(),
        pserialize: pserialize::stats(),
        retire: retire::stats(),
    }
}
