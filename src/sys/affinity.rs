// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CPUs a thread may use, and the walk over all of them that stands in for a membarrier that was refused late (R10).

use super::errno::{Errno, check};

/// Room for 8192 CPUs, what the largest kernels are built for.
const WORDS: usize = 128;

/// A set of CPU ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CpuSet([u64; WORDS]);

impl CpuSet {
    const EMPTY: CpuSet = CpuSet([0; WORDS]);

    fn only(cpu: usize) -> CpuSet {
        let mut set = Self::EMPTY;
        set.0[cpu / 64] |= 1 << (cpu % 64);
        set
    }

    pub(crate) fn has(&self, cpu: usize) -> bool {
        self.0[cpu / 64] & (1 << (cpu % 64)) != 0
    }

    fn join(&mut self, other: &CpuSet) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..WORDS * 64).filter(|&cpu| self.has(cpu))
    }
}

/// What `thread` (0: the caller) may use.
pub(crate) fn get(thread: libc::pid_t) -> Result<CpuSet, Errno> {
    let mut set = CpuSet::EMPTY;
    let bytes = size_of_val(&set.0);
    // SAFETY: the kernel writes at most `bytes` into our array.
    check(unsafe { libc::syscall(libc::SYS_sched_getaffinity, thread, bytes, set.0.as_mut_ptr()) })?;
    Ok(set)
}

/// Lets the calling thread run on `set` alone; when this returns it does.
pub(crate) fn set(set: &CpuSet) -> Result<(), Errno> {
    // SAFETY: the kernel reads our array.
    check(unsafe { libc::syscall(libc::SYS_sched_setaffinity, 0, size_of_val(&set.0), set.0.as_ptr()) }).map(drop)
}

/// Runs for a moment on every CPU that a thread of this process may use: whoever ran there was preempted, so its section
/// was restarted and its stores are visible. An error: some CPU could not be visited, so nothing is known.
pub(crate) fn walk() -> Result<(), Errno> {
    let mine = get(0)?;
    let visited = everybody().and_then(|all| all.iter().try_for_each(|cpu| set(&CpuSet::only(cpu))));
    set(&mine)?;
    visited
}

/// The union over all threads. A thread born meanwhile inherits the mask of one that is in it.
fn everybody() -> Result<CpuSet, Errno> {
    let mut all = get(0)?;
    let unknown = |e: std::io::Error| Errno(e.raw_os_error().unwrap_or(libc::EIO));
    for entry in std::fs::read_dir("/proc/self/task").map_err(unknown)? {
        let name = entry.map_err(unknown)?.file_name();
        let thread = name.to_str().and_then(|n| n.parse().ok()).ok_or(Errno(libc::EIO))?;
        match get(thread) {
            Ok(set) => all.join(&set),
            Err(Errno(libc::ESRCH)) => {} // gone meanwhile
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn the_walk_gives_the_mask_back() {
        let before = get(0).unwrap();
        walk().unwrap();
        assert_eq!(get(0).unwrap(), before);
    }
}
