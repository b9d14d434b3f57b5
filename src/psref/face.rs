// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face: a target owns a value, guards hold it, and dropping the target waits for the guards.

use super::misuse::ClassName;
use super::raw;
use super::state::{ClassState, Hold, TargetState};
use crate::park::{Draining, GaveUp, Patience};
use crate::sys::errno::Errno;
use std::fmt;
use std::ops::Deref;
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

    fn state(&self) -> *const TargetState {
        // SAFETY: the target's own allocation.
        unsafe { &raw const (*self.shared.as_ptr()).state }
    }

    /// Holds the value. One per-CPU store and one to the guard; may be called in signal handlers; never sleeps.
    ///
    /// # Errors
    /// [`Draining`] once a drain began.
    #[doc(alias = "psref_acquire")]
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

    /// Drains and gives the value back. May sleep.
    #[doc(alias = "psref_target_destroy")]
    pub fn into_inner(self) -> T {
        let mut this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so each of its parts is taken out once.
        unsafe {
            let shared = this.retire();
            std::ptr::drop_in_place(&raw mut this.class);
            shared.value
        }
    }

    /// # Safety
    /// Called once; the target is not used after it.
    unsafe fn retire(&mut self) -> Box<Shared<T>> {
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
        drop(unsafe { self.retire() });
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
