// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face for objects whose size is known only when the pool is made: pieces of memory, each one's owner's alone.

use super::raw::{self, HeadState, Statistics};
use crate::sys::errno::Errno;
use std::cell::UnsafeCell;
use std::ffi::c_int;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

/// A fixed stock of pieces of memory of one size, zeroed at first. Pieces keep the pool.
///
/// ```
/// let pool = psref::objpool::Bytes::new(64, 1500)?;
/// let packet = pool.pop().expect("64 are there");
/// assert_eq!(packet.len(), 1500);
/// // SAFETY: the piece is this owner's alone, and initialised.
/// unsafe { packet.as_ptr().write(0x45) };
/// drop(packet); // back in the pool, as it was left
/// # Ok::<(), psref::Errno>(())
/// ```
pub struct Bytes {
    head: Box<UnsafeCell<HeadState>>,
    size: usize,
}

// SAFETY: a piece is with one owner at a time; the pool's own words are atomics and sections.
unsafe impl Send for Bytes {}
// SAFETY: as above.
unsafe impl Sync for Bytes {}

impl Bytes {
    /// Makes a pool of `objects` pieces (1 to 2^24) of `size` bytes (1 to 65,536), aligned to words. May sleep.
    ///
    /// # Errors
    /// EINVAL: a number or size outside of these bounds. ENOMEM; nothing is leaked.
    #[doc(alias = "objpool_init")]
    pub fn new(objects: usize, size: usize) -> Result<Arc<Bytes>, Errno> {
        const EINVAL: Errno = Errno(libc::EINVAL);
        let bytes = c_int::try_from(size).map_err(|_| EINVAL)?;
        let objects = c_int::try_from(objects).map_err(|_| EINVAL)?;
        let head = Box::new(UnsafeCell::new(HeadState::empty()));
        // SAFETY: the head is ours alone, and stays where it is.
        match unsafe { raw::init(head.get(), objects, bytes, 0, std::ptr::null_mut(), None, None) } {
            0 => Ok(Arc::new(Bytes { head, size })),
            error => Err(Errno(-error)),
        }
    }

    /// Takes a piece; `None`: none is free.
    #[doc(alias = "objpool_pop")]
    pub fn pop(self: &Arc<Self>) -> Option<Piece> {
        // SAFETY: the head was initialised.
        let at = NonNull::new(unsafe { raw::pop(self.head.get()) })?.cast();
        Some(Piece { at, pool: Arc::clone(self) })
    }

    /// What happened in the slow paths, on all CPUs.
    pub fn statistics(&self) -> Statistics {
        let mut out = Statistics::default();
        // SAFETY: the head was initialised; all CPUs are no wrong CPU.
        unsafe { raw::statistics(self.head.get(), -1, &raw mut out) };
        out
    }

    /// Bytes of a piece.
    pub fn size(&self) -> usize {
        self.size
    }
}

impl Drop for Bytes {
    #[doc(alias = "objpool_free")]
    fn drop(&mut self) {
        // SAFETY: pieces keep the pool, so there are none outside of it.
        unsafe { raw::free(self.head.get()) }
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bytes").field("size", &self.size).finish()
    }
}

/// A piece that was taken out; dropping it gives it back, on whatever thread.
#[doc(alias = "objpool_push")]
pub struct Piece {
    at: NonNull<u8>,
    pool: Arc<Bytes>,
}

// SAFETY: plain memory, its owner's alone.
unsafe impl Send for Piece {}
// SAFETY: gives out its address; whoever writes there answers for it.
unsafe impl Sync for Piece {}

impl Piece {
    /// Where it begins. Its owner may read and write all of it while it is not dropped.
    pub fn as_ptr(&self) -> *mut u8 {
        self.at.as_ptr()
    }

    /// Bytes of it.
    #[allow(clippy::len_without_is_empty, reason = "never empty")]
    pub fn len(&self) -> usize {
        self.pool.size
    }

    /// The pool that it is of.
    pub fn pool(&self) -> &Arc<Bytes> {
        &self.pool
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // SAFETY: popped from this pool, pushed once.
        let answer = unsafe { raw::push(self.at.as_ptr().cast(), self.pool.head.get()) };
        debug_assert_eq!(answer, 0, "an object of the pool");
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("at", &self.at).field("len", &self.len()).finish()
    }
}
