// SPDX-License-Identifier: MIT OR Apache-2.0
//! membarrier(2), private expedited with restart of sections: when it returns, every section that was in flight on any
//! CPU of this process has been restarted and every store made before the call is visible there.

use super::errno::{Errno, check};
use std::sync::atomic::{AtomicU32, Ordering};

const QUERY: libc::c_int = 0;
#[cfg(feature = "inject")]
const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
#[cfg(feature = "inject")]
const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;
const PRIVATE_EXPEDITED_RSEQ: libc::c_int = 1 << 7;
const REGISTER_PRIVATE_EXPEDITED_RSEQ: libc::c_int = 1 << 8;

/// How often one barrier is issued: 2 where the kernel may lose a restart (R16), else 1.
static TIMES: AtomicU32 = AtomicU32::new(1);

fn call(command: libc::c_int) -> Result<libc::c_long, Errno> {
    // SAFETY: membarrier takes no pointers.
    check(unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) })
}

/// Registers this process's intent. An error means that the kernel, or a filter, has no such barrier for us.
pub(crate) fn register(kernel: (u32, u32)) -> Result<(), Errno> {
    let known = call(QUERY)? as libc::c_int;
    if known & PRIVATE_EXPEDITED_RSEQ == 0 {
        return Err(Errno(libc::EINVAL));
    }
    call(REGISTER_PRIVATE_EXPEDITED_RSEQ)?;
    // R16: before 6.18 a restart can get lost in a race of the kernel's own; twice narrows the window, it is not proof.
    // Relaxed: written before the back end is published, and either value is correct.
    TIMES.store(if kernel < (6, 18) { 2 } else { 1 }, Ordering::Relaxed);
    // Asked once here, so that a filter which only refuses the command itself is noticed now.
    call(PRIVATE_EXPEDITED_RSEQ).map(drop)
}

/// One barrier with restart. Its answer is checked at every call (R10); the caller must not go on after an error.
pub(crate) fn restart_all() -> Result<(), Errno> {
    #[cfg(feature = "inject")]
    match super::inject::barrier() {
        super::inject::Barrier::Full => {}
        super::inject::Barrier::None => return Ok(()),
        super::inject::Barrier::WithoutRestart => {
            call(REGISTER_PRIVATE_EXPEDITED)?;
            return call(PRIVATE_EXPEDITED).map(drop);
        }
        super::inject::Barrier::Refused => return Err(Errno(libc::EPERM)),
    }
    for _ in 0..TIMES.load(Ordering::Relaxed) {
        match call(PRIVATE_EXPEDITED_RSEQ) {
            Ok(_) => {}
            // The registration belongs to the address space; a child made by a raw clone may have to repeat it.
            Err(Errno(libc::EPERM)) => {
                call(REGISTER_PRIVATE_EXPEDITED_RSEQ)?;
                call(PRIVATE_EXPEDITED_RSEQ)?;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
