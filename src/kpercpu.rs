// SPDX-License-Identifier: MIT OR Apache-2.0
//! percpu(9) for ported kernel code: memory of which every possible CPU has its own, on its NUMA node, and which is a thread's alone
//! between getref and putref, even where the kernel preempts the thread. New code counts and claims in `percpu`, which costs no
//! atomic instruction.
//!
//! U1. A CPU's part lies at `base + cpu * stride` from create to free, and does not move.
//! U2. Between getref and putref the thread has the virtual CPU whose part it got.
//!
//! Source of the interface: NetBSD's percpu(9).
#![doc(hidden)]

use crate::diag::fatal;
use crate::percpu::region::{self, Piece};
use crate::percpu::runtime;
use crate::stable::{Pool, Stable};
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::sync::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use crate::sys::{STRIPE_SHIFT, map, process};
use crate::vcpu::{self, Vcpu};
use crate::{kxcall, lwp, strict, thread};
use std::ffi::c_void;

/// `percpu_callback_t`: a CPU's part, the caller's argument, the CPU.
pub type Callback = unsafe extern "C" fn(*mut c_void, *mut c_void, *mut Vcpu);

/// `percpu_t`.
pub struct Percpu {
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | 0 | never used | create: `LIVE` |
    /// | `LIVE` | in use | free: `DEAD` |
    /// | `DEAD` | freed, poison | create: `LIVE` |
    state: AtomicU32,
    /// What create was asked for.
    size: AtomicUsize,
    base: AtomicUsize,
    stride: AtomicUsize,
    /// What free calls for each part, or 0; and its argument.
    destructor: AtomicUsize,
    cookie: AtomicPtr<c_void>,
}

const LIVE: u32 = 1;
const DEAD: u32 = 0xdead;

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for Percpu {}

static ALL: Pool<Percpu> = Pool::new();

/// What does not fit into a stripe gets a mapping of its own, each part on pages of its own.
const LARGEST_SHARED: usize = 1 << (STRIPE_SHIFT - 1);

/// Address of the first part and the distance between two; zeroed.
fn memory(size: usize) -> Result<(usize, usize), Errno> {
    let runtime = runtime::try_get()?;
    if size <= LARGEST_SHARED {
        return Ok((region::alloc(size)?.base, 1 << STRIPE_SHIFT));
    }
    let stride = size.checked_next_multiple_of(map::page()).ok_or(ENOMEM)?;
    let bytes = stride.checked_mul(runtime.cpus()).filter(|&bytes| bytes <= isize::MAX as usize).ok_or(ENOMEM)?;
    let at = map::memory(bytes)?;
    for cpu in (0..runtime.cpus()).filter(|_| runtime.is_numa()) {
        if let Some(node) = runtime.node_of(cpu) {
            // A preference: a kernel that refuses it leaves first touch.
            // SAFETY: inside the fresh mapping.
            let _ = unsafe { map::prefer_node(at.add(cpu * stride), stride, node) };
        }
    }
    Ok((at.expose_provenance(), stride))
}

/// Gives [`memory`] back.
///
/// # Safety
/// It came from there, for this size, and nobody uses it any more.
unsafe fn forget(base: usize, stride: usize, size: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if size <= LARGEST_SHARED {
            region::free(Piece::of_bytes(base, size));
        } else {
            map::unmap(std::ptr::with_exposed_provenance_mut(base), stride * vcpu::all().count());
        }
    }
}

impl Percpu {
    fn part(&self, cpu: usize) -> *mut c_void {
        // Relaxed: published by the state.
        let (base, stride) = (self.base.load(Ordering::Relaxed), self.stride.load(Ordering::Relaxed));
        std::ptr::with_exposed_provenance_mut(base + cpu * stride)
    }

    /// # Safety
    /// The callback may be called so.
    unsafe fn each(&self, callback: Callback, argument: *mut c_void) {
        let all = vcpu::all();
        for cpu in 0..all.count() {
            let vcpu = std::ptr::from_ref(all.at(cpu)).cast_mut();
            // SAFETY: the caller's promise.
            unsafe { callback(self.part(cpu), argument, vcpu) };
        }
    }
}

/// One that is in use; else a fatal diagnostic.
fn check(who: &str, pc: *const Percpu) -> &'static Percpu {
    if !ALL.contains(pc) {
        fatal(format_args!("{who}: {pc:p} is no percpu_t; expected what percpu_alloc or percpu_create returned"));
    }
    // SAFETY: one of the pool's; they are type-stable.
    let pc = unsafe { &*pc };
    if pc.state.load(Ordering::Acquire) != LIVE {
        dead(who, pc);
    }
    pc
}

#[cold]
fn dead(who: &str, pc: *const Percpu) -> ! {
    fatal(format_args!("{who}: percpu {pc:p}: already freed"))
}

/// `percpu_create`, and without a constructor `percpu_alloc`.
///
/// # Safety
/// The constructor may be called with each part, the cookie and its CPU; the destructor too, when it is freed.
pub unsafe fn create(
    size: usize,
    constructor: Option<Callback>,
    destructor: Option<Callback>,
    cookie: *mut c_void,
) -> Result<&'static Percpu, Errno> {
    let (base, stride) = memory(size)?;
    // Before a handler is the first: making them takes memory.
    let _ = thread::prepare();
    vcpu::all();
    let pc = ALL.take().inspect_err(|_| {
        // SAFETY: nobody knows of it.
        unsafe { forget(base, stride, size) }
    })?;
    // Relaxed: published by the state.
    pc.size.store(size, Ordering::Relaxed);
    pc.base.store(base, Ordering::Relaxed);
    pc.stride.store(stride, Ordering::Relaxed);
    pc.destructor.store(destructor.map_or(0, |f| f as usize), Ordering::Relaxed);
    pc.cookie.store(cookie, Ordering::Relaxed);
    if let Some(constructor) = constructor {
        // SAFETY: the caller's promise.
        unsafe { pc.each(constructor, cookie) };
    }
    pc.state.store(LIVE, Ordering::Release);
    Ok(pc)
}

/// The same for C, which cannot learn of an error.
///
/// # Safety
/// As of [`create`].
pub unsafe fn create_or_die(
    who: &str,
    size: usize,
    constructor: Option<Callback>,
    destructor: Option<Callback>,
    cookie: *mut c_void,
) -> &'static Percpu {
    strict::assert_sleepable(who);
    // SAFETY: the caller's promise.
    unsafe { create(size, constructor, destructor, cookie) }.unwrap_or_else(|error| {
        fatal(format_args!(
            "{who}: no memory for {size} bytes on each CPU (errno {}), and percpu(9) cannot fail: its callers do not look",
            error.0 // its text would take memory
        ))
    })
}

/// `percpu_free`. Another size than create was asked for is a fatal diagnostic.
///
/// # Safety
/// Nobody uses it any more.
pub unsafe fn free(pc: *const Percpu, size: usize) {
    const WHO: &str = "percpu_free";
    strict::assert_sleepable(WHO);
    let pc = check(WHO, pc);
    let asked = pc.size.load(Ordering::Relaxed);
    if asked != size {
        fatal(format_args!("{WHO}: percpu {:p}: size {size}, expected {asked}, as allocated", &raw const *pc));
    }
    if pc.state.compare_exchange(LIVE, DEAD, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        dead(WHO, pc);
    }
    let destructor = pc.destructor.load(Ordering::Relaxed);
    if destructor != 0 {
        // SAFETY: stored by `create`, whose caller promised.
        unsafe {
            pc.each(
                std::mem::transmute::<*const (), Callback>(std::ptr::with_exposed_provenance(destructor)),
                pc.cookie.load(Ordering::Relaxed),
            )
        };
    }
    // SAFETY: the caller's promise; `create` stored what `memory` answered.
    unsafe {
        forget(pc.base.load(Ordering::Relaxed), pc.stride.load(Ordering::Relaxed), asked);
        ALL.give(pc);
    }
}

/// `percpu_getref`: the part of the virtual CPU that the thread has from now on (U2). Sleeps where all are taken.
///
/// # Safety
/// `pc` is null or came from [`create`].
pub unsafe fn getref(pc: *const Percpu) -> *mut c_void {
    const WHO: &str = "percpu_getref";
    // SAFETY: the caller's promise; they are type-stable.
    let Some(pc) = (unsafe { pc.as_ref() }) else { fatal(format_args!("{WHO}: the percpu_t is NULL")) };
    if pc.state.load(Ordering::Acquire) != LIVE {
        dead(WHO, pc);
    }
    let cpu = vcpu::disable();
    let references = &lwp::words().references;
    // Relaxed: the thread's own.
    references.store(references.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    pc.part(cpu)
}

/// `percpu_putref`. In a thread without a reference it is a fatal diagnostic.
///
/// # Safety
/// `pc` is null or came from [`create`].
pub unsafe fn putref(pc: *const Percpu) {
    const WHO: &str = "percpu_putref";
    // SAFETY: the caller's promise; they are type-stable.
    let Some(pc) = (unsafe { pc.as_ref() }) else { fatal(format_args!("{WHO}: the percpu_t is NULL")) };
    if pc.state.load(Ordering::Acquire) != LIVE {
        dead(WHO, pc);
    }
    let references = &lwp::words().references;
    let Some(left) = references.load(Ordering::Relaxed).checked_sub(1) else {
        fatal(format_args!(
            "{WHO}: percpu {:p}: thread {} has no reference; expected percpu_getref before, in the same thread",
            &raw const *pc,
            process::thread_id()
        ))
    };
    references.store(left, Ordering::Relaxed);
    vcpu::enable(WHO);
}

fn callback(who: &str, callback: Option<Callback>) -> Callback {
    callback.unwrap_or_else(|| fatal(format_args!("{who}: the callback is NULL")))
}

/// `percpu_foreach`: calls for every part, in the calling thread, without the virtual CPU.
///
/// # Safety
/// The callback may be called so.
pub unsafe fn foreach(pc: *const Percpu, f: Option<Callback>, argument: *mut c_void) {
    const WHO: &str = "percpu_foreach";
    // SAFETY: the caller's promise.
    unsafe { check(WHO, pc).each(callback(WHO, f), argument) };
}

/// `percpu_foreach_xcall`: calls for every part in a cross-call, one CPU after the other.
///
/// # Safety
/// The callback may be called so, in any thread.
pub unsafe fn foreach_xcall(pc: *const Percpu, flags: u32, f: Option<Callback>, argument: *mut c_void) {
    struct Visit {
        pc: &'static Percpu,
        callback: Callback,
        argument: *mut c_void,
    }
    unsafe extern "C" fn visit(this: *mut c_void, cpu: *mut c_void) {
        let (this, cpu) = (this.cast::<Visit>(), cpu.cast::<Vcpu>());
        // SAFETY: the visit lives until every call has ended; the CPU is one.
        let (Visit { pc, callback, argument }, index) =
            unsafe { (&*this, vcpu::raw::cpu_index(&raw const *cpu) as usize) };
        // SAFETY: the caller's promise.
        unsafe { callback(pc.part(index), *argument, cpu) };
    }
    const WHO: &str = "percpu_foreach_xcall";
    let mut this = Visit { pc: check(WHO, pc), callback: callback(WHO, f), argument };
    // SAFETY: the caller's promise.
    unsafe { kxcall::raw::on_each(WHO, flags, visit, (&raw mut this).cast()) };
}

/// `percpu_getptr_remote`: a CPU's part, for whoever knows that nobody else is at it.
pub fn remote(pc: *const Percpu, cpu: *const Vcpu) -> *mut c_void {
    const WHO: &str = "percpu_getptr_remote";
    check(WHO, pc).part(vcpu::raw::number_of(WHO, cpu))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null_mut;

    unsafe extern "C" fn add(part: *mut c_void, sum: *mut c_void, _: *mut Vcpu) {
        // SAFETY: both are words of the test's; nobody else is at them.
        unsafe { *sum.cast::<u64>() += *part.cast::<u64>() };
    }

    fn sum(pc: &'static Percpu) -> u64 {
        let mut sum = 0_u64;
        // SAFETY: no thread has a reference.
        unsafe { foreach(pc, Some(add), (&raw mut sum).cast()) };
        sum
    }

    #[test]
    fn what_a_reference_leads_to_is_the_threads_alone() {
        let (threads, turns) = if cfg!(miri) { (3, 30) } else { (8, 50_000) };
        // SAFETY: no callbacks.
        let pc = unsafe { create(8, None, None, null_mut()) }.unwrap();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..turns {
                        // SAFETY: U2.
                        unsafe {
                            *getref(pc).cast::<u64>() += 1;
                            putref(pc);
                        }
                    }
                });
            }
        });
        assert_eq!(sum(pc), threads * turns);
        // SAFETY: nobody uses it.
        unsafe { free(pc, 8) };
    }

    #[test]
    #[cfg_attr(miri, ignore = "bytes written where words are accessed: Miri's weak memory knows one size a place")]
    fn parts_are_zero_and_apart_whatever_their_size() {
        for size in [0, 1, 8, 24, 4096, LARGEST_SHARED, LARGEST_SHARED + 1, 1 << 20] {
            for _ in 0..2 {
                // SAFETY: no callbacks.
                let pc = unsafe { create(size, None, None, null_mut()) }.unwrap();
                let all = vcpu::all();
                for cpu in 0..all.count() {
                    let part = remote(pc, all.at(cpu)).cast::<u8>();
                    assert!(size < 16 || part.addr() % 16 == 0);
                    // SAFETY: the part is this test's alone.
                    let bytes = unsafe { std::slice::from_raw_parts_mut(part, size) };
                    assert!(bytes.iter().all(|&byte| byte == 0));
                    bytes.fill(0xff);
                }
                // SAFETY: nobody uses it.
                unsafe { free(pc, size) };
            }
        }
    }

    #[test]
    fn more_than_the_machine_has_is_refused() {
        for size in [usize::MAX, usize::MAX / 2, isize::MAX as usize - 4096] {
            // SAFETY: no callbacks.
            assert_eq!(unsafe { create(size, None, None, null_mut()) }.err(), Some(ENOMEM));
        }
    }
}
