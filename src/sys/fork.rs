// SPDX-License-Identifier: MIT OR Apache-2.0
//! fork(2): a handler that runs in the child, in the one thread that lives on.

use super::errno::Errno;

/// Registers `child` to run in every forked child before fork returns there.
#[cfg(not(any(loom, miri)))]
pub(crate) fn in_child(child: unsafe extern "C" fn()) -> Result<(), Errno> {
    // SAFETY: the handler lives as long as the code: the library is linked `-z nodelete` (R12).
    match unsafe { libc::pthread_atfork(None, None, Some(child)) } {
        0 => Ok(()),
        e => Err(Errno(e)),
    }
}

#[cfg(any(loom, miri))]
pub(crate) fn in_child(_: unsafe extern "C" fn()) -> Result<(), Errno> {
    Ok(())
}
