// SPDX-License-Identifier: MIT OR Apache-2.0
//! Address space: reserved without access, opened page by page as it is used, placed on a NUMA node, given back.
//! Raw calls only: regions grow in signal handlers too.

use super::errno::{Errno, check};

/// The size of a page.
pub(crate) fn page() -> usize {
    if cfg!(any(miri, loom)) {
        return 4096;
    }
    // SAFETY: takes a number, touches no memory of ours.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

#[cfg(feature = "inject")]
fn refused() -> Result<(), Errno> {
    super::inject::map_refused().then_some(()).map_or(Ok(()), |()| Err(super::errno::ENOMEM))
}

/// `bytes` of address space without access, no huge pages in it.
#[cfg(not(miri))]
pub(crate) fn reserve(bytes: usize) -> Result<*mut u8, Errno> {
    let base = map(bytes, libc::PROT_NONE)?;
    // Advice: a kernel without huge pages refuses it, and then there is nothing to prevent.
    // SAFETY: our own fresh mapping.
    unsafe { libc::madvise(base.cast(), bytes, libc::MADV_NOHUGEPAGE) };
    Ok(base)
}

/// The same, but what is opened later counts as used: the kernel refuses what it could never give.
#[cfg(not(miri))]
pub(crate) fn reserve_counted(bytes: usize) -> Result<*mut u8, Errno> {
    mapped(bytes, libc::PROT_NONE, 0)
}

/// Whether the kernel would give so much at once.
pub(crate) fn could_give(bytes: usize) -> Result<(), Errno> {
    if cfg!(miri) {
        return Ok(());
    }
    #[cfg(not(miri))]
    {
        let at = mapped(bytes, libc::PROT_READ | libc::PROT_WRITE, 0)?;
        // SAFETY: mapped above; nobody knows of it.
        unsafe { unmap(at, bytes) };
    }
    let _ = bytes;
    Ok(())
}

/// `bytes` of zeroed memory.
#[cfg(not(miri))]
pub(crate) fn memory(bytes: usize) -> Result<*mut u8, Errno> {
    map(bytes, libc::PROT_READ | libc::PROT_WRITE)
}

#[cfg(not(miri))]
fn map(bytes: usize, access: libc::c_int) -> Result<*mut u8, Errno> {
    mapped(bytes, access, libc::MAP_NORESERVE)
}

#[cfg(not(miri))]
fn mapped(bytes: usize, access: libc::c_int, how: libc::c_int) -> Result<*mut u8, Errno> {
    #[cfg(feature = "inject")]
    refused()?;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | how;
    // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, access, flags, -1, 0) };
    if base == libc::MAP_FAILED { Err(check(-1).unwrap_err()) } else { Ok(base.cast()) }
}

/// Makes `[at, at + bytes)` of a reservation usable; doing it twice is harmless.
///
/// # Safety
/// The range lies in a reservation of [`reserve`].
pub(crate) unsafe fn open(at: *mut u8, bytes: usize) -> Result<(), Errno> {
    #[cfg(feature = "inject")]
    refused()?;
    if cfg!(miri) {
        return Ok(());
    }
    // SAFETY: by the caller's promise nothing but our own pages changes.
    check(unsafe { libc::mprotect(at.cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) }.into()).map(drop)
}

/// Asks that the range's pages come from `node`; a full node must not kill the program, so it is a preference.
///
/// # Safety
/// The range lies in a reservation of [`reserve`].
pub(crate) unsafe fn prefer_node(at: *mut u8, bytes: usize, node: u32) -> Result<(), Errno> {
    #[cfg(feature = "inject")]
    if super::plant::planted(super::plant::Bug::NodesIgnored) {
        return Ok(());
    }
    const WORDS: usize = 16; // 1024 nodes, the most a kernel is built for
    let mut nodes = [0_u64; WORDS];
    let word = nodes.get_mut(node as usize / 64).ok_or(Errno(libc::EINVAL))?;
    *word = 1 << (node % 64);
    // The kernel reads one bit less than it is told.
    let bits = WORDS * 64 + 1;
    // SAFETY: the kernel reads our mask; a policy changes where pages come from, not what is in them.
    check(unsafe { libc::syscall(libc::SYS_mbind, at, bytes, libc::MPOL_PREFERRED, nodes.as_ptr(), bits, 0) }).map(drop)
}

/// The node that a touched page lies on: asked of the kernel.
#[cfg(test)]
pub(crate) fn node_at(at: *const u8) -> Result<u32, Errno> {
    let mut node = 0_i32;
    const NODE_OF_ADDRESS: libc::c_int = 1 | 2; // MPOL_F_NODE | MPOL_F_ADDR of <linux/mempolicy.h>
    let no_mask = std::ptr::null_mut::<u64>();
    // SAFETY: the kernel writes one int of ours.
    check(unsafe { libc::syscall(libc::SYS_get_mempolicy, &raw mut node, no_mask, 0, at, NODE_OF_ADDRESS) })?;
    Ok(node.cast_unsigned())
}

/// Gives memory back that nobody knows of.
///
/// # Safety
/// `[at, at + bytes)` came from [`reserve`] or [`memory`] whole, and nothing refers to it.
#[cfg(not(miri))]
pub(crate) unsafe fn unmap(at: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { libc::munmap(at.cast(), bytes) };
}

// Miri has no PROT_NONE: its regions are plain allocations, which it checks all the better.
#[cfg(miri)]
pub(crate) use miri::{memory, memory as reserve, memory as reserve_counted, unmap};
#[cfg(miri)]
mod miri {
    use super::Errno;
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::sync::Mutex;

    /// Regions know their memory by number alone, which to Miri is a leak: it looks for pointers.
    static MAPPED: Mutex<Vec<Mapping>> = Mutex::new(Vec::new());
    struct Mapping(*mut u8);
    // SAFETY: nobody reads through it.
    unsafe impl Send for Mapping {}

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 4096).expect("sizes of mappings are sane")
    }
    pub(crate) fn memory(bytes: usize) -> Result<*mut u8, Errno> {
        // SAFETY: no mapping is empty.
        let at = unsafe { alloc_zeroed(layout(bytes)) };
        MAPPED.lock().unwrap().push(Mapping(at));
        Ok(at)
    }
    /// # Safety
    /// As in the native build.
    pub(crate) unsafe fn unmap(at: *mut u8, bytes: usize) {
        MAPPED.lock().unwrap().retain(|mapping| mapping.0 != at);
        // SAFETY: allocated with this layout.
        unsafe { dealloc(at, layout(bytes)) }
    }
}
