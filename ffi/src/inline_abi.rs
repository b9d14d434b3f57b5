// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/inline_abi.h>`: where code that was inlined into a program goes after a hold whose end somebody waits for. Everything else
//! that is not the plain case goes to the functions that were not inlined.

use ::psref::pserialize::entry::exit_wake;
use ::psref::psref::entry::{ClassState, release_wake};
use std::ffi::c_void;

/// After an inlined psref_release(), whose slot is cleared already. The target may be gone: it is a number here.
///
/// # Safety
/// The class is or was one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_inline_wake_drain(target: usize, class_: *const c_void) {
    // SAFETY: the caller's promise.
    unsafe { release_wake(std::ptr::null_mut(), target, class_.cast::<ClassState>()) }
}

/// After an inlined pserialize_read_exit(), whose section, which showed `word`, has ended already.
#[unsafe(no_mangle)]
pub extern "C" fn psref_inline_wake_perform(word: u64) {
    exit_wake(word);
}
