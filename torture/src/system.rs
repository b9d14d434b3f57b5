// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the torture asks of the system that the standard library has no words for. One function a thing.
#![allow(clippy::disallowed_methods, reason = "plays the C library, the debugger and the operator")]

use std::time::Duration;

/// The calling thread's id.
pub fn tid() -> i32 {
    // SAFETY: no arguments.
    unsafe { libc::gettid() }
}

/// Milliseconds of CLOCK_MONOTONIC. In signal handlers too.
pub fn now() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes into our structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

/// Lets time pass, less of it where a signal comes: the rhythm of faults. Nothing is lined up by it.
pub fn pass(time: Duration) {
    let time = libc::timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    // SAFETY: reads our structure.
    unsafe { libc::nanosleep(&raw const time, std::ptr::null_mut()) };
}

/// CPUs that the process may use.
pub fn cpus() -> Vec<usize> {
    // SAFETY: a zeroed set is a value; the kernel writes it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(libc::getpid(), size_of_val(&set), &raw mut set);
        (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &set)).collect()
    }
}

/// Lets the calling thread run on these CPUs alone.
pub fn run_on(cpus: &[usize]) {
    // SAFETY: as above; the kernel reads it. A CPU that went away meanwhile leaves the thread where it is.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cpus.iter().for_each(|&cpu| libc::CPU_SET(cpu, &mut set));
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

/// Sends a signal to one thread of this process; false: there is none.
pub fn signal(tid: i32, signal: i32) -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, signal) == 0 }
}

/// One membarrier; false: refused.
pub fn membarrier(command: i32) -> bool {
    // SAFETY: takes no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Takes the calling thread's rseq registration back, as if the C library had never made it; false: there is none, or
/// it could not be had.
pub fn unregister_rseq() -> bool {
    const UNREGISTER: i32 = 1;
    const SIGNATURE: u32 = 0x5305_3053;
    // SAFETY: looks a name up.
    let offset = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()) }.cast::<isize>();
    if offset.is_null() || !cfg!(target_arch = "x86_64") {
        return false;
    }
    // SAFETY: on x86-64 a thread's pthread_t is its thread pointer; glibc's offset is relative to that. The kernel forgets
    // the area. The size is what the C library registered: 32, or more.
    unsafe {
        let area = (libc::pthread_self() as usize).wrapping_add_signed(*offset);
        [32_usize, 28, 24, 20, 64, 128]
            .into_iter()
            .any(|size| libc::syscall(libc::SYS_rseq, area, size, UNREGISTER, SIGNATURE) == 0)
    }
}

/// From now on the kernel refuses membarrier to every thread of the process; false: no such filter can be had.
pub fn refuse_membarrier() -> bool {
    const fn op(code: u32, jt: u8, jf: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt, jf, k }
    }
    // The number of the call is the first word of what a filter looks at.
    let filter = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_membarrier as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: reads our program.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                libc::SECCOMP_FILTER_FLAG_TSYNC,
                &raw const program,
            ) == 0
    }
}

/// Address space without access.
pub fn reserve(bytes: usize) -> *mut u8 {
    // SAFETY: a new mapping.
    let at = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0)
    };
    assert_ne!(at, libc::MAP_FAILED, "no {bytes} bytes of address space");
    at.cast()
}

/// Opens a page, all zero, or takes it away.
///
/// # Safety
/// The page is part of what [`reserve`] gave, and nobody uses it whom this would surprise.
pub unsafe fn open(at: *mut u8, bytes: usize, accessible: bool) {
    // SAFETY: the caller's promise.
    let done = unsafe {
        let access = if accessible { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_NONE };
        if !accessible {
            libc::madvise(at.cast(), bytes, libc::MADV_DONTNEED);
        }
        libc::mprotect(at.cast(), bytes, access)
    };
    assert_eq!(done, 0, "mprotect: {}", std::io::Error::last_os_error());
}

/// Installs a handler that is told where, on the thread's own signal stack, if it has one.
pub fn handle(signal: i32, handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void), flags: i32) {
    // SAFETY: a zeroed action is a value, and the handler is one.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | flags;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}
