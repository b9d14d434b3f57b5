// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/xcall.h>`: cross-calls, xcall(9).

use ::psref::kxcall::raw;
use ::psref::vcpu::Vcpu;
use std::ffi::{c_int, c_uint, c_void};

/// A CPU of `<psref/lwp.h>`.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct cpu_info {
    _opaque: [u8; 0],
}

/// In flags: the function must not sleep, and runs as a software interrupt does.
pub const XC_HIGHPRI: c_uint = 1;

const _: () = assert!(XC_HIGHPRI == raw::HIGHPRI);

/// What runs on a CPU.
#[allow(non_camel_case_types)]
pub type xcfunc_t = Option<unsafe extern "C" fn(arg1: *mut c_void, arg2: *mut c_void)>;

/// Makes `func` run on every possible CPU, once each, with that virtual CPU taken: no other thread has preemption disabled
/// there, holds a reference of percpu(9) or runs a software interrupt. Read sections that were open when this was called have
/// ended before. What the caller did before is visible to the function.
///
/// Functions run in threads of the library's own, one for each CPU that the process may use, which the first call starts; those
/// run it for the other CPUs too. They have all signals blocked and take none of the caller's locks. With flags 0 the function may
/// sleep; while it does in a function of this library its CPU is not taken. With XC_HIGHPRI or XC_HIGHPRI_IPL() it must not:
/// psref_cpu_softintr_p() is true.
///
/// Of either kind one call is under way at a time; the next waits here. Other flags, a NULL function and a call in a software
/// interrupt, in a cross-call, with preemption disabled (a spin mutex, a reference) or inside a read section are fatal
/// diagnostics, and so is a thread that cannot be started.
///
/// Returns a ticket for xc_wait().
///
/// Context: may sleep; not in signal handlers; with adaptive mutexes held that no such function takes. Costs a grace period.
/// Source: xcall(9).
///
/// # Safety
/// The function may be called so in any thread until xc_wait() returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xc_broadcast(flags: c_uint, func: xcfunc_t, arg1: *mut c_void, arg2: *mut c_void) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { raw::broadcast(flags, func, arg1, arg2) }
}

/// As xc_broadcast(), on one CPU. What is no CPU is a fatal diagnostic.
///
/// Context: as of xc_broadcast(). Source: xcall(9).
///
/// # Safety
/// As of xc_broadcast().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xc_unicast(
    flags: c_uint,
    func: xcfunc_t,
    arg1: *mut c_void,
    arg2: *mut c_void,
    ci: *mut cpu_info,
) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { raw::unicast(flags, func, arg1, arg2, ci.cast::<Vcpu>()) }
}

/// Waits until a call is done: its function has returned everywhere, and what it did is visible. Tickets may be waited for
/// late, more than once, by any thread, or not at all. One that was never given out is a fatal diagnostic, and so is a wait
/// where xc_broadcast() is.
///
/// A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error, with the CPUs that it waits
/// for, and goes on. In a forked child, calls of other threads are done; one of the thread that forked runs again where it had
/// not returned.
///
/// Context: may sleep; not in signal handlers; with adaptive mutexes held that no such function takes. Source: xcall(9).
#[unsafe(no_mangle)]
pub extern "C" fn xc_wait(ticket: u64) {
    raw::wait(ticket);
}

/// Waits until every CPU has passed through the caller's hands: sections with preemption disabled, references of percpu(9),
/// software interrupts and read sections that were there when this was called have ended. XC_HIGHPRI and XC_HIGHPRI_IPL() wait
/// for no fewer.
///
/// Context: as of xc_broadcast(). pserialize_perform() waits for read sections alone, and needs no threads. Source: xcall(9).
#[unsafe(no_mangle)]
pub extern "C" fn xc_barrier(flags: c_uint) {
    raw::barrier(flags);
}

/// What XC_HIGHPRI_IPL() adds to XC_HIGHPRI: a soft level, from IPL_SOFTCLOCK to IPL_SOFTSERIAL. Others are a fatal diagnostic.
///
/// Context: any; never sleeps. Source: xcall(9).
#[unsafe(no_mangle)]
pub extern "C" fn xc_encode_ipl(ipl: c_int) -> c_uint {
    raw::encode_ipl(ipl)
}
