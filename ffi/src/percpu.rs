// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/percpu.h>`: per-CPU memory, percpu(9).

use ::psref::kpercpu::{self, Callback, Percpu};
use ::psref::vcpu::Vcpu;
use std::ffi::{c_uint, c_void};

/// A CPU of `<psref/lwp.h>`.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct cpu_info {
    _opaque: [u8; 0],
}

/// Memory of which every CPU has its own part.
#[allow(non_camel_case_types)]
pub struct percpu {
    _opaque: [u8; 0],
}

/// Memory of which every CPU has its own part.
#[allow(non_camel_case_types)]
pub type percpu_t = percpu;

/// What is called for a CPU: `p` is its part, `arg` the caller's, `ci` the CPU.
#[allow(non_camel_case_types)]
pub type percpu_callback_t = Option<unsafe extern "C" fn(p: *mut c_void, arg: *mut c_void, ci: *mut cpu_info)>;

/// The same with the name that the core has for CPUs.
fn callback(f: percpu_callback_t) -> Option<Callback> {
    // SAFETY: pointers to functions that differ in the name of what an argument points to.
    f.map(|f| unsafe {
        std::mem::transmute::<unsafe extern "C" fn(*mut c_void, *mut c_void, *mut cpu_info), Callback>(f)
    })
}

/// Allocates `size` bytes for every CPU that is possible, each on its CPU's NUMA node, all zero. Two CPUs' parts share no cache
/// line. Parts do not move. A part is aligned for its size, up to 16 bytes at least.
///
/// Any size. Parts of more than 32 KiB take pages of their own. Where there is no memory: a fatal diagnostic, for this never
/// returns NULL and its callers do not look.
///
/// Context: may sleep; not in signal handlers. Source: percpu(9).
#[unsafe(no_mangle)]
pub extern "C" fn percpu_alloc(size: usize) -> *mut percpu_t {
    // SAFETY: no callbacks.
    let made = unsafe { kpercpu::create_or_die("percpu_alloc", size, None, None, std::ptr::null_mut()) };
    std::ptr::from_ref(made).cast_mut().cast()
}

/// The same, and calls `ctor` for every part before this returns; percpu_free() calls `dtor`. Either may be NULL. Both get
/// `cookie`, and run in the calling thread. (NetBSD's constructor sees another address than later users; here it is the same.)
///
/// Context: as of percpu_alloc(). Source: percpu(9).
///
/// # Safety
/// The functions may be called so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn percpu_create(
    size: usize,
    ctor: percpu_callback_t,
    dtor: percpu_callback_t,
    cookie: *mut c_void,
) -> *mut percpu_t {
    // SAFETY: the caller's promise.
    let made = unsafe { kpercpu::create_or_die("percpu_create", size, callback(ctor), callback(dtor), cookie) };
    std::ptr::from_ref(made).cast_mut().cast()
}

/// Frees it; calls the destructor for every part first. Another `size` than it was allocated with, something that is no
/// percpu_t and one freed already are fatal diagnostics.
///
/// Context: may sleep; not in signal handlers. Source: percpu(9).
///
/// # Safety
/// Nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn percpu_free(pc: *mut percpu_t, size: usize) {
    // SAFETY: the caller's promise.
    unsafe { kpercpu::free(pc.cast::<Percpu>(), size) }
}

/// The part of one CPU, which is the calling thread's alone until percpu_putref(), though the kernel preempts or migrates the
/// thread: it takes the virtual CPU, as psref_kpreempt_disable() does. Nests: inside, the same CPU's part of everything is the
/// thread's. Do not sleep meanwhile: in mutex_enter() and cv_wait() others get at the part.
///
/// Handlers of signals that come meanwhile get the same part: they are not kept out. NULL and one freed already are fatal
/// diagnostics.
///
/// Context: any, signal handlers too; sleeps where all virtual CPUs are taken. Source: percpu(9).
///
/// # Safety
/// `pc` came from percpu_alloc() or percpu_create().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn percpu_getref(pc: *mut percpu_t) -> *mut c_void {
    // SAFETY: the caller's promise.
    unsafe { kpercpu::getref(pc.cast::<Percpu>()) }
}

/// Ends what percpu_getref() began, in the same thread. A thread without a reference is a fatal diagnostic.
///
/// Context: any, signal handlers too; never sleeps. Source: percpu(9).
///
/// # Safety
/// As of percpu_getref().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn percpu_putref(pc: *mut percpu_t) {
    // SAFETY: the caller's promise.
    unsafe { kpercpu::putref(pc.cast::<Percpu>()) }
}

/// Calls a function for every CPU's part, in the calling thread. Others may be at the parts meanwhile: percpu_foreach_xcall()
/// keeps them out.
///
/// Context: any where what `cb` does may be done. Source: percpu(9).
///
/// # Safety
/// The function may be called so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn percpu_foreach(pc: *mut percpu_t, cb: percpu_callback_t, arg: *mut c_void) {
    // SAFETY: the caller's promise.
    unsafe { kpercpu::foreach(pc.cast::<Percpu>(), callback(cb), arg) }
}

/// Calls a function for every CPU's part by xc_unicast() with these flags, one after the other, and waits for each: nobody
/// else has a reference to the part meanwhile.
///
/// Context: as of xc_broadcast() and xc_wait(). Source: percpu(9).
///
/// # Safety
/// The function may be called so, in any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn percpu_foreach_xcall(
    pc: *mut percpu_t,
    xcflags: c_uint,
    cb: percpu_callback_t,
    arg: *mut c_void,
) {
    // SAFETY: the caller's promise.
    unsafe { kpercpu::foreach_xcall(pc.cast::<Percpu>(), xcflags, callback(cb), arg) }
}

/// For code that goes through parts by percpu_getptr_remote(). Does nothing: parts do not move.
///
/// Context: any. Source: percpu(9).
#[unsafe(no_mangle)]
pub extern "C" fn percpu_traverse_enter() {}

/// Ends what percpu_traverse_enter() began.
///
/// Context: any. Source: percpu(9).
#[unsafe(no_mangle)]
pub extern "C" fn percpu_traverse_exit() {}

/// The part of a CPU. Nothing keeps others out. What is no CPU and no percpu_t is a fatal diagnostic.
///
/// Context: any; never sleeps. Source: percpu(9).
///
/// # Safety
/// `pc` is not freed meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn percpu_getptr_remote(pc: *mut percpu_t, ci: *mut cpu_info) -> *mut c_void {
    kpercpu::remote(pc.cast::<Percpu>(), ci.cast::<Vcpu>())
}

/// Called by a kernel's start-up. Does nothing.
///
/// Context: any. Source: percpu(9).
#[unsafe(no_mangle)]
pub extern "C" fn percpu_init() {}

/// Called by a kernel when it attaches a CPU. Does nothing: every possible CPU has its parts from the start.
///
/// Context: any. Source: percpu(9).
#[unsafe(no_mangle)]
pub extern "C" fn percpu_init_cpu(ci: *mut cpu_info) {
    let _ = ci;
}
