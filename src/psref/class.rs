// SPDX-License-Identifier: MIT OR Apache-2.0
//! Birth and death of classes and targets.

use super::hold::class_of;
use super::misuse::{ClassName, Misuse};
use super::state::{CLASSES, CLOSING, ClassState, DEAD, LIVE, RULES, TargetState};
use super::strict::{ON_LEAK, target_born, tell_targets};
use super::watch;
use super::{fork, stats};
use crate::percpu::runtime;
use crate::percpu::slots;
use crate::sys::backend::Backend;
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{Ordering, fence};
use crate::{strict, thread, xcall};

/// Makes a class. The name is copied, what is longer than diagnostics show cut off. `strictly`: what a class that is made while
/// strict mode is on demands.
pub(crate) fn create(name: &[u8], strictly: u32) -> Result<&'static ClassState, Errno> {
    strict::assert_sleepable("psref_class_create");
    let facts = runtime::try_get()?;
    // The system's own word for "no more keys" is not one that callers of create expect.
    thread::on_fork(&fork::IN_CHILD);
    thread::prepare().map_err(|_| ENOMEM)?;
    let class = CLASSES.take()?;
    let strictly = if strict::is_on() { strictly } else { 0 };
    class.strict.store(strictly, Ordering::Relaxed);
    class.targets.store(0, Ordering::Relaxed);
    class.retired.store(0, Ordering::Relaxed);
    class.drains.clear();
    if strictly == RULES {
        thread::on_leak(&ON_LEAK);
    }
    if let Err(e) = class.slow.begin().and_then(|()| class.grow()) {
        // SAFETY: taken above, nobody knows of it.
        unsafe { CLASSES.give(class) };
        return Err(e);
    }
    class.set_name(name);
    class.waiters.clear();
    class.arm(facts);
    // Release: a class before its address.
    class.state.store(LIVE, Ordering::Release);
    Ok(class)
}

impl ClassState {
    /// Sends the fast paths to the home block where sections work.
    fn arm(&self, facts: &runtime::Runtime) {
        #[cfg(not(loom))]
        if let Some(home) = self.blocks().last() {
            self.slots.store(home.memory.base, Ordering::Relaxed);
        }
        let fast = facts.backend() == Backend::Rseq && self.strict() == 0;
        let limit = if fast { facts.cpus() } else { 0 };
        // Release: the block before the limit that lets sections into it.
        self.limit.store(u32::try_from(limit).unwrap_or(u32::MAX), Ordering::Release);
    }
}

/// Destroys a class that nobody holds anything of. After an error it is as it was.
///
/// # Safety
/// `class` is null, or is or was a class; nobody uses it any more.
pub(crate) unsafe fn destroy(class: *const ClassState) -> Result<(), Misuse> {
    strict::assert_sleepable("psref_class_destroy");
    // SAFETY: the caller's promise.
    let class: &'static ClassState = unsafe { class_of(class)? };
    if class.state.compare_exchange(LIVE, CLOSING, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        return Err(Misuse::ClassDestroyed {
            class: std::ptr::from_ref(class).addr(),
            name: Some(ClassName::of(class)),
        });
    }
    class.limit.store(0, Ordering::SeqCst);
    // Commits that were under way are seen by the scan, or went to the slow path and find the class closing.
    xcall::restart_sections();
    if let Some(misuse) = in_use(class) {
        class.state.store(LIVE, Ordering::Release);
        class.arm(runtime::get());
        return Err(misuse);
    }
    let retired = class.retired.load(Ordering::SeqCst);
    if retired != 0 {
        class.state.store(LIVE, Ordering::Release);
        class.arm(runtime::get());
        return Err(Misuse::ClassRetires { class: ClassName::of(class), retired });
    }
    tell_targets(class);
    watch::end(class, None);
    class.state.store(DEAD, Ordering::SeqCst);
    stats::wait_for_lookers(class);
    // SAFETY: no holds, and the caller promises that no more come; the class is poisoned.
    unsafe {
        class.shrink();
        CLASSES.give(class);
    }
    Ok(())
}

fn in_use(class: &ClassState) -> Option<Misuse> {
    let mut held = class
        .slots()
        .map(|(stripe, slot)| (stripe, slot, slot.target.load(Ordering::SeqCst)))
        .filter(|&(_, _, target)| slots::is_hold(target));
    let (cpu, slot, target) = held.next()?;
    let tid = thread::tid_of(slot.holder.load(Ordering::Acquire)).unwrap_or(0);
    let at = class.note(std::ptr::from_ref(slot).addr()).map_or(0, |note| note.at.load(Ordering::Relaxed));
    Some(Misuse::ClassInUse { class: ClassName::of(class), holds: 1 + held.count(), target, tid, cpu, at })
}

/// Makes `target` a target of `class`. Whoever makes it known does so with a release store.
///
/// # Safety
/// `target` is null or the caller's alone; `class` is null, or is or was a class.
pub(crate) unsafe fn init(target: *mut TargetState, class: *const ClassState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let class_ref = unsafe { class_of(class)? };
    // SAFETY: the caller's promise; all fields are atomics.
    let state = unsafe { target.as_ref() }.ok_or(Misuse::Null("target"))?;
    state.draining.store(0, Ordering::Relaxed);
    state.drained.store(0, Ordering::Relaxed);
    state.place.store(TargetState::place_of(target), Ordering::Relaxed);
    state.class.store(std::ptr::from_ref(class_ref).cast_mut(), Ordering::Relaxed);
    target_born(class_ref);
    // For callers who publish with less than they should on strongly ordered machines: costs nothing there.
    fence(Ordering::Release);
    Ok(())
}
