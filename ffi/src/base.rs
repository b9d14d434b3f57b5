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

/// Turns strict mode on or off for the classes, counts and pools that are made from now on. Until it is called, PSREF_STRICT=1 in the
/// environment turns it on, but not in set-user-id programs.
///
/// What is strict remembers where and when each hold was acquired, and demands all the rules of NetBSD's man pages, with its
/// messages: see psref(3), localcount(3) and objpool(3). Every acquire and release of it takes the slow path.
///
/// Context: any, signal handlers too.
#[unsafe(no_mangle)]
pub extern "C" fn psref_set_strict(on: bool) {
    psref::set_strict(on);
}

/// For modules that contain sections of their own, by PSREF_INLINE or by a static link, and that are unloaded: every thread that ran their code
/// calls this before dlclose(), and runs none of it afterwards. Without it the thread dies of SIGSEGV the next time it is
/// scheduled, for the kernel looks up the last section that it was in. Not needed in modules that are linked with `-z nodelete`, which is
/// better where it can be had.
///
/// Context: any, signal handlers too; never sleeps.
#[unsafe(no_mangle)]
pub extern "C" fn psref_prepare_unload() {
    psref::prepare_unload();
}
