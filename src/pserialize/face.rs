// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face: a guard for a read section, and a handle to wait with.

use super::raw::{self, Psz};
use crate::park::{GaveUp, Patience};
use crate::sys::errno::Errno;
use std::fmt;
use std::marker::PhantomData;

/// An open read section of the calling thread: nothing that was within reach when it began goes away before it ends, provided
/// that whoever takes things away unpublishes them and then calls [`Pserialize::perform`].
///
/// Two plain stores to the thread's own memory. Sections nest; signal handlers may open their own; sleeping inside one delays
/// every perform of the process. To keep something past the section acquire it inside: [`Target`](crate::Target),
/// [`LocalCount`](crate::LocalCount).
///
/// Source: `pserialize_read_enter`, `pserialize_read_exit` of NetBSD's pserialize(9).
///
/// ```
/// use std::sync::atomic::{AtomicPtr, Ordering};
///
/// let config = AtomicPtr::new(Box::into_raw(Box::new(1)));
/// let psz = psref::Pserialize::new()?;
///
/// let reading = psref::ReadSection::enter();
/// // SAFETY: freed after a perform alone, which waits for this section.
/// assert_eq!(unsafe { *config.load(Ordering::Acquire) }, 1);
/// drop(reading);
///
/// let old = config.swap(Box::into_raw(Box::new(2)), Ordering::AcqRel);
/// psz.perform();
/// // SAFETY: unpublished, and every section that could have found it has ended.
/// drop(unsafe { Box::from_raw(old) });
/// # drop(unsafe { Box::from_raw(config.into_inner()) });
/// # Ok::<(), psref::Errno>(())
/// ```
#[doc(alias = "pserialize_read_enter")]
#[must_use = "the section ends when this is dropped"]
pub struct ReadSection {
    /// The section is the thread's: not `Send`.
    _thread: PhantomData<*const ()>,
}

impl ReadSection {
    /// Opens a section. In signal handlers too; never sleeps.
    #[inline]
    pub fn enter() -> ReadSection {
        raw::enter();
        ReadSection { _thread: PhantomData }
    }

    /// How deep sections of one thread nest; one more ends the program.
    pub const DEEPEST: usize = raw::DEEPEST;

    /// How many sections the calling thread has open.
    pub fn depth_here() -> usize {
        raw::depth()
    }

    /// Whether the calling thread is inside a section; for assertions.
    #[doc(alias = "pserialize_in_read_section")]
    pub fn is_open_here() -> bool {
        raw::is_inside()
    }
}

impl Drop for ReadSection {
    #[doc(alias = "pserialize_read_exit")]
    #[inline]
    fn drop(&mut self) {
        raw::exit(0);
    }
}

impl fmt::Debug for ReadSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadSection")
    }
}

/// The caller is inside a read section, which perform would wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InReadSection;

impl fmt::Display for InReadSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("called inside a read section of this very thread, which it would wait for")
    }
}

impl std::error::Error for InReadSection {}

/// Waits for read sections. Sections are the process's: which handle is used does not matter.
///
/// Source: `pserialize_t` of NetBSD's pserialize(9).
#[doc(alias = "pserialize_create")]
pub struct Pserialize(&'static Psz);

impl Pserialize {
    /// Makes a handle. May sleep.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Pserialize, Errno> {
        raw::create().map(Pserialize)
    }

    /// Waits until every read section has ended that was open when this was called. May sleep. Costs one membarrier where
    /// nobody is inside; performs that wait at the same time share it.
    ///
    /// # Panics
    /// Inside a read section of the calling thread.
    #[doc(alias = "pserialize_perform")]
    pub fn perform(&self) {
        match self.perform_within(Patience::FOREVER) {
            Ok(waited) => waited.expect("patience has no end"),
            Err(inside) => panic!("pserialize: perform {inside}"),
        }
    }

    /// The same with an end to the patience. After `Ok(Err(GaveUp))` nothing is known of the sections.
    ///
    /// # Errors
    /// [`InReadSection`], at once.
    pub fn perform_within(&self, patience: Patience) -> Result<Result<(), GaveUp>, InReadSection> {
        raw::try_perform(patience)
    }
}

impl Drop for Pserialize {
    #[doc(alias = "pserialize_destroy")]
    fn drop(&mut self) {
        // SAFETY: made by `new`; the only handle to it.
        unsafe { raw::destroy(self.0) }
    }
}

impl fmt::Debug for Pserialize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pserialize")
    }
}
