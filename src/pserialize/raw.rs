// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of pserialize(9): what the C names are, and what other faces are built from.
#![doc(hidden)]

use super::InReadSection;
use super::perform::{self, Inside};
use super::read;
use crate::diag::fatal;
use crate::park::{GaveUp, Patience};
use crate::percpu::runtime;
use crate::stable::{Pool, Stable};
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{AtomicU32, Ordering};
use crate::thread;

/// What `pserialize_create` makes. It holds nothing: sections and grace periods are the whole process's.
pub struct Psz {
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | 0 | never used | create: `LIVE` |
    /// | `LIVE` | in use | destroy: `DEAD` |
    /// | `DEAD` | destroyed, poison | create: `LIVE` |
    state: AtomicU32,
}

const LIVE: u32 = 1;
const DEAD: u32 = 0xdead;

// SAFETY: an atomic, for which zero is a value.
unsafe impl Stable for Psz {
    #[cfg(loom)]
    fn fresh() -> Self {
        Psz { state: AtomicU32::new(0) }
    }
}

static ALL: Pool<Psz> = Pool::new();

/// `pserialize_create`. Readies what makes read sections cheap.
pub fn create() -> Result<&'static Psz, Errno> {
    runtime::try_get()?;
    // The system's own word for "no more keys" is not one that callers of create expect.
    thread::prepare().map_err(|_| ENOMEM)?;
    let psz = ALL.take()?;
    psz.state.store(LIVE, Ordering::Release);
    Ok(psz)
}

/// One that may be used; null may be, for code that runs before its create.
///
/// # Safety
/// None is needed: what is no psz is noticed.
unsafe fn check(function: &str, psz: *const Psz) -> Option<&'static Psz> {
    if psz.is_null() {
        return None;
    }
    if !ALL.contains(psz) {
        fatal(format_args!("{function}: no pserialize: {psz:p}, expected what pserialize_create returned, or NULL"));
    }
    // SAFETY: one of the pool's; they are type-stable.
    let psz = unsafe { &*psz };
    if psz.state.load(Ordering::Acquire) != LIVE {
        fatal(format_args!("{function}: pserialize already destroyed: {psz:p}"));
    }
    Some(psz)
}

/// `pserialize_destroy`.
///
/// # Safety
/// `psz` is null or came from [`create`], and nobody uses it any more.
pub unsafe fn destroy(psz: *const Psz) {
    // SAFETY: checked there.
    if let Some(psz) = unsafe { check("pserialize_destroy", psz) }
        && psz.state.swap(DEAD, Ordering::AcqRel) == LIVE
    {
        // SAFETY: the caller's promise.
        unsafe { ALL.give(psz) };
    }
}

/// `pserialize_perform`.
///
/// # Safety
/// `psz` is null or came from [`create`].
pub unsafe fn perform(psz: *const Psz) {
    // SAFETY: checked there.
    unsafe { check("pserialize_perform", psz) };
    if perform::perform(Patience::FOREVER).is_err() {
        fatal(format_args!(
            "pserialize_perform: called inside a read section of this very thread, which it would wait for, expected outside"
        ));
    }
}

/// The same for faces that can answer an error: the outer one says that the caller is inside a section.
pub fn try_perform(patience: Patience) -> Result<Result<(), GaveUp>, InReadSection> {
    perform::perform(patience).map_err(|Inside| InReadSection)
}

/// `pserialize_in_read_section`.
pub fn is_inside() -> bool {
    read::is_inside()
}

/// How deep sections of one thread nest.
pub const DEEPEST: usize = read::DEPTH as usize;

/// How many sections the calling thread has open.
pub fn depth() -> usize {
    read::depth()
}

/// `pserialize_read_enter` for Rust. The plain case is inlined.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
pub fn enter() -> std::ffi::c_int {
    if read::enter_plainly() { 0 } else { enter_called() }
}

/// The same as a function.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub extern "C" fn enter_called() -> std::ffi::c_int {
    crate::__read_enter_body!(crate::pserialize::entry::enter_slow)
}

/// `pserialize_read_exit` for Rust. The plain case is inlined.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
pub fn exit(s: std::ffi::c_int) {
    if !read::exit_plainly() {
        exit_called(s);
    }
}

/// The same as a function.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[unsafe(naked)]
pub extern "C" fn exit_called(_: std::ffi::c_int) {
    crate::__read_exit_body!(crate::pserialize::entry::exit_slow, crate::pserialize::entry::exit_wake)
}

#[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
pub use super::entry::{enter_slow as enter, exit_slow as exit};
