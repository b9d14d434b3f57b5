// SPDX-License-Identifier: MIT OR Apache-2.0
//! Magazines on x86-64: the guarded push and pop that Rust calls, of as many objects at once as there are. Rules S1-S5 of
//! [`section`](super::section) hold here too; copying in a loop is no call, and what it writes before the commit is seen by nobody.

use super::objpool_entry::{COUNT, ENTRIES};
use super::tls;

/// How a bulk operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// So many objects; 0: the magazine is empty, or full.
    Some(usize),
    /// The magazine is being recalled.
    Guarded,
    /// The thread has no rseq, or its CPU no stripe.
    NoCpu,
    /// Restarted before the commit.
    Aborted,
}

const GUARDED: usize = usize::MAX;
const NO_CPU: usize = usize::MAX - 1;
const ABORTED: usize = usize::MAX - 2;

fn moved(answer: usize) -> Moved {
    match answer {
        GUARDED => Moved::Guarded,
        NO_CPU => Moved::NoCpu,
        ABORTED => Moved::Aborted,
        n => Moved::Some(n),
    }
}

/// Takes up to `room` objects, the last pushed ones, in the order they were pushed in.
///
/// ```text
/// cpu = cpu_id; if cpu >= limit -> NoCpu
/// m = magazine[cpu]; if m.guard is closed -> Guarded
/// n = min(m.count, room); if n == 0 -> Some(0)             (no commit: the line stays with whoever else looks for objects)
/// out[0..n] = m.entries[count - n..count]
/// m.count = count - n                                  <- commit
/// ```
///
/// # Safety
/// `magazine` is the address in stripe 0 of one that every stripe has; `out` has room.
pub(crate) unsafe fn pop(magazine: usize, out: *mut usize, room: usize) -> Moved {
    // SAFETY: the caller's promises are this function's.
    moved(unsafe { pop_section(magazine, out, room) })
}

/// Gives up to `given` objects, as many as there is room for below `capacity`.
///
/// ```text
/// cpu = cpu_id; if cpu >= limit -> NoCpu
/// m = magazine[cpu]; if m.guard is closed -> Guarded
/// n = min(capacity - m.count, given); if n == 0 -> Some(0)
/// m.entries[count..count + n] = objects[0..n]
/// m.count = count + n                                  <- commit
/// ```
///
/// # Safety
/// As of [`pop`]; `objects` can be read, and `capacity` is what the magazine has room for.
pub(crate) unsafe fn push(magazine: usize, objects: *const usize, given: usize, capacity: usize) -> Moved {
    // SAFETY: the caller's promises are this function's.
    moved(unsafe { push_section(magazine, objects, given, capacity) })
}

/// The CPU that the thread runs on, or ran on a moment ago; `None`: it has no rseq.
pub(crate) fn cpu() -> Option<usize> {
    let cpu: u32;
    // SAFETY: reads the thread's rseq area, or the one that has no CPU.
    unsafe {
        core::arch::asm!(
            "mov {o}, qword ptr [rip + __psref_rseq_offset]",
            "mov {c:e}, dword ptr fs:[{o} + 4]",
            o = out(reg) _, c = out(reg) cpu, options(nostack, readonly),
        );
    }
    (cpu.cast_signed() >= 0 && tls::is_armed()).then_some(cpu as usize)
}

/// rdi magazine, rsi out, rdx room.
#[unsafe(naked)]
unsafe extern "C" fn pop_section(_: usize, _: *mut usize, _: usize) -> usize {
    core::arch::naked_asm!(
        ".cfi_startproc",
        crate::__section_descriptor!("2"),
        "mov r10, qword ptr [rip + __psref_rseq_offset]",
        crate::__section_arm!("2", "r10", "rax"),
        "mov eax, dword ptr fs:[r10 + 4]",
        "cmp eax, dword ptr [rip + __psref_cpu_limit]",
        "jae 63f",
        "shl rax, {shift}",
        "lea r8, [rdi + rax]",
        "cmp dword ptr [r8], 0",
        "je 61f",
        crate::__section_pause!("20"),
        "mov r9d, dword ptr [r8 + {count}]",
        "mov eax, r9d",
        "cmp rdx, rax",
        "cmovb rax, rdx",                        // n
        "sub r9, rax",                           // what stays
        "lea r11, [r8 + 8*r9 + {entries}]",
        "lea rcx, [rax - 1]",
        "test rax, rax",
        "jz 64f",
        "51:",                                   // two at a time, from the last ones down
        "sub rcx, 1",
        "jl 53f",
        "movups xmm0, xmmword ptr [r11 + 8*rcx]",
        "movups xmmword ptr [rsi + 8*rcx], xmm0",
        "sub rcx, 1",
        "jge 51b",
        "jmp 52f",
        "53:",
        "mov r10, qword ptr [r11]",
        "mov qword ptr [rsi], r10",
        "52:",
        crate::__section_pause!("21"),
        "mov dword ptr [r8 + {count}], r9d",
        "24:",
        "ret",
        "61:", "mov rax, {guarded}", "ret",
        "63:", "mov rax, {no_cpu}",
        "64:", "ret",
        crate::__section_abort!("2", "mov rax, -3\nret"),
        ".cfi_endproc",
        shift = const crate::sys::STRIPE_SHIFT,
        count = const COUNT,
        entries = const ENTRIES,
        guarded = const GUARDED as i64,
        no_cpu = const NO_CPU as i64,
    )
}

const _: () = assert!(ABORTED as i64 == -3, "said in the abort handlers");

/// rdi magazine, rsi objects, rdx given, rcx capacity.
#[unsafe(naked)]
unsafe extern "C" fn push_section(_: usize, _: *const usize, _: usize, _: usize) -> usize {
    core::arch::naked_asm!(
        ".cfi_startproc",
        crate::__section_descriptor!("2"),
        "mov r10, qword ptr [rip + __psref_rseq_offset]",
        crate::__section_arm!("2", "r10", "rax"),
        "mov eax, dword ptr fs:[r10 + 4]",
        "cmp eax, dword ptr [rip + __psref_cpu_limit]",
        "jae 63f",
        "shl rax, {shift}",
        "lea r8, [rdi + rax]",
        "cmp dword ptr [r8], 0",
        "je 61f",
        crate::__section_pause!("22"),
        "mov r9d, dword ptr [r8 + {count}]",
        "mov rax, rcx",
        "sub rax, r9",                           // room; the count never passes the capacity
        "cmp rdx, rax",
        "cmovb rax, rdx",                        // n
        "lea r11, [r8 + 8*r9 + {entries}]",
        "add r9, rax",
        "lea rcx, [rax - 1]",
        "test rax, rax",
        "jz 64f",
        "51:",
        "sub rcx, 1",
        "jl 53f",
        "movups xmm0, xmmword ptr [rsi + 8*rcx]",
        "movups xmmword ptr [r11 + 8*rcx], xmm0",
        "sub rcx, 1",
        "jge 51b",
        "jmp 52f",
        "53:",
        "mov r10, qword ptr [rsi]",
        "mov qword ptr [r11], r10",
        "52:",
        crate::__section_pause!("23"),
        "mov dword ptr [r8 + {count}], r9d",
        "24:",
        "ret",
        "61:", "mov rax, {guarded}", "ret",
        "63:", "mov rax, {no_cpu}",
        "64:", "ret",
        crate::__section_abort!("2", "mov rax, -3\nret"),
        ".cfi_endproc",
        shift = const crate::sys::STRIPE_SHIFT,
        count = const COUNT,
        entries = const ENTRIES,
        guarded = const GUARDED as i64,
        no_cpu = const NO_CPU as i64,
    )
}
