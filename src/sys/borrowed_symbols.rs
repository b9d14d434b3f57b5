// SPDX-License-Identifier: MIT OR Apache-2.0
//! Functions and lines of code, by the symbolizer that the standard library has for its own panics. It is a quarter of a megabyte, in every
//! library that Rust makes; the crate `backtrace`, the same code, would be a quarter more. But std puts only stacks into words that it walked
//! itself. So it is given one of a single frame to walk: for the C library `ffi/build-staticlib.sh` renames what std calls, so that it calls
//! what is below, and this what it called before. Without that nothing here is used, and links of such programs fail.
//!
//! Should a later std walk in another way, it finds the true stack, or a frame that is all zero; [`around`] then answers nothing.

use super::signals;
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::AtomicUsize;

std::thread_local! {
    /// Where the made-up frame returns to while this thread has std walk it; 0 otherwise. Taken by the walk.
    static RETURNS_TO: Cell<usize> = const { Cell::new(0) };
}

/// What stands for the frame. Not a context of the unwinder's, and never read as one; as large as one, and all zero, if it were.
static FRAME: [AtomicUsize; 128] = [const { AtomicUsize::new(0) }; 128];

type Visit = extern "C" fn(*const c_void, *mut c_void) -> c_int;

/// `_URC_END_OF_STACK` of the unwinder's ABI.
const END_OF_STACK: c_int = 5;

// The unwinder's functions, under the names that the build gives them back.
unsafe extern "C" {
    fn __psref_true_unwind_backtrace(visit: Visit, argument: *mut c_void) -> c_int;
    fn __psref_true_unwind_get_ip(context: *const c_void) -> usize;
    fn __psref_true_unwind_get_cfa(context: *const c_void) -> usize;
}

fn is_made_up(context: *const c_void) -> bool {
    std::ptr::eq(context, FRAME.as_ptr().cast())
}

/// `_Unwind_Backtrace`, for std.
///
/// # Safety
/// As of the true one.
#[unsafe(no_mangle)]
unsafe extern "C" fn __psref_unwind_backtrace(visit: Visit, argument: *mut c_void) -> c_int {
    if RETURNS_TO.get() == 0 {
        // SAFETY: the caller's promise.
        return unsafe { __psref_true_unwind_backtrace(visit, argument) };
    }
    visit(FRAME.as_ptr().cast(), argument);
    RETURNS_TO.set(0);
    END_OF_STACK
}

/// `_Unwind_GetIP`, for std.
///
/// # Safety
/// As of the true one.
#[unsafe(no_mangle)]
unsafe extern "C" fn __psref_unwind_get_ip(context: *const c_void) -> usize {
    // SAFETY: the caller's promise.
    if is_made_up(context) { RETURNS_TO.get() } else { unsafe { __psref_true_unwind_get_ip(context) } }
}

/// `_Unwind_GetCFA`, for std.
///
/// # Safety
/// As of the true one.
#[unsafe(no_mangle)]
unsafe extern "C" fn __psref_unwind_get_cfa(context: *const c_void) -> usize {
    // SAFETY: the caller's promise.
    if is_made_up(context) { 0 } else { unsafe { __psref_true_unwind_get_cfa(context) } }
}

/// What std tells of the instruction at an address, in its own form (`{:#}` of a [`Backtrace`]); nothing where std did not ask us.
pub(crate) fn around(call: usize) -> String {
    // It takes a return address, and looks at what is before.
    // Not in a handler, that might want to walk a stack of its own.
    let (stack, asked) = signals::blocked(|| {
        RETURNS_TO.set(call.wrapping_add(1));
        let stack = Backtrace::force_capture();
        (stack, RETURNS_TO.replace(0) == 0)
    });
    if asked { format!("{stack:#}") } else { String::new() }
}
