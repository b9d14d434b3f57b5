// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/base.h>`: what all of the library's headers share.

use std::ffi::c_char;

/// The version of the library that runs, "major.minor.patch".
///
/// Context: any, signal handlers too.
#[unsafe(no_mangle)]
pub extern "C" fn psref_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The back end of this process: "rseq" (restartable sequences and membarrier) or "atomic" (ordinary atomics). Chosen at
/// first use and never revised; PSREF_BACKEND=auto|rseq|atomic in the environment forces it, but not in set-user-id programs.
///
/// Context: may sleep the first time.
#[unsafe(no_mangle)]
pub extern "C" fn psref_backend() -> *const c_char {
    match psref::backend() {
        psref::Backend::Rseq => c"rseq".as_ptr(),
        psref::Backend::Atomic => c"atomic".as_ptr(),
    }
}
