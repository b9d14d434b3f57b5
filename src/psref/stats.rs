// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is counted of classes, for whoever asks about all of them and owns none: a look at a class counts itself, and a
//! destroy of the class waits for looks before it gives the slots away.

#[cfg(not(loom))]
use super::misuse::ClassName;
use super::state::{CLASSES, ClassState, LIVE};
#[cfg(not(loom))]
use crate::percpu::slots;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::sync::Ordering;
use crate::tally::Waits;

/// What [`crate::stats`] tells of a class.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// Its name, as diagnostics show it.
    pub name: String,
    /// Whether it is strict: then all its acquires take the slow path.
    pub strict: bool,
    /// Holds at the moment: fast paths count none, so this is what the slots show.
    pub holds: usize,
    /// Acquires and copies that took the slow path: more holds at once than a CPU has room for, an interrupted section,
    /// no restartable sequences, a draining target.
    pub slow_acquires: u64,
    /// Drains of its targets, of which those that found nobody did not wait.
    pub drains: Waits,
    /// Targets that were retired and have not come to their end.
    pub retired: u64,
}

/// Of every class.
#[cfg(not(loom))]
pub(crate) fn classes() -> Vec<ClassStats> {
    CLASSES.iter().filter_map(look).collect()
}

#[cfg(not(loom))]
fn look(class: &'static ClassState) -> Option<ClassStats> {
    // Relaxed where nothing else is said: numbers for people.
    visit(class, || ClassStats {
        name: ClassName::of(class).as_str().to_owned(),
        strict: class.strict() != 0,
        holds: class.slots().filter(|(_, slot)| slots::is_hold(slot.target.load(Ordering::Relaxed))).count(),
        slow_acquires: class.slow.sum(),
        drains: class.drains.read(),
        retired: class.retired.load(Ordering::Relaxed),
    })
}

/// Calls `f` if the class is live; until that returns, no destroy gives the slots away.
pub(super) fn visit<T>(class: &ClassState, f: impl FnOnce() -> T) -> Option<T> {
    // SeqCst, here and in `leave`: a Dekker pair of the count and the state. Either this finds the class dead, or its
    // destroy, which makes it that and then looks here, finds the count.
    class.lookers.fetch_add(1, Ordering::SeqCst);
    let seen = (class.state.load(Ordering::SeqCst) == LIVE).then(f);
    leave(class);
    seen
}

fn leave(class: &ClassState) {
    let mut lookers = class.lookers.load(Ordering::Relaxed); // the exchange tells whether it is still so
    loop {
        // In a child that a handler of this thread forked, nobody is counted any more.
        let Some(left) = lookers.checked_sub(1) else { return };
        match class.lookers.compare_exchange(lookers, left, Ordering::SeqCst, Ordering::Relaxed) {
            Ok(_) if left == 0 => break,
            Ok(_) => return,
            Err(now) => lookers = now,
        }
    }
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::SilentLook) {
        return;
    }
    // The other way round: a destroy that has found the count sleeps on what this moves.
    if class.state.load(Ordering::SeqCst) != LIVE {
        class.moved.advance_and_wake_all();
    }
}

/// Before a class's slots are given away; it is dead already.
pub(super) fn wait_for_lookers(class: &ClassState) {
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::LooksIgnored) {
        return;
    }
    loop {
        let seen = class.moved.word(); // R3
        if class.lookers.load(Ordering::SeqCst) == 0 {
            return;
        }
        class.moved.wait(seen, None);
    }
}

/// In a forked child nobody looks but this thread, if it does. A handler may have forked that interrupted a destroy about to sleep.
pub(super) fn in_child() {
    for class in CLASSES.iter() {
        class.lookers.store(0, Ordering::SeqCst);
        class.moved.advance_and_wake_all();
    }
}
