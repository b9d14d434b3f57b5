// SPDX-License-Identifier: MIT OR Apache-2.0
//! The CPUs a thread may use, and the walk over all of them that stands in for a membarrier that was refused late (R10).

use super::errno::{Errno, check};

/// Room for 8192 CPUs, what the largest kernels are built for.
const WORDS: usize = 128;

/// A set of CPU ids.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CpuSet([u64; WORDS]);

impl CpuSet {
    pub(crate) const EMPTY: CpuSet = CpuSet([0; WORDS]);

    pub(crate) fn only(cpu: usize) -> CpuSet {
        let mut set = Self::EMPTY;
        set.0[cpu / 64] |= 1 << (cpu % 64);
        set
    }

    pub(crate) fn has(&self, cpu: usize) -> bool {
        self.0[cpu / 64] & (1 << (cpu % 64)) != 0
    }

    pub(crate) fn join(&mut self, other: &CpuSet) {
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

/// What the process may use: the union over all threads, of the caller's alone where there is no /proc.
pub(crate) fn of_process() -> Result<CpuSet, Errno> {
    if cfg!(miri) {
        return Ok(CpuSet::only(0));
    }
    everybody().or_else(|_| get(0))
}

/// The union over all threads. A thread born meanwhile inherits the mask of one that is in it. Allocates nothing: a recall in a
/// signal handler that interrupted malloc may come here (R13).
fn everybody() -> Result<CpuSet, Errno> {
    let mut all = get(0)?;
    for_each_thread(|thread| {
        match get(thread) {
            Ok(set) => all.join(&set),
            Err(Errno(libc::ESRCH)) => {} // gone meanwhile
            Err(e) => return Err(e),
        }
        Ok(())
    })?;
    Ok(all)
}

/// Calls `f` with every thread of this process, until it answers an error.
fn for_each_thread(mut f: impl FnMut(libc::pid_t) -> Result<(), Errno>) -> Result<(), Errno> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    // SAFETY: a terminated path.
    let directory = check(unsafe { libc::open(c"/proc/self/task".as_ptr(), flags) }.into())?;
    let answer = each_entry(directory, |name| {
        if name.starts_with(b".") {
            return Ok(());
        }
        let number = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
        f(number.ok_or(Errno(libc::EIO))?)
    });
    // SAFETY: opened above.
    unsafe { libc::close(directory as libc::c_int) };
    answer
}

/// Calls `f` with the name of every entry of an open directory, until it answers an error.
fn each_entry(directory: libc::c_long, mut f: impl FnMut(&[u8]) -> Result<(), Errno>) -> Result<(), Errno> {
    /// What the kernel writes: two numbers of 8 bytes, the entry's length, a type of 1 byte, the name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;
    let mut bytes = [0_u8; 2048];
    loop {
        // SAFETY: the kernel writes at most as many bytes as there are.
        let n = check(unsafe { libc::syscall(libc::SYS_getdents64, directory, bytes.as_mut_ptr(), bytes.len()) })?;
        let mut entries = &bytes[..n as usize];
        if entries.is_empty() {
            return Ok(());
        }
        while entries.len() > NAME {
            let length = usize::from(u16::from_ne_bytes([entries[LENGTH], entries[LENGTH + 1]]));
            let Some((entry, rest)) = entries.split_at_checked(length) else { return Err(Errno(libc::EIO)) };
            let Some(name) = entry.get(NAME..) else { return Err(Errno(libc::EIO)) };
            let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            f(&name[..end])?;
            entries = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn every_thread_is_there_once() {
        const MORE: usize = 200; // more than one read of the directory gives
        let all_there = std::sync::Barrier::new(MORE + 1);
        std::thread::scope(|scope| {
            for _ in 0..MORE {
                scope.spawn(|| {
                    all_there.wait();
                    all_there.wait();
                });
            }
            all_there.wait();
            let mut seen = Vec::new();
            for_each_thread(|thread| {
                seen.push(thread);
                Ok(())
            })
            .unwrap();
            all_there.wait();
            let n = seen.len();
            seen.sort_unstable();
            seen.dedup();
            assert!(n > MORE && seen.len() == n, "{n} threads, {} of them different", seen.len());
        });
    }

    #[test]
    #[cfg_attr(miri, ignore = "asks the kernel")]
    fn the_walk_gives_the_mask_back() {
        let before = get(0).unwrap();
        walk().unwrap();
        assert_eq!(get(0).unwrap(), before);
    }
}
