// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/lwp.h>`: threads, CPUs and software interrupts as ported kernel code knows them.

use ::psref::kxcall::{Softint, raw as kxcall};
use ::psref::vcpu::{Vcpu, raw};
use ::psref::{lwp as thread, vcpu};
use std::ffi::{c_int, c_uint, c_void};

/// A thread. Opaque; a thread's address is another's after its end at the earliest.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct lwp {
    _opaque: [u8; 0],
}

/// A virtual CPU, one for each number that a CPU can have. Made by the library alone; never freed.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct cpu_info {
    /// The CPU's number.
    pub ci_index: c_uint,
}

/// The calling thread. Never NULL.
///
/// Context: any, signal handlers too; never sleeps. Source: curlwp of NetBSD.
#[unsafe(no_mangle)]
pub extern "C" fn psref_curlwp() -> *mut lwp {
    thread::address().cast_mut().cast()
}

/// Binds the calling thread: from now on it says that it runs on one CPU, that of the virtual CPU it holds, else the one it
/// runs on now. What takes a virtual CPU takes that one until psref_curlwp_bindx(). No affinity is changed: the thread goes on
/// to run where the kernel likes.
///
/// Returns what psref_curlwp_bindx() wants back: whether it was bound already.
///
/// Context: any, signal handlers too; never sleeps. Source: curlwp_bind(9).
#[unsafe(no_mangle)]
pub extern "C" fn psref_curlwp_bind() -> c_int {
    thread::bind().into()
}

/// Ends what psref_curlwp_bind() began; `bound` is what that returned. A thread that is not bound is a fatal diagnostic.
///
/// Context: any, signal handlers too; never sleeps. Source: curlwp_bind(9).
#[unsafe(no_mangle)]
pub extern "C" fn psref_curlwp_bindx(bound: c_int) {
    thread::bindx(bound != 0);
}

/// Disables preemption, as far as ported code can tell: the calling thread takes a virtual CPU, and no other thread that wants
/// the same one goes on until psref_kpreempt_enable(). A bound thread takes the one it is bound to; others that of the CPU they
/// run on, or where that is taken any free one. Nests.
///
/// A thread that sleeps meanwhile in mutex_enter() or cv_wait() gives the virtual CPU up and takes the same one back, as in a
/// kernel, where another thread runs then; in strict mode that is a fatal diagnostic. A thread that ends with preemption
/// disabled is one always. In a forked child the calling thread keeps its own.
///
/// Context: any, signal handlers too, once this, psref_curcpu(), psref_ncpu(), percpu_alloc() or a cross-call was used outside
/// of one: the first use takes memory. Sleeps where all are taken. A wait of more than PSREF_DRAIN_WARN seconds (environment;
/// default 10) is told on standard error, with who has them, and goes on. Source: kpreempt(9).
#[unsafe(no_mangle)]
pub extern "C" fn psref_kpreempt_disable() {
    raw::kpreempt_disable();
}

/// Ends what the innermost psref_kpreempt_disable() began. Without one it is a fatal diagnostic.
///
/// Context: any, signal handlers too; never sleeps. Source: kpreempt(9).
#[unsafe(no_mangle)]
pub extern "C" fn psref_kpreempt_enable() {
    raw::kpreempt_enable();
}

/// Whether the calling thread has preemption disabled: by psref_kpreempt_disable(), a reference of percpu(9), a spin mutex, or
/// by being in a software interrupt or a cross-call. For assertions.
///
/// Context: any, signal handlers too; never sleeps. Source: kpreempt(9).
#[unsafe(no_mangle)]
pub extern "C" fn psref_kpreempt_disabled() -> bool {
    thread::is_preemption_disabled()
}

/// The virtual CPU that the calling thread has; else the one it is bound to; else that of the CPU it runs on, which may be
/// another one at once. Never NULL.
///
/// Context: as of psref_kpreempt_disable(), but never sleeps. Source: curcpu(9).
#[unsafe(no_mangle)]
pub extern "C" fn psref_curcpu() -> *mut cpu_info {
    std::ptr::from_ref(raw::curcpu()).cast_mut().cast()
}

/// The number of a CPU: 0 and up, less than psref_ncpu(). What is no CPU is a fatal diagnostic.
///
/// Context: as of psref_curcpu(). Source: cpu_index() of NetBSD.
#[unsafe(no_mangle)]
pub extern "C" fn psref_cpu_index(ci: *const cpu_info) -> c_uint {
    raw::cpu_index(ci.cast::<Vcpu>())
}

/// The CPU with a number, NULL from psref_ncpu() on.
///
/// Context: as of psref_curcpu(). Source: cpu_lookup() of NetBSD.
#[unsafe(no_mangle)]
pub extern "C" fn psref_cpu_lookup(index: c_uint) -> *mut cpu_info {
    raw::cpu_lookup(index).map_or(std::ptr::null_mut(), |cpu| std::ptr::from_ref(cpu).cast_mut().cast())
}

/// How many CPUs there are: the highest number that one can have, and one, whether it is online, allowed or missing.
///
/// Context: as of psref_curcpu(). Source: ncpu of NetBSD.
#[unsafe(no_mangle)]
pub extern "C" fn psref_ncpu() -> c_uint {
    raw::ncpu()
}

/// Whether the calling thread runs a software interrupt, or a cross-call of high priority. For assertions.
///
/// Context: any, signal handlers too; never sleeps. Source: cpu_softintr_p() of NetBSD.
#[unsafe(no_mangle)]
pub extern "C" fn psref_cpu_softintr_p() -> bool {
    thread::is_softint()
}

/// Whether the calling thread is in a hardware interrupt: false always. Signal handlers are what comes nearest, and nothing
/// tells from inside whether one runs: the program would have to say so at both ends of each.
///
/// Context: any, signal handlers too; never sleeps. Source: cpu_intr_p() of NetBSD.
#[unsafe(no_mangle)]
pub extern "C" fn psref_cpu_intr_p() -> bool {
    false
}

/// Levels of software interrupts: when several are scheduled on a CPU, the higher one runs first.
pub const PSREF_SOFTINT_CLOCK: c_uint = 0;
/// Level 1.
pub const PSREF_SOFTINT_BIO: c_uint = 1;
/// Level 2.
pub const PSREF_SOFTINT_NET: c_uint = 2;
/// Level 3.
pub const PSREF_SOFTINT_SERIAL: c_uint = 3;
/// Flag: the handler may run at the same time on several CPUs. Handlers without it never run at the same time as each other.
pub const PSREF_SOFTINT_MPSAFE: c_uint = 0x100;
/// Flag: accepted, and without a meaning here.
pub const PSREF_SOFTINT_RCPU: c_uint = 0x200;

/// Makes a software interrupt: `fn` is what psref_softint_schedule() makes run, with `arg`. `flags` is a level, and
/// PSREF_SOFTINT_MPSAFE or not; others are a fatal diagnostic, as is a NULL handler.
///
/// Handlers run in threads of the library's own, one for each CPU that the process may use, which the first call of this
/// starts. They have all signals blocked.
///
/// Returns what the other functions want, NULL with errno ENOMEM where there is no memory for it or for a thread.
///
/// Context: may sleep; not in signal handlers. Source: softint(9).
///
/// # Safety
/// The handler may be called with `arg` in any thread until psref_softint_disestablish() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_softint_establish(
    flags: c_uint,
    r#fn: Option<unsafe extern "C" fn(*mut c_void)>,
    arg: *mut c_void,
) -> *mut c_void {
    // SAFETY: the caller's promise.
    crate::or_errno(unsafe { kxcall::softint_establish(flags, r#fn, arg) })
}

/// Ends a software interrupt: waits for its handler where that runs; where it is scheduled and has not begun, it does not run
/// any more. One that was ended already is a fatal diagnostic, and so is a call in a software interrupt, in a cross-call, with
/// preemption disabled or inside a read section.
///
/// Context: may sleep; not in signal handlers, not with anything held that the handler waits for. Source: softint(9).
///
/// # Safety
/// Nobody schedules it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_softint_disestablish(si: *mut c_void) {
    kxcall::softint_disestablish(si.cast::<Softint>());
}

/// Makes the handler run soon, once, on the virtual CPU that the calling thread has, is bound to, or runs on. Where it is
/// scheduled and has not begun, nothing more is done. What the caller did before is visible to the handler.
///
/// Context: any, signal handlers too; never sleeps. In a forked child the first schedule, or cross-call of high priority, starts
/// the threads again: that one not in a signal handler. Source: softint(9).
///
/// # Safety
/// Nobody ends it meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_softint_schedule(si: *mut c_void) {
    kxcall::softint_schedule(si.cast::<Softint>());
}

const _: () = {
    // `cpu_info` is the head of a `Vcpu`.
    assert!(align_of::<cpu_info>() <= align_of::<Vcpu>() && size_of::<cpu_info>() <= size_of::<vcpu::Vcpu>());
};
