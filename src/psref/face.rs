// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face: a target owns a value, guards hold it, and dropping the target waits for the guards.

use super::Holder;
use super::misuse::ClassName;
use super::raw;
use super::state::{ClassState, Hold, TargetState};
use crate::park::{Draining, GaveUp, Patience};
use crate::sys::errno::Errno;
use std::fmt;
use std::ops::Deref;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;

/// A class of targets whose holds share slots and whose drains wait in one place: one for each kind of thing.
///
/// Costs 512 bytes a CPU that uses it, and more where more than 32 holds at once lie on one CPU. Cloning gives another handle;
/// the class goes with its last handle and last target.
///
/// Source: `psref_class_create` of NetBSD's psref(9).
///
/// ```
/// let routes = psref::Class::new("route")?;
/// assert_eq!(routes.name(), "route");
/// # Ok::<(), psref::Errno>(())
/// ```
#[derive(Clone)]
#[doc(alias = "psref_class_create")]
pub struct Class(Arc<Owned>);

struct Owned(&'static ClassState);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: created by `Class::new`; the last handle and target are gone, and with them every guard.
        unsafe { raw::class_destroy(self.0) }
    }
}

impl Class {
    /// Makes a class; the name shows in diagnostics, its first 48 bytes. May sleep.
    ///
    /// # Errors
    /// ENOMEM: no memory for slots; nothing is leaked.
    pub fn new(name: &str) -> Result<Class, Errno> {
        raw::try_class_create(name.as_bytes()).map(|state| Class(Arc::new(Owned(state))))
    }

    /// What is held of the class's targets, by whom: a line on the class and one a hold.
    #[doc(alias = "psref_class_report")]
    pub fn report(&self) -> String {
        let mut text = String::new();
        let mut line = |line: fmt::Arguments<'_>| text += &format!("{line}\n");
        // SAFETY: the class lives as long as its handles.
        unsafe { raw::class_report(self.0.0, &mut line) };
        text
    }

    /// For other faces.
    pub(crate) fn state(&self) -> *const ClassState {
        self.0.0
    }

    /// The name, as diagnostics show it.
    pub fn name(&self) -> String {
        ClassName::of(self.0.0).as_str().to_owned()
    }
}

impl fmt::Debug for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Class").field(&self.name()).finish()
    }
}

struct Shared<T> {
    state: TargetState,
    value: T,
}

/// A value that guards can hold after the look-up that found it is over.
///
/// While `acquire` runs the borrow keeps the target alive, as a read section or a lock around the look-up does; after that
/// the guard alone does. Dropping the target stops new holds and waits for the old ones: it may sleep, and for ever where
/// the dropping thread itself holds a guard (a report names it after `PSREF_DRAIN_WARN` seconds).
///
/// Source: `psref_target_init`, `psref_acquire`, `psref_target_destroy` of NetBSD's psref(9).
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::RwLock;
///
/// let class = psref::Class::new("session")?;
/// let table = RwLock::new(HashMap::new());
/// table.write().unwrap().insert(7, psref::Target::new(&class, "alice"));
///
/// // Look up under the lock, hold past it.
/// let session = table.read().unwrap()[&7].acquire()?;
/// assert_eq!(*session, "alice");
///
/// // Unlink under the lock; the drop waits for whoever still holds.
/// let gone = table.write().unwrap().remove(&7);
/// drop(session);
/// drop(gone);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "psref_target_init")]
pub struct Target<T> {
    shared: NonNull<Shared<T>>,
    class: Class,
}

// SAFETY: like an `Arc`: the value is dropped by whoever drops the target and read by every guard's thread.
unsafe impl<T: Send + Sync> Send for Target<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Target<T> {}

/// A target apart from its class, whose end somebody else sees to. Not dropped by itself.
pub(crate) struct Parts<T>(NonNull<Shared<T>>);

impl<T> Parts<T> {
    pub(crate) fn state(&self) -> *const TargetState {
        // SAFETY: the target's own allocation.
        unsafe { &raw const (*self.0.as_ptr()).state }
    }

    /// # Safety
    /// Nobody holds the target any more, and it is poisoned.
    pub(crate) unsafe fn into_value(self) -> T {
        // SAFETY: the caller's promise: the allocation is ours alone.
        unsafe { Box::from_raw(self.0.as_ptr()) }.value
    }
}

impl<T> Target<T> {
    /// Makes a target of `class` out of a value.
    pub fn new(class: &Class, value: T) -> Target<T> {
        // SAFETY: plain atomics, for which zero is a value.
        let state = unsafe { std::mem::zeroed() };
        let shared = NonNull::from(Box::leak(Box::new(Shared { state, value })));
        // SAFETY: nobody knows of it yet; it stays where it is until it is freed.
        unsafe { raw::target_init(&raw mut (*shared.as_ptr()).state, class.0.0) };
        Target { shared, class: class.clone() }
    }

    /// The target's parts, not dropped.
    pub(crate) fn into_parts(self) -> (Parts<T>, Class) {
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so each of its parts is taken out once.
        (Parts(this.shared), unsafe { std::ptr::read(&raw const this.class) })
    }

    /// The counterpart.
    pub(crate) fn from_parts(parts: Parts<T>, class: Class) -> Target<T> {
        Target { shared: parts.0, class }
    }

    pub(crate) fn state(&self) -> *const TargetState {
        // SAFETY: the target's own allocation.
        unsafe { &raw const (*self.shared.as_ptr()).state }
    }

    pub(crate) fn class(&self) -> &Class {
        &self.class
    }

    /// Holds the value. One per-CPU store and one to the guard; may be called in signal handlers; never sleeps.
    ///
    /// # Errors
    /// [`Draining`] once a drain began.
    #[doc(alias = "psref_acquire")]
    #[inline(always)] // for strict classes: what it returns to is the caller's
    pub fn acquire(&self) -> Result<Guard<T>, Draining> {
        let class = self.class.0.0;
        let mut hold = Hold::EMPTY;
        // SAFETY: the borrow keeps the target alive (R1); the class lives as long as the target.
        match unsafe { raw::acquire(&raw mut hold, self.state(), class) } {
            0 => Ok(Guard { hold, shared: self.shared, class }),
            _ => Err(Draining),
        }
    }

    /// Whether the calling thread acquired a guard that is still held; for assertions. Looks at every slot of the class.
    #[doc(alias = "psref_held")]
    pub fn is_held_here(&self) -> bool {
        // SAFETY: the target is alive.
        unsafe { raw::held(self.state(), self.class.0.0) }
    }

    /// Stops new holds and waits for the old ones. May sleep.
    #[doc(alias = "psref_target_drain")]
    pub fn drain(&self) {
        let _ = self.drain_within(Patience::FOREVER);
    }

    /// The same with an end to the patience.
    ///
    /// # Errors
    /// [`GaveUp`]: somebody holds the value still. The target stays draining, and may be drained again.
    pub fn drain_within(&self, patience: Patience) -> Result<(), GaveUp> {
        // SAFETY: the target is alive.
        unsafe { raw::target_drain(self.state(), self.class.0.0, patience) }
    }

    /// Who holds the value: a hint where others acquire and release meanwhile; good once the target drains. Strict mode
    /// ([`set_strict`](crate::set_strict)) knows where each was acquired, and since when.
    #[doc(alias = "psref_holders")]
    pub fn holders(&self) -> Vec<Holder> {
        let mut all = Vec::new();
        let mut into = |_, holder| {
            all.push(holder);
            true
        };
        // SAFETY: the target is alive.
        unsafe { raw::target_holders(self.state(), self.class.0.0, &mut into) };
        all
    }

    /// Stops new holds and tells whether the old ones are gone. Never sleeps; costs an interrupt on every CPU.
    #[doc(alias = "psref_target_drain_poll")]
    pub fn poll_drained(&self) -> bool {
        // SAFETY: the target is alive.
        unsafe { raw::target_drain_poll(self.state(), self.class.0.0) }
    }

    /// Stops new holds and gives a file descriptor for event loops: readable whenever [`poll_drained`](Self::poll_drained) should be
    /// asked. No thread waits meanwhile, and nothing need be read. Costs two descriptors until the target has drained.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOMEM: no descriptor could be had; nothing is done.
    #[doc(alias = "psref_target_drain_fd")]
    pub fn drain_fd(&self) -> Result<OwnedFd, Errno> {
        // SAFETY: the target is alive; the descriptor is new, and ours alone to close.
        unsafe { raw::target_drain_fd(self.state(), self.class.0.0).map(|fd| OwnedFd::from_raw_fd(fd)) }
    }

    /// Drops many targets of one class at once: one interrupt on every CPU for all of them. May sleep.
    ///
    /// Those that are not of the first one's class are dropped one after the other.
    #[doc(alias = "psref_target_destroy_many")]
    pub fn drop_many(targets: impl IntoIterator<Item = Target<T>>) {
        let targets: Vec<Target<T>> = targets.into_iter().collect();
        let Some(class) = targets.first().map(|target| target.class.clone()) else { return };
        let (same, others): (Vec<_>, Vec<_>) = targets.into_iter().partition(|one| Arc::ptr_eq(&one.class.0, &class.0));
        drop(others);
        let mut same: Vec<_> = same.into_iter().map(std::mem::ManuallyDrop::new).collect();
        let states: Vec<_> = same.iter().map(|target| target.state()).collect();
        // SAFETY: the targets are alive, each is there once, and nobody acquires: they are ours. When it returns nobody holds them;
        // they are not dropped otherwise, so each of their parts is taken out once.
        unsafe {
            raw::target_destroy_many(states.as_ptr(), states.len(), class.0.0);
            for target in &mut same {
                drop(Box::from_raw(target.shared.as_ptr()));
                std::ptr::drop_in_place(&raw mut target.class);
            }
        }
    }

    /// Drains and gives the value back. May sleep.
    #[doc(alias = "psref_target_destroy")]
    pub fn into_inner(self) -> T {
        let mut this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so each of its parts is taken out once.
        unsafe {
            let shared = this.end();
            std::ptr::drop_in_place(&raw mut this.class);
            shared.value
        }
    }

    /// # Safety
    /// Called once; the target is not used after it.
    unsafe fn end(&mut self) -> Box<Shared<T>> {
        // SAFETY: alive until here; when this returns nobody holds it, and `&mut self` says that nobody acquires.
        unsafe {
            raw::target_destroy(self.state(), self.class.0.0);
            Box::from_raw(self.shared.as_ptr())
        }
    }
}

impl<T> Drop for Target<T> {
    fn drop(&mut self) {
        // SAFETY: the end of the target.
        drop(unsafe { self.end() });
    }
}

impl<T: fmt::Debug> fmt::Debug for Target<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the target owns the value.
        let value = unsafe { &self.shared.as_ref().value };
        f.debug_struct("Target").field("class", &self.class.name()).field("value", value).finish()
    }
}

/// A hold: dereferences to the value, releases when dropped. May be sent to another thread and dropped there; cloning copies
/// the hold, also while the target drains.
///
/// Source: `struct psref`, `psref_release`, `psref_copy` of NetBSD's psref(9).
#[doc(alias = "psref_release")]
pub struct Guard<T> {
    hold: Hold,
    shared: NonNull<Shared<T>>,
    class: &'static ClassState,
}

// SAFETY: gives out `&T` on whatever thread it is, as `Arc` does.
unsafe impl<T: Send + Sync> Send for Guard<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Guard<T> {}

impl<T> Guard<T> {
    fn state(&self) -> *const TargetState {
        // SAFETY: held.
        unsafe { &raw const (*self.shared.as_ptr()).state }
    }
}

impl<T> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: held, so the target has not drained, and its value is shared until then.
        unsafe { &self.shared.as_ref().value }
    }
}

impl<T> Clone for Guard<T> {
    #[doc(alias = "psref_copy")]
    #[inline(always)] // as `acquire`
    fn clone(&self) -> Self {
        let mut hold = Hold::EMPTY;
        // SAFETY: `self` is a live hold of this class.
        unsafe { raw::copy(&raw mut hold, &raw const self.hold, self.class) };
        Guard { hold, shared: self.shared, class: self.class }
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        let state = self.state();
        // SAFETY: a live hold, released once.
        unsafe { raw::release(&raw mut self.hold, state, self.class) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Guard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&**self).finish()
    }
}
