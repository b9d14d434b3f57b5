// SPDX-License-Identifier: MIT OR Apache-2.0
//! Destroying many targets at once: the flags of all, one membarrier, one pass over the slots of the class for all of them.

use super::drain::{finish, poison};
use super::hold::{class_of, target_of};
use super::misuse::{ClassName, Misuse};
use super::state::{ClassState, TargetState};
use super::strict::not_mine;
use crate::percpu::slots;
use crate::sys::probe;
use crate::sys::sync::Ordering;
use crate::watchdog::Watchdog;
use crate::{park::Patience, sort, strict, xcall};

/// Drains and poisons `n` targets.
///
/// # Safety
/// `targets` is null or holds `n` pointers, null or to what is readable until this returns; `class` is null, or is or was a
/// class; nobody acquires them any more.
pub(crate) unsafe fn destroy(
    targets: *const *const TargetState,
    n: usize,
    class: *const ClassState,
) -> Result<(), Misuse> {
    strict::assert_sleepable("psref_target_destroy_many");
    // SAFETY: the caller's promise.
    let class = unsafe { class_of(class)? };
    if n == 0 {
        return Ok(());
    }
    if targets.is_null() {
        return Err(Misuse::Null("targets"));
    }
    // SAFETY: the caller's promise.
    let targets = unsafe { std::slice::from_raw_parts(targets, n) };
    // All of them before anything is done to one.
    for &target in targets {
        // SAFETY: the caller's promise.
        unsafe { target_of(target, class)? };
    }
    let state = |target: *const TargetState| {
        // SAFETY: looked at above; readable until the end.
        unsafe { &*target }
    };
    let set = Set::of(targets);
    if let Some(target) = set.twice() {
        return Err(Misuse::TargetDestroyed { target, class: ClassName::of(class) });
    }
    not_mine(class, |target| set.has(target))?;
    for &target in targets {
        // SeqCst: the first half of fence A (see `Block::claim`).
        state(target).draining.store(1, Ordering::SeqCst);
    }
    class.drains.begin(n);
    probe::destroy_many_start(class.address(), n, class.name_address());
    xcall::restart_sections();
    let ns = wait_for(class, &set);
    probe::destroy_many_end(class.address(), n, class.name_address(), ns as usize);
    for &target in targets {
        finish(class, state(target));
        poison(state(target), class)?;
    }
    Ok(())
}

/// The targets' addresses, to be asked for one.
enum Set<'a> {
    Sorted(Vec<usize>),
    /// Where there is no memory to sort them in.
    Given(&'a [*const TargetState]),
}

impl Set<'_> {
    fn of(targets: &[*const TargetState]) -> Set<'_> {
        let mut sorted = Vec::new();
        if sorted.try_reserve_exact(targets.len()).is_err() {
            return Set::Given(targets);
        }
        sorted.extend(targets.iter().map(|target| target.addr()));
        sort::by_key(&mut sorted, |&target| target);
        Set::Sorted(sorted)
    }

    /// One that is there more than once.
    fn twice(&self) -> Option<usize> {
        match self {
            Set::Sorted(sorted) => sorted.windows(2).find(|two| two[0] == two[1]).map(|two| two[0]),
            Set::Given(all) => {
                let of = |i: usize| all[i + 1..].contains(&all[i]).then(|| all[i].addr());
                (0..all.len()).find_map(of)
            }
        }
    }

    fn has(&self, target: usize) -> bool {
        match self {
            Set::Sorted(sorted) => sorted.binary_search(&target).is_ok(),
            Set::Given(all) => all.iter().any(|one| one.addr() == target),
        }
    }
}

/// One of the set that is held; `None`: not one, exact once they drain and a membarrier is over (P2, R18).
fn held(class: &ClassState, set: &Set<'_>) -> Option<usize> {
    loop {
        let copies = class.copies.load(Ordering::SeqCst);
        let mut target = 0;
        // SeqCst: the second half of fence A and of fence B.
        if class.any_slot(|slot| {
            target = slot.target.load(Ordering::SeqCst);
            slots::is_hold(target) && set.has(target)
        }) {
            return Some(target);
        }
        if class.copies.load(Ordering::SeqCst) == copies {
            return None;
        }
    }
}

/// Waits for them one after the other, each with one entry in the waiter word: what is no longer held then costs no
/// more than the pass that finds the next. One membarrier for all: the word says "many", for every release of the
/// class. Answers how many nanoseconds it slept.
fn wait_for(class: &ClassState, set: &Set<'_>) -> u64 {
    let Some(first) = held(class, set) else { return 0 };
    class.waiters.enter_for_many();
    xcall::restart_sections(); // P4
    let mut watchdog = Watchdog::new();
    let mut now = Some(first);
    loop {
        let seen = class.moved.word(); // P5
        // The one that was held last time is likely to be still.
        now = now.filter(|&one| super::drain::is_held(class, one)).or_else(|| held(class, set));
        let Some(target) = now else { break };
        if let Some(seconds) = watchdog.due() {
            super::drain::tell(class, target, seconds, watchdog.is_first());
        }
        // Without limit and deaf to signals, a wait ends only by a wake-up or to report.
        let _ = Patience::FOREVER.wait(&class.moved, seen, watchdog.next());
    }
    class.waiters.leave();
    let Some(ns) = watchdog.waited() else { return 0 };
    class.drains.waited(ns, false);
    ns
}
