// SPDX-License-Identifier: MIT OR Apache-2.0
//! The library's words in thread-local storage, initial-exec: one load and one add to find them, where a call of
//! `__tls_get_addr` would cost more than the whole hold. Stable Rust has no such variables, so the assembler defines them.
//!
//! | offset | word |
//! |---|---|
//! | 0 | the thread's record, null before its first use |
//! | 8 | the number in that record, 0 before its first use |
//! | 16 | where the record's word of read sections is; while the thread's sections take the slow path, where a word is that looks like no
//! reader's, `__psref_no_reading`: tests that are made anyway then send them there |
//! | 32 | an area in the shape of the kernel's `struct rseq` whose cpu_id is -1 |
//!
//! `__psref_rseq_offset` tells the sections where the rseq area is, from the thread pointer; where the C library registered none, it
//! leads to the area above: a section sees "no CPU" and leaves by the test it makes anyway. It is set by the library's constructor, the first
//! of all, and never changes: so inlined code may load it once for many sections. What it finds there it compares with a limit, the
//! process's, a class's or a pool's, each of which is 0 until the back end was chosen, and stays 0 where that is the atomics.
//! (A relocation could preset it; lld refuses that one in shared libraries.)

use std::arch::{asm, global_asm};
use std::ffi::c_void;
use std::mem::offset_of;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// In a thread's words: its number.
pub const THREAD_NUMBER: usize = offset_of!(Words, number);
/// The word of its read sections.
pub const THREAD_READING: usize = offset_of!(Words, reading);
/// In the words of the process, which only slow paths write: where the rseq area is.
pub const WORDS_RSEQ_OFFSET: usize = 0;
/// CPU ids from here on take the slow path.
pub const WORDS_CPU_LIMIT: usize = 8;
/// What readers store as they enter; on another line, for performers write it.
pub const WORDS_GRACE: usize = 64;
/// What the performer that waits has made of it.
pub const WORDS_WAITED: usize = 72;

/// What code inlined into C programs calls the process's words. It reads them and the library's structures, so both are ABI, of the version
/// that the number says: where the versions differ, the program or plug-in is refused as it is loaded.
macro_rules! words_name {
    () => {
        "psref_inline_abi_3"
    };
}
/// That name.
pub const WORDS_NAME: &str = words_name!();
/// And the thread's.
macro_rules! thread_name {
    () => {
        "psref_inline_thread"
    };
}
/// That name.
pub const THREAD_NAME: &str = thread_name!();

/// Another name for what follows, for code that was inlined into C programs (feature `c-abi`).
#[cfg(feature = "c-abi")]
macro_rules! also_named {
    ($name:expr, $size:literal) => {
        concat!(".globl ", $name, "\n.type ", $name, ", @object\n.size ", $name, ", ", $size, "\n", $name, ":")
    };
}
#[cfg(not(feature = "c-abi"))]
macro_rules! also_named {
    ($name:expr, $size:literal) => {
        ""
    };
}

global_asm!(
    ".pushsection .tdata.__psref_tls,\"awT\",@progbits",
    ".balign 64",
    ".globl __psref_tls",
    ".hidden __psref_tls",
    ".type __psref_tls, @object",
    ".size __psref_tls, 64",
    also_named!(thread_name!(), "64"),
    "__psref_tls:",
    ".quad 0, 0, __psref_no_reading, 0",
    ".globl __psref_no_rseq",
    ".hidden __psref_no_rseq",
    ".type __psref_no_rseq, @object",
    ".size __psref_no_rseq, 32",
    "__psref_no_rseq:",
    ".long 0, -1",
    ".quad 0, 0, 0",
    ".popsection",
    // Neither outside (0) nor one deep (1 in the low bits) nor any other depth: never written, a section's slow path knows better.
    ".pushsection .rodata.__psref_no_reading,\"a\",@progbits",
    ".balign 8",
    ".globl __psref_no_reading",
    ".hidden __psref_no_reading",
    ".type __psref_no_reading, @object",
    ".size __psref_no_reading, 8",
    "__psref_no_reading:",
    ".quad 0x10000",
    ".popsection",
    ".pushsection .data.__psref_words,\"aw\",@progbits",
    ".balign 64",
    also_named!(words_name!(), "128"),
    "99:",
    ".globl __psref_rseq_offset",
    ".hidden __psref_rseq_offset",
    ".type __psref_rseq_offset, @object",
    ".size __psref_rseq_offset, 8",
    ".org 99b + {rseq_offset}",
    "__psref_rseq_offset:",
    ".quad 0x4000000000000000", // from the thread pointer, no address: who is earlier than `start` faults

    ".globl __psref_cpu_limit",
    ".hidden __psref_cpu_limit",
    ".type __psref_cpu_limit, @object",
    ".size __psref_cpu_limit, 8",
    ".org 99b + {cpu_limit}",
    "__psref_cpu_limit:",
    ".quad 0",
    ".globl __psref_grace",
    ".hidden __psref_grace",
    ".type __psref_grace, @object",
    ".size __psref_grace, 8",
    ".org 99b + {grace}",
    "__psref_grace:",
    ".quad 0x10001",
    ".globl __psref_waited",
    ".hidden __psref_waited",
    ".type __psref_waited, @object",
    ".size __psref_waited, 8",
    ".org 99b + {waited}",
    "__psref_waited:",
    ".quad 0",
    ".org 99b + 128",
    ".popsection",
    rseq_offset = const WORDS_RSEQ_OFFSET,
    cpu_limit = const WORDS_CPU_LIMIT,
    grace = const WORDS_GRACE,
    waited = const WORDS_WAITED,
);

/// The words of one thread.
#[repr(C)]
pub(crate) struct Words {
    pub(crate) record: AtomicPtr<c_void>,
    pub(crate) number: AtomicU64,
    pub(crate) reading: AtomicPtr<AtomicU64>,
}

macro_rules! hidden_word {
    ($(#[$doc:meta])* $name:ident = $symbol:literal) => {
        $(#[$doc])*
        pub(crate) fn $name() -> &'static AtomicU64 {
            let place: *mut u64;
            // SAFETY: computes an address.
            unsafe { asm!(concat!("lea {p}, [rip + ", $symbol, "]"), p = out(reg) place, options(nostack, nomem)) };
            // SAFETY: the library's own aligned word, which lives for ever.
            unsafe { AtomicU64::from_ptr(place) }
        }
    };
}

hidden_word!(
    /// What readers store as they enter: the sequence of grace periods, and one for the nesting.
    grace = "__psref_grace"
);
hidden_word!(
    /// CPU ids from here on take the slow path.
    cpu_limit = "__psref_cpu_limit"
);
hidden_word!(
    /// Where the rseq area is, from the thread pointer.
    rseq_offset = "__psref_rseq_offset"
);
hidden_word!(
    /// What the performer that waits has made of [`grace`]; 0 while none waits.
    waited = "__psref_waited"
);

/// Where [`Words::reading`] leads while the thread's sections take the slow path.
pub(crate) fn no_reading() -> *mut AtomicU64 {
    let place: *mut AtomicU64;
    // SAFETY: computes an address.
    unsafe {
        asm!("lea {p}, [rip + __psref_no_reading]", p = out(reg) place, options(nostack, nomem, preserves_flags))
    };
    place
}

/// Calls `f` with the calling thread's words.
pub(crate) fn with<R>(f: impl FnOnce(&Words) -> R) -> R {
    let words: *const Words;
    // SAFETY: computes an address: thread pointer plus a constant of the link.
    unsafe {
        asm!(
            "mov {w}, qword ptr [rip + __psref_tls@GOTTPOFF]",
            "add {w}, qword ptr fs:[0]",
            w = out(reg) words, options(nostack, readonly),
        );
    }
    // SAFETY: the words live as long as the thread, and the reference only as long as the call.
    f(unsafe { &*words })
}

/// Where the C library registered rseq for its threads: offset from the thread pointer and the size of the area, of which
/// nothing but `rseq_cs` may be written (R17). `None`: not registered, or the library does not say.
fn registered() -> Option<i64> {
    let (offset, size): (*const i64, *const u32);
    // glibc >= 2.35 registers rseq and says where; other libraries have no such symbols. Weak is said here, in every copy of
    // this code: an object that only refers to them would demand them.
    // SAFETY: loads two addresses from the GOT; a missing weak symbol gives null.
    unsafe {
        asm!(
            ".weak __rseq_offset",
            ".weak __rseq_size",
            "mov {o}, qword ptr [rip + __rseq_offset@GOTPCREL]",
            "mov {s}, qword ptr [rip + __rseq_size@GOTPCREL]",
            o = out(reg) offset, s = out(reg) size, options(nostack, readonly),
        );
    }
    if offset.is_null() || size.is_null() {
        return None;
    }
    // SAFETY: the C library's constants, written before the program starts. A size of zero means switched off.
    unsafe { (*size != 0).then_some(*offset) }
}

/// Whether the calling thread has a CPU number to show: the C library registered it and the kernel took it.
pub(crate) fn has_rseq() -> bool {
    let Some(offset) = registered() else { return false };
    let cpu: u32;
    // SAFETY: reads the kernel's area of this thread.
    unsafe {
        asm!("mov {c:e}, dword ptr fs:[{o} + 4]", o = in(reg) offset, c = out(reg) cpu, options(nostack, readonly))
    };
    cpu.cast_signed() >= 0
}

/// When the library is loaded, before any code that has sections: tells them where to look. A count that was never initialised is
/// noticed then, by its limit, before anything is written.
pub(crate) fn start() {
    let none: i64;
    // SAFETY: loads a constant of the link.
    unsafe {
        asm!("mov {d}, qword ptr [rip + __psref_no_rseq@GOTTPOFF]", d = out(reg) none, options(nostack, readonly));
    }
    rseq_offset().store(registered().unwrap_or(none).cast_unsigned(), Ordering::Relaxed);
}

/// Lets the counts' sections begin: `cpus` ids have stripes, from there on they take the slow path (R14). Called once the back end
/// is published, and not for the atomics. Who are first at once write the same.
pub(crate) fn arm(cpus: u32) {
    start(); // or nobody did, where constructors are not run
    // Release: the offset before the limit.
    cpu_limit().store(u64::from(cpus), Ordering::Release);
}

/// Whether [`arm`] was called: else the threads' CPUs are nobody's business.
pub(crate) fn is_armed() -> bool {
    cpu_limit().load(Ordering::Relaxed) != 0 // a hint: nothing is read by it
}

/// Forgets the section that the calling thread was in last: from here on the kernel has nothing to look up in the module that
/// the section lies in, until the thread begins another one.
pub(crate) fn forget_section() {
    // The process's own word might lead to the area without a CPU, where a thread that came late into rseq was not.
    let Some(offset) = registered() else { return };
    // SAFETY: `rseq_cs` of the kernel's area of this thread, which belongs to whoever runs sections (R17); no section is under way.
    unsafe { asm!("mov qword ptr fs:[{o} + 8], 0", o = in(reg) offset, options(nostack)) };
}
