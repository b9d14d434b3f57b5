// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the oracle asks of a face of the library: counts, gates and read sections in any language. What is dropped ends: holds and
//! passes at once; counts when nobody holds them; who closed a gate seals it; a gate is taken away.

use psref::{GaveUp, InReadSection, Refusal};

pub trait Face: 'static {
    /// C's gates and performs wait without a limit, and its draining counts are neither drained twice nor acquired by who holds them.
    const IS_C: bool;
    type Count: Send + Sync;
    type Hold: Send;
    type Gate: Sync;
    type Pass: Send;
    type Closer: Send;
    type Psz: Send + Sync;
    /// One open section of a thread.
    type Section;

    fn count(value: u64) -> Self::Count;
    /// None: it drains.
    fn acquire(count: &Self::Count) -> Option<Self::Hold>;
    /// None: C's drains.
    fn clone(hold: &Self::Hold) -> Option<Self::Hold>;
    fn value(hold: &Self::Hold) -> u64;
    /// With no time: whether it has drained.
    fn drain_now(count: &Self::Count) -> bool;
    fn drain(count: &Self::Count);
    fn try_drain(count: &mut Self::Count) -> bool;
    fn into_inner(count: Self::Count) -> u64;

    fn gate() -> Self::Gate;
    fn enter(gate: &'static Self::Gate) -> Self::Pass;
    /// Waits at a closed gate, unless it has no time and is not C.
    fn pass(gate: &'static Self::Gate, now: bool) -> Result<Self::Pass, Refusal>;
    fn close(gate: &'static Self::Gate) -> Result<Self::Closer, Refusal>;
    /// Whether everybody has left; C waits for that.
    fn seal(closer: Self::Closer) -> bool;
    /// Waits until everybody has left. Not in C.
    fn wait_sealed(gate: &'static Self::Gate) -> bool;

    fn section() -> Self::Section;
    fn is_reading() -> bool;
    fn psz() -> Self::Psz;
    fn perform(psz: &Self::Psz, now: bool) -> Result<Result<(), GaveUp>, InReadSection>;
    /// Sections of the calling thread that are open, where they are ended from elsewhere.
    fn sections() -> &'static std::thread::LocalKey<std::cell::RefCell<Vec<Self::Section>>>;
}
