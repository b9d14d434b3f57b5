// SPDX-License-Identifier: MIT OR Apache-2.0
//! Threads of the library's own: detached, for ever, with all signals blocked, so that no handler of the program's runs there.

use super::errno::Errno;
use super::signals;
use std::ffi::{CStr, c_void};

/// Enough for what a kernel would run on an interrupt's stack, sanitizers and all.
#[cfg(not(miri))]
const STACK: usize = 1 << 20;

/// Starts a thread that calls `run` with `argument` and never returns.
#[cfg(not(miri))]
pub(crate) fn thread(run: extern "C" fn(*mut c_void) -> *mut c_void, argument: usize) -> Result<(), Errno> {
    match create(run, argument, Some(STACK)) {
        // glibc's stacks have the program's thread-local storage in them, which may be more than that.
        Err(Errno(libc::EINVAL)) => create(run, argument, None),
        made => made,
    }
}

#[cfg(not(miri))]
fn create(run: extern "C" fn(*mut c_void) -> *mut c_void, argument: usize, stack: Option<usize>) -> Result<(), Errno> {
    let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut id = std::mem::MaybeUninit::<libc::pthread_t>::uninit();
    // A thread begins with its maker's mask.
    // SAFETY: the attributes are initialised, used and destroyed here; `run` lives as long as the code (R12), and what it gets is a number.
    let error = signals::blocked(|| unsafe {
        match libc::pthread_attr_init(attributes.as_mut_ptr()) {
            0 => {}
            error => return error,
        }
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        if let Some(stack) = stack {
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
        }
        let argument = std::ptr::without_provenance_mut(argument);
        let error = libc::pthread_create(id.as_mut_ptr(), attributes.as_ptr(), run, argument);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        error
    });
    if error == 0 { Ok(()) } else { Err(Errno(error)) }
}

/// Miri knows threads of Rust's.
#[cfg(miri)]
pub(crate) fn thread(run: extern "C" fn(*mut c_void) -> *mut c_void, argument: usize) -> Result<(), Errno> {
    std::thread::spawn(move || {
        run(std::ptr::without_provenance_mut(argument));
    });
    let _ = signals::blocked(|| ());
    Ok(())
}

/// What the calling thread is called, in tools that list threads; at most 15 bytes.
pub(crate) fn name(name: &CStr) {
    if cfg!(miri) {
        return;
    }
    // SAFETY: the kernel copies a terminated string.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}
