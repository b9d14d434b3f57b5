// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C names of psref, and nothing else: a header's worth of functions a file, each a cast and a call.

pub mod base;
pub mod device_gate;
pub mod inline_abi;
pub mod localcount;
pub mod lwp;
pub mod objpool;
pub mod percpu;
pub mod pserialize;
pub mod psref;
pub mod retire;
pub mod stats;
pub mod wait;
pub mod xcall;

/// The C convention for constructors: NULL and errno.
pub(crate) fn or_errno<S, T>(made: Result<&'static S, ::psref::Errno>) -> *mut T {
    match made {
        Ok(state) => std::ptr::from_ref(state).cast_mut().cast(),
        Err(::psref::Errno(error)) => {
            // SAFETY: errno's address is valid for the thread's life.
            unsafe { *libc::__errno_location() = error };
            std::ptr::null_mut()
        }
    }
}

/// The C convention for descriptors: -1 and errno.
pub(crate) fn fd_or_errno(made: Result<std::ffi::c_int, ::psref::Errno>) -> std::ffi::c_int {
    made.unwrap_or_else(|::psref::Errno(error)| {
        // SAFETY: errno's address is valid for the thread's life.
        unsafe { *libc::__errno_location() = error };
        -1
    })
}
