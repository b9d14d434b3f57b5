// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/pserialize.h>`: passive serialization, pserialize(9).

use ::psref::pserialize::entry::{enter_slow, exit_slow, exit_wake};
use ::psref::pserialize::raw::{self, Psz};
use std::ffi::c_int;

/// What those who wait for read sections use.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct pserialize {
    _opaque: [u8; 0],
}

/// A handle for pserialize_perform(). Read sections are the process's: every perform waits for all of them.
#[allow(non_camel_case_types)]
pub type pserialize_t = *mut pserialize;

/// Makes a handle. Returns NULL with errno ENOMEM, which may be used all the same: performs accept NULL, for code that runs
/// before its create.
///
/// Context: may sleep; not in signal handlers. Source: pserialize(9).
#[unsafe(no_mangle)]
pub extern "C" fn pserialize_create() -> pserialize_t {
    crate::or_errno(raw::create())
}

/// Destroys a handle. One that was destroyed already is a fatal diagnostic.
///
/// Context: any but signal handlers; does not sleep. Source: pserialize(9).
///
/// # Safety
/// Nobody uses the handle any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pserialize_destroy(psz: pserialize_t) {
    // SAFETY: the caller's promise.
    unsafe { raw::destroy(psz.cast::<Psz>()) }
}

/// Waits until every read section has ended that was open when this was called, in any thread. Whoever unpublished
/// something before may free it afterwards.
///
/// Costs one membarrier where nobody is inside (two before Linux 6.18, which could lose one); performs at the same time
/// share it. A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error, with the
/// threads that are inside, and goes on. Inside a read section of the calling thread: a fatal diagnostic.
///
/// Context: may sleep; not in signal handlers; with mutexes held that no read section takes. Source: pserialize(9).
///
/// # Safety
/// `psz` is NULL, or came from pserialize_create().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pserialize_perform(psz: pserialize_t) {
    // SAFETY: the caller's promise.
    unsafe { raw::perform(psz.cast::<Psz>()) }
}

/// Opens a read section: nothing that was within reach goes away before pserialize_read_exit(), provided that whoever takes
/// things away calls pserialize_perform() in between. Sections nest, at most 65535 deep.
///
/// Returns what pserialize_read_exit() wants back.
///
/// Context: any, signal handlers too; never sleeps. To sleep inside is possible, and delays every perform of the process.
/// Source: pserialize(9).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn pserialize_read_enter() -> c_int {
    ::psref::__read_enter_body!(enter_slow)
}

/// Closes the innermost read section of the calling thread. Outside of every section: a fatal diagnostic.
///
/// Context: any, signal handlers too; never sleeps. Source: pserialize(9).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub extern "C" fn pserialize_read_exit(s: c_int) {
    ::psref::__read_exit_body!(exit_slow, exit_wake)
}

/// Whether the calling thread is inside a read section. For assertions.
///
/// Context: any, signal handlers too; never sleeps. Source: pserialize(9).
#[unsafe(no_mangle)]
pub extern "C" fn pserialize_in_read_section() -> bool {
    raw::is_inside()
}

/// Whether the calling thread is outside of every read section. For assertions.
///
/// Context: any, signal handlers too; never sleeps. Source: pserialize(9).
#[unsafe(no_mangle)]
pub extern "C" fn pserialize_not_in_read_section() -> bool {
    !raw::is_inside()
}
