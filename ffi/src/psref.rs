// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<psref/psref.h>`: passive references, psref(9).

use ::psref::psref::entry::{acquire_slow, copy_from, release_slow, release_wake};
use ::psref::psref::raw::{self, ClassState, Hold, TargetState};
use libc::{FILE, timespec};
use std::ffi::{c_char, c_int, c_void};

/// A class of targets: the slots of their holds. Opaque.
// Without repr(C): so cbindgen declares it and does not define it.
#[allow(non_camel_case_types)]
pub struct psref_class {
    _opaque: [u8; 0],
}

/// Something that can be held. Embed it in the object; initialise it with psref_target_init(). From then on it must not be
/// moved: holds name its address.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct psref_target {
    /// The class; NULL once the target was destroyed.
    pub prt_class: *mut psref_class,
    /// Whether the target drains: no more holds.
    pub prt_draining: bool,
    /// Whether it has drained: nobody holds it.
    pub prt_drained: bool,
    /// The library's: tells a target that was moved.
    pub prt_place: u32,
}

/// One hold. The holder's own memory, on its stack or in its object; needs no initialisation before psref_acquire(). Its
/// fields are the library's.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct psref {
    /// The slot; NULL: holds nothing.
    pub psref_entry: *mut c_void,
    /// In strict classes: where it was acquired.
    pub psref_debug: *mut c_void,
    /// What it holds.
    pub psref_target: *const psref_target,
    /// In strict classes: who acquired it.
    pub psref_lwp: *mut c_void,
    /// In strict classes: on which CPU.
    pub psref_cpu: *mut c_void,
}

const _: () = {
    assert!(size_of::<psref_target>() == size_of::<TargetState>() && size_of::<psref>() == size_of::<Hold>());
    assert!(std::mem::offset_of!(psref_target, prt_draining) == ::psref::psref::entry::TARGET_DRAINING);
    assert!(std::mem::offset_of!(psref, psref_target) == ::psref::psref::entry::PSREF_TARGET);
};

/// Creates a class of targets.
///
/// `name` shows in diagnostics; it is copied, and cut off after 48 bytes. `ipl` is taken for the sake of ported code: any
/// value is accepted.
///
/// Returns the class, or NULL with errno ENOMEM; nothing is leaked then.
///
/// Context: may sleep; not in signal handlers. Costs 512 bytes a CPU that uses the class. Source: psref(9).
///
/// # Safety
/// `name` is a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_class_create(name: *const c_char, ipl: c_int) -> *mut psref_class {
    // SAFETY: the caller's promise.
    crate::or_errno(unsafe { raw::class_create(name, ipl) })
}

/// Destroys a class. Its targets have been destroyed, or were never made known.
///
/// A class of which something is held, and one destroyed already, is a fatal diagnostic.
///
/// Context: may sleep; not in signal handlers. Source: psref(9).
///
/// # Safety
/// Nobody uses the class any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_class_destroy(class_: *mut psref_class) {
    // SAFETY: the caller's promise.
    unsafe { raw::class_destroy(class_.cast::<ClassState>()) }
}

/// Initialises a target of a class. Whoever makes it known to others does so with a release store.
///
/// Context: any, signal handlers too. Source: psref(9).
///
/// # Safety
/// The target is the caller's alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_target_init(target: *mut psref_target, class_: *mut psref_class) {
    // SAFETY: the caller's promise.
    unsafe { raw::target_init(target.cast::<TargetState>(), class_.cast::<ClassState>()) }
}

/// Holds a target: until psref_release() no drain of it returns.
///
/// Something else keeps the target alive until this returns: a lock or a read section around the look-up that found it.
/// Any number of holds at once, of one target or of many, nested in any order.
///
/// Returns 0, or ENOENT once the target drains; then `psref` holds nothing and must not be released. (NetBSD's returns
/// nothing; its draft of 2016 returned this.)
///
/// NULL, a target of another class and a target that was destroyed are fatal diagnostics.
///
/// Context: any, signal handlers too; never sleeps. A class that runs out of slots on a CPU takes memory by mmap; where
/// there is none, a fatal diagnostic. (A thread's very first use takes a record without malloc; only where the program has
/// more than 32 pthread keys does glibc allocate at that moment, so there let it not be in a handler.) Source: psref(9).
///
/// # Safety
/// `psref` is the caller's to write and does not hold anything now.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn psref_acquire(
    psref: *mut psref,
    target: *const psref_target,
    class_: *mut psref_class,
) -> c_int {
    ::psref::__psref_acquire_body!(acquire_slow)
}

/// Ends a hold. The target must not be used any more: it may be gone when this returns.
///
/// On any CPU and in any thread. A psref that was released already or whose acquire answered ENOENT, and one that holds
/// another target, is a fatal diagnostic; one never acquired is not noticed.
///
/// Context: any, signal handlers too; never sleeps. Source: psref(9).
///
/// # Safety
/// `psref` was filled by psref_acquire() or psref_copy() for this target and class.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn psref_release(psref: *mut psref, target: *const psref_target, class_: *mut psref_class) {
    ::psref::__psref_release_body!(release_slow, release_wake)
}

/// Makes `pto` a second hold of what `pfrom` holds. Never fails, also while the target drains. Both are released, in any
/// order. A psref that holds nothing, a copy to itself, and no memory for one more block of slots are fatal diagnostics.
///
/// Context: any, signal handlers too; never sleeps. Source: psref(9).
///
/// # Safety
/// `pto` is the caller's to write and holds nothing; `pfrom` holds something and is not released meanwhile.
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn psref_copy(pto: *mut psref, pfrom: *const psref, class_: *mut psref_class) {
    ::psref::__with_caller!("rcx", copy_from)
}

/// Whether the calling thread holds the target: acquired it, and it was not released. For assertions: looks at every slot
/// of the class.
///
/// Context: any, signal handlers too; never sleeps. Source: psref(9).
///
/// # Safety
/// The target is alive.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_held(target: *const psref_target, class_: *mut psref_class) -> bool {
    // SAFETY: the caller's promise.
    unsafe { raw::held(target.cast::<TargetState>(), class_.cast::<ClassState>()) }
}

/// Stops new holds of a target and waits until the old ones are released. From now on psref_acquire() answers ENOENT.
///
/// A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error, with who holds the
/// target, and goes on. Costs one membarrier where nobody holds it (two before Linux
/// 6.18, which could lose one).
///
/// Context: may sleep; not in signal handlers, not while holding the target oneself. Source: the draft of psref(9) of 2016.
///
/// # Safety
/// The target is alive until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_target_drain(target: *mut psref_target, class_: *mut psref_class) {
    // SAFETY: the caller's promise.
    let _ = unsafe {
        raw::target_drain(target.cast::<TargetState>(), class_.cast::<ClassState>(), ::psref::Patience::FOREVER)
    };
}

/// Destroys a target: drains it unless psref_target_drain() has, then poisons it. The caller has unpublished it, so that
/// nobody finds it any more. Destroying it again is a fatal diagnostic.
///
/// Context: as of psref_target_drain(). Source: psref(9).
///
/// # Safety
/// Nobody acquires the target any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_target_destroy(target: *mut psref_target, class_: *mut psref_class) {
    // SAFETY: the caller's promise.
    unsafe { raw::target_destroy(target.cast::<TargetState>(), class_.cast::<ClassState>()) }
}

/// As psref_target_drain(), with a limit to the wait: a span of time, measured by CLOCK_MONOTONIC; signals do not end it. NULL:
/// none; of 0 seconds: looks and does not wait.
///
/// Returns 0: nobody holds the target. ETIMEDOUT: somebody does still; the target stays draining, and psref_target_drain(), this
/// function and psref_target_destroy() may be called. EINVAL: `limit` is negative or has 10^9 nanoseconds or more; nothing is
/// done.
///
/// Context: may sleep; not in signal handlers. An extension.
///
/// # Safety
/// The target is alive until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_target_drain_timed(
    target: *mut psref_target,
    class_: *mut psref_class,
    limit: *const timespec,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { raw::target_drain_timed(target.cast::<TargetState>(), class_.cast::<ClassState>(), limit) }
}

/// Stops new holds of a target and tells whether the old ones are released: a drain for those who must not wait.
///
/// Returns 0: nobody holds the target; psref_target_destroy() will not wait. EAGAIN: somebody does still.
///
/// Context: any but signal handlers; never sleeps. Costs one membarrier. An extension.
///
/// # Safety
/// The target is alive until this returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_target_drain_poll(target: *mut psref_target, class_: *mut psref_class) -> c_int {
    // SAFETY: the caller's promise.
    if unsafe { raw::target_drain_poll(target.cast::<TargetState>(), class_.cast::<ClassState>()) } {
        0
    } else {
        libc::EAGAIN
    }
}

/// Stops new holds of a target and returns a file descriptor for poll(2) and its like: an eventfd(2), readable whenever
/// psref_target_drain_poll() should be asked. That may still answer EAGAIN; it makes the descriptor unreadable until there is news,
/// so nothing need be read from it. The caller closes it, whenever it likes. No thread waits meanwhile.
///
/// Returns the descriptor, or -1 with errno EMFILE, ENFILE or ENOMEM; then nothing is done. The library keeps another descriptor
/// of the same event until the target has drained. In a forked child, ask again: the parent's descriptor is not told of the
/// child's releases.
///
/// Context: any but signal handlers; never sleeps. Costs one membarrier. An extension.
///
/// # Safety
/// The target is alive until this returns, and until it has drained.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_target_drain_fd(target: *mut psref_target, class_: *mut psref_class) -> c_int {
    // SAFETY: the caller's promise.
    crate::fd_or_errno(unsafe { raw::target_drain_fd(target.cast::<TargetState>(), class_.cast::<ClassState>()) })
}

/// Destroys `n` targets of one class, each as psref_target_destroy() does: with two membarriers at most for all of them, and one
/// look at the slots of the class. With one that cannot be destroyed among them: a fatal diagnostic before anything is done.
///
/// Context: as of psref_target_destroy(). An extension.
///
/// # Safety
/// Nobody acquires the targets any more; each is there once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_target_destroy_many(
    targets: *const *mut psref_target,
    n: usize,
    class_: *mut psref_class,
) {
    // SAFETY: the caller's promise.
    unsafe { raw::target_destroy_many(targets.cast::<*const TargetState>(), n, class_.cast::<ClassState>()) }
}

/// Somebody who holds a target.
#[repr(C)]
#[allow(non_camel_case_types)]
pub struct psref_holder {
    /// Id of the thread that acquired the hold; 0: it has ended.
    pub psh_tid: c_int,
    /// The CPU that it was acquired on; -1 where that is not known.
    pub psh_cpu: c_int,
    /// The thread's name, terminated; empty where it has none.
    pub psh_name: [c_char; 24],
    /// Strict classes: where it was acquired, an address of code. NULL: not recorded.
    pub psh_acquired_at: *const c_void,
    /// Strict classes: since when, in nanoseconds of CLOCK_MONOTONIC. 0: not recorded.
    pub psh_since: u64,
}

/// Who holds a target: the first `n` of the holders go to `buf`.
///
/// Returns how many there are. A hint while others acquire and release; good once the target drains.
///
/// Context: any but signal handlers; looks at every slot of the class. An extension.
///
/// # Safety
/// The target is alive until this returns; `buf` has room for `n`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_holders(
    target: *const psref_target,
    class_: *mut psref_class,
    buf: *mut psref_holder,
    n: usize,
) -> usize {
    // SAFETY: the caller's promise; the holder is laid out as the core's.
    unsafe { raw::holders_into(target.cast::<TargetState>(), class_.cast::<ClassState>(), buf.cast(), n) }
}

/// Writes to `stream` who holds what of a class: a line on the class and one on each hold, sixteen at most. In strict classes with
/// function, file and line of where it was acquired, as far as there are symbols.
///
/// Context: any but signal handlers; allocates. An extension.
///
/// # Safety
/// The class is one, and `stream` is open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn psref_class_report(class_: *mut psref_class, stream: *mut FILE) {
    // SAFETY: the caller's promise.
    unsafe { raw::class_report_to(class_.cast::<ClassState>(), stream) }
}

/// Ends the program with a message if the calling thread holds anything of a strict class: for places where it must not, such as the
/// end of a request. Nothing otherwise. So does the end of a thread, but not the main thread's, for that is the program's.
///
/// Context: any, signal handlers too; never sleeps. Source: PSREF_DEBUG of NetBSD.
#[unsafe(no_mangle)]
pub extern "C" fn psref_debug_barrier() {
    raw::debug_barrier();
}

const _: () = assert!(size_of::<psref_holder>() == size_of::<raw::HolderC>());
