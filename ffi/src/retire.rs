// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/retire.h>`: destruction without a wait.

use ::psref::psref::raw::{ClassState, TargetState};
use ::psref::retire::{self, raw};
use std::ffi::{c_int, c_void};

/// A target of `<psref/psref.h>`.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct psref_target {
    _opaque: [u8; 0],
}

/// A class of `<psref/psref.h>`.
#[allow(non_camel_case_types)]
pub struct psref_class {
    _opaque: [u8; 0],
}

/// Things that may wait for their end at once.
pub const PSREF_RETIRE_MAX: u32 = 131072;

const _: () = assert!(PSREF_RETIRE_MAX as u64 == retire::BOUND);

/// Gives a target up without waiting for those who hold it. The caller has unlinked it, and need not perform. `fn` is
/// called with `arg` once, after every read section of the process that is open now has ended and the last hold is
/// released; the target is destroyed then, and `fn` may free it. A hold that is never released delays no other
/// target.
///
/// psref_acquire() answers ENOENT to whoever comes after this call, and to everybody from the beginning of the
/// target's batch on; holds are released and copied as before.
///
/// `fn` runs in a thread of the library's own, which the first call starts, or in calls of psref_retire_poll() and
/// psref_retire_barrier(); with all signals blocked, and not cancelled. It returns: it does not end its thread. It is
/// never called in this function. It may retire others, destroy the class, sleep, and fork; others wait for their turn
/// meanwhile. The order in which functions are called is not promised. What is left when the process ends is not
/// called.
///
/// Things are taken in batches: the first one waits up to a millisecond for more. Each batch costs one membarrier,
/// and one more if something of it is held.
///
/// Returns 0; EAGAIN: PSREF_RETIRE_MAX things wait for their end; ENOMEM: no memory for the entry or the thread.
/// After an error nothing is changed: psref_target_destroy(), which waits, needs no memory.
///
/// NULL, a target of another class, and one that drains, was retired or destroyed before are fatal diagnostics; so
/// are a psref_class_destroy() that comes before `fn` and a `fn` that returns inside a read section.
///
/// In a forked child what was retired is the child's too, as the memory is: it is seen to after the child's first use
/// of this, and `fn` is called there as well. One that another thread was in is not called again.
///
/// Context: any thread, inside read sections too; never sleeps; not in signal handlers. Source: an extension of
/// psref(9).
///
/// # Safety
/// Nobody finds the target any more except by read sections that are open now. It lives until `fn` is called; `fn`
/// may be called so in any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_target_retire(
    target: *mut psref_target,
    class_: *mut psref_class,
    r#fn: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::target_retire(target.cast::<TargetState>(), class_.cast::<ClassState>(), r#fn, arg) }
}

/// Calls `fn` with `arg` once, after every read section of the process that is open now has ended: what
/// pserialize_perform() would be waited for. All else is as of psref_target_retire().
///
/// Returns 0, EAGAIN or ENOMEM, as psref_target_retire() does. NULL is a fatal diagnostic.
///
/// Context: any thread, inside read sections too; never sleeps; not in signal handlers. Source: an extension of
/// pserialize(9).
///
/// # Safety
/// `fn` may be called so in any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pserialize_call(
    r#fn: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::call(r#fn, arg) }
}

/// Sees to what was retired, as far as that is possible now, in the calling thread. Where a program calls this before
/// it retires anything, the library starts no thread: then things come to their end in these calls, and in
/// psref_retire_barrier(), alone.
///
/// Returns how many things are left. Nothing tells when to call again: an event loop does so in every round, or by a
/// timer.
///
/// Context: any thread, not in signal handlers. Waits for nobody; calls the functions of what has come to its end,
/// which may sleep. In such a function, inside a read section, and while another thread sees to things, it does
/// nothing. Costs a membarrier where something new is there.
#[unsafe(no_mangle)]
pub extern "C" fn psref_retire_poll() -> usize {
    raw::poll()
}

/// Waits until everything that was retired before has come to its end, its function included. For the end of a
/// program or a module, and before psref_class_destroy().
///
/// In a function that was retired, inside a read section, and, where the class is strict, in a thread that holds
/// something of it, this is a fatal diagnostic: it would wait for its caller. A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error, with the
/// readers and holders, and goes on.
///
/// Context: may sleep; not in signal handlers.
#[unsafe(no_mangle)]
pub extern "C" fn psref_retire_barrier() {
    raw::barrier();
}
