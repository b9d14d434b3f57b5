// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fast paths of bulk pops and pushes: one section for all of the objects, where the magazine has or has room for all of
//! them; else nothing is done here and the slow routine begins anew. Objects are copied two at a time; what is written before the
//! commit is seen by nobody.

/// Body of `size_t objpool_pop_bulk(struct objpool_head *, void **, size_t)`.
///
/// ```text
/// if head == null or out == null or n == 0 or n > LARGEST -> slow; pool = head.cpu_slots; if pool == null -> slow
/// section:
///     cpu = cpu_id; if cpu >= pool.limit -> slow                    (no rseq, strict, atomics)
///     m = pool + MAGAZINE + (cpu << SHIFT)
///     g = m.guard                                                   (before the count, as in the pop of one)
///     left = m.count - n; if left >= g, unsigned -> slow            (too few; or closed, being recalled)
///     out[0..n] = m.entries[left..left + n]
///     m.count = left                                                <- commit
/// return n
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __objpool_pop_bulk_body {
    ($slow:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            $crate::__section_descriptor!("3"),
            "test rdi, rdi",
            "jz 85f",
            "test rsi, rsi",
            "jz 85f",
            "lea rcx, [rdx - 1]",
            "cmp rcx, {largest}",
            "jae 85f",
            "mov r8, qword ptr [rdi + {h_pool}]",
            "mov r9, qword ptr [rip + __psref_rseq_offset]",
            "test r8, r8",
            "jz 85f",
            $crate::__section_arm!("3", "r9", "rax"),
            "mov eax, dword ptr fs:[r9 + 4]",
            "cmp eax, dword ptr [r8 + {p_limit}]",
            "jae 85f",
            "shl rax, {shift}",
            "add rax, r8",
            "mov r10d, dword ptr [rax + {guard}]",
            $crate::__section_pause!("24"),
            "mov r11d, dword ptr [rax + {count}]",
            "sub r11d, edx",
            "cmp r11d, r10d",
            "jae 85f",
            "lea r10, [rax + 8*r11 + {entries}]",
            "81:",
            "sub rcx, 1",
            "jl 83f",
            "movups xmm0, xmmword ptr [r10 + 8*rcx]",
            "movups xmmword ptr [rsi + 8*rcx], xmm0",
            "sub rcx, 1",
            "jge 81b",
            "jmp 82f",
            "83:", // inside the section, as all must be that leads to its commit
            "mov r10, qword ptr [r10]",
            "mov qword ptr [rsi], r10",
            "82:",
            $crate::__section_pause!("25"),
            "mov dword ptr [rax + {count}], r11d",
            "34:",
            "mov rax, rdx",
            "ret",
            "85:",
            "jmp {slow}",
            $crate::__section_abort!("3", "jmp {slow}"),
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
            largest = const $crate::objpool::entry::LARGEST,
            h_pool = const $crate::objpool::entry::HEAD_POOL,
            p_limit = const $crate::objpool::entry::POOL_LIMIT,
            guard = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::GUARD,
            count = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::COUNT,
            entries = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::ENTRIES,
            shift = const $crate::objpool::entry::STRIPE_SHIFT,
        )
    };
}

/// Body of `int objpool_push_bulk(void *const *, size_t, struct objpool_head *)`.
///
/// ```text
/// if head == null or objects == null or n == 0 or n > LARGEST -> slow; pool = head.cpu_slots; if pool == null -> slow
/// bits = 0
/// for object in objects: p = (object - pool.base) * pool.inverse; if p >= pool.plain -> slow; bits |= p
/// if bits & pool.odd_bits != 0 -> slow                              (some address is no object's, or there are areas)
/// section:
///     cpu = cpu_id; if cpu >= pool.limit -> slow
///     m = pool + MAGAZINE + (cpu << SHIFT)
///     g = m.guard; if m.count + n > g -> slow                       (full, or closed)
///     m.entries[m.count..m.count + n] = objects[0..n]
///     m.count = m.count + n                                         <- commit
/// return 0
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __objpool_push_bulk_body {
    ($slow:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            $crate::__section_descriptor!("3"),
            "test rdx, rdx",
            "jz 85f",
            "test rdi, rdi",
            "jz 85f",
            "lea rcx, [rsi - 1]",
            "cmp rcx, {largest}",
            "jae 85f",
            "mov r8, qword ptr [rdx + {h_pool}]",
            "xor eax, eax",
            "test r8, r8",
            "jz 85f",
            "mov r9, qword ptr [r8 + {p_base}]",
            "mov r10, qword ptr [r8 + {p_inverse}]",
            "80:",
            "mov r11, qword ptr [rdi + 8*rcx]",
            "sub r11, r9",
            "imul r11, r10",
            "cmp r11, qword ptr [r8 + {p_plain}]",
            "jae 85f",
            "or rax, r11",
            "sub rcx, 1",
            "jge 80b",
            "test rax, qword ptr [r8 + {p_odd_bits}]",
            "jnz 85f",
            "mov r9, qword ptr [rip + __psref_rseq_offset]",
            $crate::__section_arm!("3", "r9", "rax"),
            "mov eax, dword ptr fs:[r9 + 4]",
            "cmp eax, dword ptr [r8 + {p_limit}]",
            "jae 85f",
            "shl rax, {shift}",
            "add rax, r8",
            "mov r9d, dword ptr [rax + {guard}]",
            $crate::__section_pause!("26"),
            "mov r11d, dword ptr [rax + {count}]",
            "lea r10, [rax + 8*r11 + {entries}]",
            "add r11d, esi",
            "cmp r11d, r9d",
            "ja 85f",
            "lea rcx, [rsi - 1]",
            "81:",
            "sub rcx, 1",
            "jl 83f",
            "movups xmm0, xmmword ptr [rdi + 8*rcx]",
            "movups xmmword ptr [r10 + 8*rcx], xmm0",
            "sub rcx, 1",
            "jge 81b",
            "jmp 82f",
            "83:", // as in the pop
            "mov r9, qword ptr [rdi]",
            "mov qword ptr [r10], r9",
            "82:",
            $crate::__section_pause!("27"),
            "mov dword ptr [rax + {count}], r11d",
            "34:",
            "xor eax, eax",
            "ret",
            "85:",
            "jmp {slow}",
            $crate::__section_abort!("3", "jmp {slow}"),
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
            largest = const $crate::objpool::entry::LARGEST,
            h_pool = const $crate::objpool::entry::HEAD_POOL,
            p_limit = const $crate::objpool::entry::POOL_LIMIT,
            p_base = const $crate::objpool::entry::POOL_BASE,
            p_inverse = const $crate::objpool::entry::POOL_INVERSE,
            p_plain = const $crate::objpool::entry::POOL_PLAIN,
            p_odd_bits = const $crate::objpool::entry::POOL_ODD_BITS,
            guard = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::GUARD,
            count = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::COUNT,
            entries = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::ENTRIES,
            shift = const $crate::objpool::entry::STRIPE_SHIFT,
        )
    };
}
