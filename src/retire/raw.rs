// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of C's.
#![doc(hidden)]

use super::entry::Entry;
use super::{fork, helper, wait};
use crate::park::Patience;
use crate::psref::Misuse;
pub use crate::psref::raw::{ClassState, TargetState};
use crate::psref::retired::{self, or_die};
use crate::sys::errno::Errno;
use std::ffi::{c_int, c_void};
use std::ptr;

/// What is called at the end of a thing.
pub type Function = unsafe extern "C" fn(*mut c_void);

/// An entry, and somebody who will see to it.
fn entry() -> Result<&'static Entry, Errno> {
    fork::see_to_it();
    helper::start()?;
    Entry::take()
}

/// Retires a target; the outer error is a caller's bug. After either error nothing is changed. `fresh`: one that
/// drains already is such a bug.
///
/// # Safety
/// As of `psref_target_retire`.
pub unsafe fn try_target_retire(
    target: *const TargetState,
    class: *const ClassState,
    fresh: bool,
    function: Function,
    argument: *mut c_void,
) -> Result<Result<(), Errno>, Misuse> {
    let entry = match entry() {
        Ok(entry) => entry,
        Err(error) => return Ok(Err(error)),
    };
    // SAFETY: the caller's promises.
    if let Err(misuse) = unsafe { retired::begin(target, class, fresh) } {
        entry.give_up();
        return Err(misuse);
    }
    entry.fill(class, target, function, argument);
    entry.queue();
    Ok(Ok(()))
}

/// Calls a function after every read section that is open now.
///
/// # Safety
/// As of `pserialize_call`.
pub unsafe fn try_call(function: Function, argument: *mut c_void) -> Result<(), Errno> {
    let entry = entry()?;
    entry.fill(ptr::null(), ptr::null(), function, argument);
    entry.queue();
    Ok(())
}

fn number(answer: Result<(), Errno>) -> c_int {
    answer.map_or_else(|error| error.0, |()| 0)
}

/// `psref_target_retire`: 0, ENOMEM or EAGAIN.
///
/// # Safety
/// `target` is null or a target that nobody finds any more and that lives until the function is called; `class` is
/// null, or is or was a class; the function may be called so by any thread.
pub unsafe fn target_retire(
    target: *const TargetState,
    class: *const ClassState,
    function: Option<Function>,
    argument: *mut c_void,
) -> c_int {
    const WHO: &str = "psref_target_retire";
    let function = or_die(WHO, function.ok_or(Misuse::Null("fn")));
    // SAFETY: passed on.
    number(or_die(WHO, unsafe { try_target_retire(target, class, true, function, argument) }))
}

/// `pserialize_call`: 0, ENOMEM or EAGAIN.
///
/// # Safety
/// The function may be called so by any thread.
pub unsafe fn call(function: Option<Function>, argument: *mut c_void) -> c_int {
    let function = or_die("pserialize_call", function.ok_or(Misuse::Null("fn")));
    // SAFETY: passed on.
    number(unsafe { try_call(function, argument) })
}

/// `psref_retire_poll`.
pub fn poll() -> usize {
    wait::poll() as usize
}

/// `psref_retire_barrier`.
pub fn barrier() {
    wait::barrier("psref_retire_barrier", Patience::FOREVER).expect("patience has no end");
}

/// Whether the calling thread is in a function that was retired: a barrier there would wait for its caller.
pub fn is_inside() -> bool {
    wait::is_inside()
}

/// Whether the calling thread holds a target that was retired: a barrier would wait for its caller, unless another
/// thread releases the hold. Looks at the holds of every class that has such targets.
pub fn is_held_up_here() -> bool {
    wait::is_held_up_here()
}
