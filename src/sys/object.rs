// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the dynamic linker knows of an address: the file it was loaded from, and the next symbol before it.

use std::ffi::CStr;

/// Where an address belongs.
pub(crate) struct Origin {
    /// The program's or library's file.
    pub(crate) file: &'static CStr,
    /// How far behind the file's beginning.
    pub(crate) offset: usize,
    /// The next exported symbol before it, and how far behind it.
    pub(crate) symbol: Option<(&'static CStr, usize)>,
}

/// `None`: no file's. Modules that are unloaded meanwhile would take the names with them: print at once.
#[cfg(not(any(loom, miri)))]
pub(crate) fn origin(address: usize) -> Option<Origin> {
    // SAFETY: all-zero is a value of Dl_info; dladdr compares the address and follows it nowhere. Strings live as their module.
    unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(std::ptr::without_provenance(address), &raw mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        let symbol = (!info.dli_sname.is_null())
            .then(|| (CStr::from_ptr(info.dli_sname), address.wrapping_sub(info.dli_saddr.addr())));
        Some(Origin {
            file: CStr::from_ptr(info.dli_fname),
            offset: address.wrapping_sub(info.dli_fbase.addr()),
            symbol,
        })
    }
}

/// Models know of no files.
#[cfg(any(loom, miri))]
pub(crate) fn origin(_: usize) -> Option<Origin> {
    None
}
