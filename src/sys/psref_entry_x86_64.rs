// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fast paths of a passive reference, whole functions in the C calling convention: expanded once in this crate for
//! Rust and once in `ffi` under the C names, so that no call stands between a C program and its section.
//!
//! rdi is the psref, rsi the target, rdx the class, in both. Offsets come from the structures themselves. Everything that
//! is not the plain case leaves for the slow routine with these three registers untouched (S4).
//!
//! They leave by way of one jump behind the `ret`: so the branches on the way are short ones, and the plain case of acquire
//! lies in two cache lines instead of three, that of release in one instead of two.

/// Body of `int psref_acquire(struct psref *, const struct psref_target *, struct psref_class *)`.
///
/// ```text
/// if psref == null or target == null or class == null or target.class != class -> slow
/// home = address of psref and the thread's number, hashed to a slot
/// section:
///     if target.draining != 0 -> slow                                      (guard)
///     cpu = cpu_id; if cpu >= class.limit -> slow                          (no rseq, strict, atomics, destroyed)
///     slot = class.slots + (cpu << SHIFT) + home; if slot.target != 0 -> neighbours
///     slot.holder = number
///     slot.target = target                                                 <- commit
/// psref.slot = slot; psref.target = target; return 0
/// neighbours: the same section over the other slots of the block, once round
/// ```
///
/// The thread's number is read before the section: it changes only by this thread's own first use, which the slow path
/// makes; 0 goes there.
#[doc(hidden)]
#[macro_export]
macro_rules! __psref_acquire_body {
    ($slow:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            $crate::__section_descriptor!("3"),
            $crate::__section_descriptor!("4"),
            // Whether one of the three is null: no address of user space has the top bit, and null less one has. Jumps are what is dear here.
            "lea rax, [rdi - 1]",
            "lea rcx, [rsi - 1]",
            "or rax, rcx",
            "lea rcx, [rdx - 1]",
            "or rax, rcx",
            "js 85f",
            "cmp qword ptr [rsi + {t_class}], rdx",
            "jne 85f",
            "mov r9, qword ptr [rip + __psref_tls@GOTTPOFF]",
            "mov r8, qword ptr [rip + __psref_rseq_offset]",
            "mov r9, qword ptr fs:[r9 + 8]",
            "lea r10d, [rdi + 8*r9]",
            "and r10d, {home_mask}",
            "test r9, r9",
            "jz 85f",
            $crate::__section_arm!("3", "r8", "rax"),
            "cmp byte ptr [rsi + {t_draining}], 0",
            "jne 85f",
            $crate::__section_pause!("1"),
            "mov eax, dword ptr fs:[r8 + 4]",
            "cmp eax, dword ptr [rdx + {c_limit}]",
            "jae 85f",
            "shl rax, {shift}",
            "add rax, qword ptr [rdx + {c_slots}]",
            "lea rax, [rax + 2*r10]",
            "cmp qword ptr [rax], 0",
            "jne 81f",
            $crate::__section_pause!("2"),
            "mov qword ptr [rax + 8], r9",
            $crate::__section_pause!("3"),
            "mov qword ptr [rax], rsi",
            "34:",
            "82:",
            "mov qword ptr [rdi + {p_slot}], rax",
            "mov qword ptr [rdi + {p_target}], rsi",
            "xor eax, eax",
            "ret",
            "85:",
            "jmp {slow}",
            "81:",
            $crate::__section_arm!("4", "r8", "rax"),
            "cmp byte ptr [rsi + {t_draining}], 0",
            "jne 85b",
            $crate::__section_pause!("4"),
            "mov ecx, dword ptr fs:[r8 + 4]",
            "cmp ecx, dword ptr [rdx + {c_limit}]",
            "jae 85b",
            "shl rcx, {shift}",
            "add rcx, qword ptr [rdx + {c_slots}]",
            "mov r11d, {home_slots} - 1",
            "83:",
            "add r10d, 8",
            "and r10d, {home_mask}",
            "lea rax, [rcx + 2*r10]",
            "cmp qword ptr [rax], 0",
            "je 84f",
            "sub r11d, 1",
            "jnz 83b",
            "jmp 85b",
            "84:",
            $crate::__section_pause!("5"),
            "mov qword ptr [rax + 8], r9",
            $crate::__section_pause!("6"),
            "mov qword ptr [rax], rsi",
            "44:",
            "jmp 82b",
            $crate::__section_abort!("3", "jmp {slow}"),
            $crate::__section_abort!("4", "jmp {slow}"),
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
            t_class = const $crate::psref::entry::TARGET_CLASS,
            t_draining = const $crate::psref::entry::TARGET_DRAINING,
            c_limit = const $crate::psref::entry::CLASS_LIMIT,
            c_slots = const $crate::psref::entry::CLASS_SLOTS,
            p_slot = const $crate::psref::entry::PSREF_SLOT,
            p_target = const $crate::psref::entry::PSREF_TARGET,
            home_mask = const $crate::psref::entry::HOME_MASK,
            home_slots = const $crate::psref::entry::HOME_SLOTS,
            shift = const $crate::psref::entry::STRIPE_SHIFT,
        )
    };
}

/// Body of `void psref_release(struct psref *, const struct psref_target *, struct psref_class *)`. No section: the slot
/// belongs to this hold alone, on whatever CPU it lies.
///
/// ```text
/// slot = psref.slot; if psref == null or slot == null -> slow
/// if slot.target != target -> slow            (marked slots, other targets, tombstones)
/// if target.class != class -> slow            (the hold still keeps the target alive; null is no live target's class)
/// psref.slot = null
/// slot.target = null                          <- the hold has ended; the target is not touched again (R4)
/// if class.waiters != 0 -> wake               (type-stable; x86 keeps the store before this load for the drain, whose
///                                              membarrier stands between its own store of waiters and its scan)
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __psref_release_body {
    ($slow:path, $wake:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            "test rdi, rdi",
            "jz 85f",
            "mov rax, qword ptr [rdi + {p_slot}]",
            "test rax, rax",
            "jz 85f",
            "cmp qword ptr [rax], rsi",
            "jne 85f",
            "cmp qword ptr [rsi + {t_class}], rdx",
            "jne 85f",
            "mov qword ptr [rdi + {p_slot}], 0",
            "mov qword ptr [rax], 0",
            "cmp qword ptr [rdx + {c_waiters}], 0",
            "jne 86f",
            "ret",
            "85:",
            "jmp {slow}",
            "86:",
            "jmp {wake}",
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
            wake = sym $wake,
            p_slot = const $crate::psref::entry::PSREF_SLOT,
            t_class = const $crate::psref::entry::TARGET_CLASS,
            c_waiters = const $crate::psref::entry::CLASS_WAITERS,
        )
    };
}
