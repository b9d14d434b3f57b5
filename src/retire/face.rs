// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face.

use super::{raw, wait};
use crate::park::{GaveUp, Patience};
use crate::psref::Class;
use crate::psref::Target;
use crate::psref::face::Parts;
use crate::sys::errno::Errno;
use std::ffi::c_void;
use std::fmt;
use std::mem::ManuallyDrop;

/// Something that was not retired, given back, and why: EAGAIN, [`BOUND`](super::BOUND) things wait for their end
/// already; ENOMEM.
pub struct NotRetired<T> {
    /// What was to be retired.
    pub given: T,
    /// EAGAIN or ENOMEM.
    pub error: Errno,
}

impl<T> fmt::Debug for NotRetired<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotRetired").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for NotRetired<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not retired: {}", self.error)
    }
}

impl<T> std::error::Error for NotRetired<T> {}

/// A target on its way to its end.
struct Retired<T, F> {
    parts: Parts<T>,
    class: Class,
    f: F,
}

impl<T: Send + 'static> Target<T> {
    /// Gives the target up without waiting for those who hold it: new holds are refused from now on, and when the
    /// last one is gone, and every read section of the process that is open now has ended, `f` gets the value.
    ///
    /// `f` runs in a thread of the library's own with all signals blocked, or in calls of
    /// [`psref::retire::poll`](super::poll) and [`psref::retire::barrier`](super::barrier); never in this call. It
    /// may retire other things; while it runs or sleeps others wait for their turn. A panic in it ends the program.
    /// Where the process ends before, it is not called.
    ///
    /// Never sleeps; the first use starts the thread. Not in signal handlers. Costs a queue entry, and one interrupt
    /// on every CPU for a batch of up to thousands.
    ///
    /// # Errors
    /// [`NotRetired`], with the target as it was.
    ///
    /// ```
    /// let class = psref::Class::new("session")?;
    /// let session = psref::Target::new(&class, "alice".to_string());
    /// let guard = session.acquire()?;
    /// session.retire(|name| println!("{name} has left"))?;
    /// drop(guard);
    /// psref::retire::barrier();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "psref_target_retire")]
    pub fn retire<F: FnOnce(T) + Send + 'static>(self, f: F) -> Result<(), NotRetired<Target<T>>> {
        unsafe extern "C" fn end<T, F: FnOnce(T)>(argument: *mut c_void) {
            // SAFETY: what `retire` leaked; called once.
            let Retired { parts, class, f } = *unsafe { Box::from_raw(argument.cast::<Retired<T, F>>()) };
            // SAFETY: the target has come to its end.
            let value = unsafe { parts.into_value() };
            drop(class); // nothing in it is left of this target: the last one ends it
            f(value);
        }
        let (parts, class) = self.into_parts();
        let (target, state) = (parts.state(), class.state());
        let retired = Box::into_raw(Box::new(Retired { parts, class, f }));
        // SAFETY: the target is ours alone to give up, and lives until `end`; the class lives as long.
        let answer = unsafe { raw::try_target_retire(target, state, false, end::<T, F>, retired.cast()) };
        answer.expect("a target that is alive").map_err(|error| {
            // SAFETY: leaked above, and nobody knows of it.
            let Retired { parts, class, .. } = *unsafe { Box::from_raw(retired) };
            NotRetired { given: Target::from_parts(parts, class), error }
        })
    }
}

impl<T> Target<T> {
    /// For faces whose targets have many owners: gives the target up where it is. Of what is called at its end it is to
    /// be freed, by [`into_value_of_ended`](Self::into_value_of_ended), once none of them uses it.
    ///
    /// # Errors
    /// EAGAIN or ENOMEM, with the target as it was.
    ///
    /// # Safety Nobody else ends it, it stays where it is until `function` is called, and that may be called with
    /// `argument` by any thread.
    #[doc(hidden)]
    pub unsafe fn retire_in_place(&self, function: raw::Function, argument: *mut c_void) -> Result<(), Errno> {
        // SAFETY: the caller's promises; the class lives as long as the target.
        let answer = unsafe { raw::try_target_retire(self.state(), self.class().state(), false, function, argument) };
        answer.expect("a target that is alive")
    }

    /// The value of a target that was [retired in place](Self::retire_in_place).
    ///
    /// # Safety
    /// It has come to its end.
    #[doc(hidden)]
    pub unsafe fn into_value_of_ended(self) -> T {
        let (parts, class) = self.into_parts();
        drop(class);
        // SAFETY: the caller's promise.
        unsafe { parts.into_value() }
    }
}

/// Calls `f` after every read section of the process that is open now has ended, without waiting for them: for what
/// [`Pserialize::perform`](crate::Pserialize::perform) would be waited for. Where and when it runs, and the cost: as
/// [`Target::retire`] has it.
///
/// # Errors
/// [`NotRetired`], with `f` as it was.
///
/// ```
/// use std::sync::atomic::{AtomicPtr, Ordering};
///
/// let config = AtomicPtr::new(Box::into_raw(Box::new(1)));
/// let old = config.swap(Box::into_raw(Box::new(2)), Ordering::AcqRel);
/// // SAFETY: unpublished, and dropped after every section that could have found it.
/// let old = unsafe { Box::from_raw(old) };
/// psref::defer(move || drop(old))?;
/// psref::retire::barrier();
/// # drop(unsafe { Box::from_raw(config.into_inner()) });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "pserialize_call")]
pub fn defer<F: FnOnce() + Send + 'static>(f: F) -> Result<(), NotRetired<F>> {
    unsafe extern "C" fn run<F: FnOnce()>(argument: *mut c_void) {
        // SAFETY: what `defer` leaked; called once.
        let f = *unsafe { Box::from_raw(argument.cast::<ManuallyDrop<F>>()) };
        ManuallyDrop::into_inner(f)();
    }
    let leaked = Box::into_raw(Box::new(ManuallyDrop::new(f)));
    // SAFETY: `run` may be called with it once, by any thread: F is Send.
    unsafe { raw::try_call(run::<F>, leaked.cast()) }.map_err(|error| {
        // SAFETY: leaked above, and nobody knows of it.
        let given = ManuallyDrop::into_inner(*unsafe { Box::from_raw(leaked) });
        NotRetired { given, error }
    })
}

/// Sees to what was retired as far as that is possible now, in the calling thread, and answers how many things are
/// left. Where this is called before anything was retired, the library starts no thread for it, and things come to
/// their end in these calls alone (and in [`barrier`]'s): call it now and then, from an event loop or a timer.
///
/// Never waits for readers or holders; calls the functions of things whose end has come. In such a function, inside a
/// read section, and while another thread does the same, it does nothing. Costs an interrupt on every CPU where something new is there.
#[doc(alias = "psref_retire_poll")]
pub fn poll() -> usize {
    raw::poll()
}

/// Waits until everything that was retired before has come to its end, its function included. Sleeps, as long as
/// anything of it is held. In a function that was retired, and inside a read section, it ends the program: it would
/// wait for its caller.
#[doc(alias = "psref_retire_barrier")]
pub fn barrier() {
    barrier_within(Patience::FOREVER).expect("patience has no end");
}

/// The same with an end to the patience: for threads that hold something of it too, where others release it.
///
/// # Errors
/// [`GaveUp`]: some of it has not come to its end; it will, nevertheless.
pub fn barrier_within(patience: Patience) -> Result<(), GaveUp> {
    wait::barrier("psref::retire::barrier", patience)
}
