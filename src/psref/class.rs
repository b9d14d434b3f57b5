// SPDX-License-Identifier: MIT OR Apache-2.0
//! Birth and death of classes and targets.

use super::fork;
use super::hold::class_of;
use super::misuse::{ClassName, Misuse};
use super::state::{CLASSES, CLOSING, ClassState, DEAD, LIVE, TargetState};
use crate::percpu::runtime;
use crate::percpu::slots;
use crate::sys::backend::Backend;
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{Ordering, fence};
use crate::{thread, xcall};

/// Makes a class. The name is copied, what is longer than diagnostics show cut off.
pub(crate) fn create(name: &[u8]) -> Result<&'static ClassState, Errno> {
    let facts = runtime::try_get()?;
    // The system's own word for "no more keys" is not one that callers of create expect.
    thread::on_fork(&fork::IN_CHILD);
    thread::prepare().map_err(|_| ENOMEM)?;
    let class = CLASSES.take()?;
    if let Err(e) = class.grow() {
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
        let limit = if facts.backend() == Backend::Rseq { facts.cpus() } else { 0 };
        // Release: the block before the limit that lets sections into it.
        self.limit.store(u32::try_from(limit).unwrap_or(u32::MAX), Ordering::Release);
    }
}

/// Destroys a class that nobody holds anything of. After an error it is as it was.
///
/// # Safety
/// `class` is null, or is or was a class; nobody uses it any more.
pub(crate) unsafe fn destroy(class: *const ClassState) -> Result<(), Misuse> {
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
    class.state.store(DEAD, Ordering::Release);
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
    Some(Misuse::ClassInUse { class: ClassName::of(class), holds: 1 + held.count(), target, tid, cpu })
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
    // For callers who publish with less than they should on strongly ordered machines: costs nothing there.
    fence(Ordering::Release);
    Ok(())
}
