// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fast path of a count, a whole function in the C calling convention: expanded in this crate for Rust and in `ffi` under
//! the names of localcount and of device gates, which differ in their slow routines alone.

/// Body of a function whose first argument points to a counted object: its first word is the guard, 0 while the cells count;
/// the second the address of its cell in stripe 0. `$n` is what is added, `$answer` the instruction that makes the result
/// where there is one.
///
/// ```text
/// cells = object.cells
/// section:
///     if object.guard != 0 -> slow
///     cpu = cpu_id; if cpu >= limit -> slow            (no rseq, atomics)
///     cells[cpu] += n                                  <- commit
/// return
/// ```
///
/// The cells' address stands as long as the object may be used at all, which the caller's hold, or whatever keeps the object alive
/// for an acquire (R1), sees to; nothing of the object is read after the commit (R4). No register that holds an argument is changed (S4).
#[doc(hidden)]
#[macro_export]
macro_rules! __count_add_body {
    ($n:literal, $answer:literal, $slow:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            $crate::__section_descriptor!("3"),
            "mov r8, qword ptr [rip + __psref_rseq_offset]",
            $crate::__section_arm!("3", "r8", "rax"),
            "cmp qword ptr [rdi + {guard}], 0",
            "jne 85f",
            $crate::__section_pause!("10"),
            "mov eax, dword ptr fs:[r8 + 4]",
            "cmp eax, dword ptr [rip + __psref_cpu_limit]",
            "jae 85f",
            "shl rax, {shift}",
            "add rax, qword ptr [rdi + {cells}]",
            $crate::__section_pause!("11"),
            concat!("add qword ptr [rax], ", $n),
            "34:",
            $answer,
            "ret",
            "85:",
            "jmp {slow}",
            $crate::__section_abort!("3", "jmp {slow}"),
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
            guard = const $crate::percpu::entry::COUNT_GUARD,
            cells = const $crate::percpu::entry::COUNT_CELLS,
            shift = const $crate::percpu::entry::STRIPE_SHIFT,
        )
    };
}
