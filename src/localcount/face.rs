// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face: a count owns a value, guards hold it, and dropping the count waits for the guards.

use super::raw;
use super::state::LocalCountState;
use crate::park::{Draining, GaveUp, Patience};
use crate::sys::errno::Errno;
use std::fmt;
use std::ops::Deref;
use std::ptr::NonNull;

struct Shared<T> {
    state: LocalCountState,
    value: T,
}

/// A value that guards hold by counting: one addition to the own CPU's cell to acquire, one to release. 8 bytes a CPU.
///
/// While `acquire` runs the borrow keeps the count alive, as a read section or a lock around the look-up does; after that the
/// guard alone does. Dropping it stops new holds and waits for the old ones: it may sleep, and for ever where the dropping
/// thread itself holds a guard (a report tells after `PSREF_DRAIN_WARN` seconds).
///
/// No mutex is needed: threads that drain sleep by themselves, and acquires that come too late are refused.
///
/// Source: NetBSD's localcount(9).
///
/// ```
/// let driver = psref::LocalCount::new("disk")?;
/// let open = driver.acquire()?;
/// std::thread::spawn(move || assert_eq!(*open, "disk")).join().unwrap(); // acquired here, released there
/// driver.drain();
/// assert!(driver.acquire().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "localcount_init")]
pub struct LocalCount<T> {
    shared: NonNull<Shared<T>>,
}

// SAFETY: like an `Arc`: the value is dropped by whoever drops the count and read by every guard's thread.
unsafe impl<T: Send + Sync> Send for LocalCount<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for LocalCount<T> {}

impl<T> LocalCount<T> {
    /// Makes a count of nothing around a value. May sleep.
    ///
    /// # Errors
    /// ENOMEM: no memory for the cells; the value is dropped.
    pub fn new(value: T) -> Result<LocalCount<T>, Errno> {
        let mut shared = Box::new(Shared { state: LocalCountState::closed(), value });
        // SAFETY: nobody knows of it yet.
        unsafe { raw::init(&raw mut shared.state)? };
        Ok(LocalCount { shared: NonNull::from(Box::leak(shared)) })
    }

    fn state(&self) -> *const LocalCountState {
        // SAFETY: the count's own allocation.
        unsafe { &raw const (*self.shared.as_ptr()).state }
    }

    /// Holds the value. One per-CPU addition; may be called in signal handlers; never sleeps.
    ///
    /// # Errors
    /// [`Draining`] once a drain began.
    #[doc(alias = "localcount_acquire")]
    pub fn acquire(&self) -> Result<CountGuard<T>, Draining> {
        // SAFETY: the borrow keeps the count alive (R1).
        match unsafe { raw::acquire(self.state()) } {
            0 => Ok(CountGuard { shared: self.shared }),
            _ => Err(Draining),
        }
    }

    /// How many guards there are, give or take those that move meanwhile: for reports.
    #[doc(alias = "localcount_debug_refcnt")]
    pub fn references(&self) -> u32 {
        // SAFETY: the count is alive.
        unsafe { raw::references(self.state()) }
    }

    /// Stops new holds and waits for the old ones. May sleep.
    #[doc(alias = "localcount_drain")]
    pub fn drain(&self) {
        let _ = self.drain_within(Patience::FOREVER);
    }

    /// The same with an end to the patience.
    ///
    /// # Errors
    /// [`GaveUp`]: somebody holds the value still. The count stays draining, and may be drained again.
    pub fn drain_within(&self, patience: Patience) -> Result<(), GaveUp> {
        // SAFETY: the count is alive.
        unsafe { raw::drain_alone(self.state(), patience) }
    }

    /// Takes the value out if nobody holds it; else gives the count back as it was. One interrupt on every CPU.
    ///
    /// That nobody acquires meanwhile, which `localcount_trydrain` asks of its caller, is what taking `self` says.
    ///
    /// # Errors
    /// The count itself: somebody holds the value.
    ///
    /// ```
    /// let driver = psref::LocalCount::new("disk")?;
    /// let open = driver.acquire()?;
    /// let driver = driver.try_into_inner().unwrap_err(); // EBUSY
    /// drop(open);
    /// assert_eq!(driver.try_into_inner().unwrap(), "disk");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "localcount_trydrain")]
    pub fn try_into_inner(mut self) -> Result<T, LocalCount<T>> {
        if self.try_drain() { Ok(self.into_inner()) } else { Err(self) }
    }

    /// Drains if nobody holds the value and tells whether it did; else changes nothing. Final where it did.
    #[doc(alias = "localcount_trydrain")]
    pub fn try_drain(&mut self) -> bool {
        // SAFETY: `&mut self` says that nobody acquires.
        unsafe { self.try_drain_shared() }
    }

    /// The same for a count that others share.
    ///
    /// # Safety
    /// Nobody acquires meanwhile; what was acquired may be released and cloned.
    pub unsafe fn try_drain_shared(&self) -> bool {
        // A count that drains or has drained stays so: then only the time matters.
        // SAFETY: the count is alive, and nobody acquires.
        match unsafe { raw::try_trydrain(self.state()) } {
            Ok(answer) => answer,
            Err(_) => self.drain_within(Patience::at_most(std::time::Duration::ZERO)).is_ok(),
        }
    }

    /// Drains and gives the value back. May sleep.
    pub fn into_inner(self) -> T {
        let mut this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is not dropped, so the value is taken out once.
        unsafe { this.retire() }.value
    }

    /// # Safety
    /// Called once; the count is not used after it.
    unsafe fn retire(&mut self) -> Box<Shared<T>> {
        self.drain();
        // SAFETY: drained; `&mut self` says that nobody acquires.
        unsafe {
            raw::fini(self.state());
            Box::from_raw(self.shared.as_ptr())
        }
    }
}

impl<T> Drop for LocalCount<T> {
    fn drop(&mut self) {
        // SAFETY: the end of the count.
        drop(unsafe { self.retire() });
    }
}

impl<T: fmt::Debug> fmt::Debug for LocalCount<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the count owns the value.
        f.debug_tuple("LocalCount").field(unsafe { &self.shared.as_ref().value }).finish()
    }
}

/// A hold: dereferences to the value, counts down when dropped, on whatever thread that is. Cloning while the count drains
/// works too: the clone is counted where the drain waits.
///
/// Source: `localcount_release` of NetBSD's localcount(9).
#[doc(alias = "localcount_release")]
pub struct CountGuard<T> {
    shared: NonNull<Shared<T>>,
}

// SAFETY: gives out `&T` on whatever thread it is, as `Arc` does.
unsafe impl<T: Send + Sync> Send for CountGuard<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for CountGuard<T> {}

impl<T> CountGuard<T> {
    fn state(&self) -> *const LocalCountState {
        // SAFETY: held.
        unsafe { &raw const (*self.shared.as_ptr()).state }
    }
}

impl<T> Deref for CountGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: held, so the count has not drained, and its value is shared until then.
        unsafe { &self.shared.as_ref().value }
    }
}

impl<T> Clone for CountGuard<T> {
    fn clone(&self) -> Self {
        // SAFETY: `self` is a live hold.
        unsafe { raw::acquire_again(self.state()) };
        CountGuard { shared: self.shared }
    }
}

impl<T> Drop for CountGuard<T> {
    fn drop(&mut self) {
        // SAFETY: a live hold, released once.
        unsafe { raw::release_alone(self.state()) }
    }
}

impl<T: fmt::Debug> fmt::Debug for CountGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CountGuard").field(&**self).finish()
    }
}
