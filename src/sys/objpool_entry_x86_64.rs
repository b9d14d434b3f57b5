// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fast paths of an object pool, whole functions in the C calling convention: expanded in this crate for Rust and in `ffi`
//! under the C names. Everything that is not the plain case leaves for the slow routine with the arguments untouched (S4).

/// In a magazine: the word whose low half sections compare counts with: the capacity, or 0 where the magazine is closed.
pub const GUARD: usize = 0;
/// The word whose low half sections store; on the guard's line.
pub const COUNT: usize = 8;
/// Where the objects' addresses begin; the first of them on the line of the counts.
pub const ENTRIES: usize = 16;

/// Body of `void *objpool_pop(struct objpool_head *)`.
///
/// ```text
/// if head == null -> slow; pool = head.cpu_slots; if pool == null -> slow
/// section:
///     cpu = cpu_id; if cpu >= pool.limit -> slow                    (no rseq, strict, atomics)
///     m = pool + MAGAZINE + (cpu << SHIFT)
///     g = m.guard                                                   (before the count: an open guard's count is not an earlier one)
///     n = m.count - 1; if n >= g, unsigned -> slow                  (empty; or closed, being recalled)
///     object = m.entries[n]
///     m.count = n                                                   <- commit
/// return object
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __objpool_pop_body {
    ($slow:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            $crate::__section_descriptor!("3"),
            "test rdi, rdi",
            "jz 85f",
            "mov rsi, qword ptr [rdi + {h_pool}]",
            "mov rdx, qword ptr [rip + __psref_rseq_offset]",
            "test rsi, rsi",
            "jz 85f",
            $crate::__section_arm!("3", "rdx", "rax"),
            "mov ecx, dword ptr fs:[rdx + 4]",
            "cmp ecx, dword ptr [rsi + {p_limit}]",
            "jae 85f",
            "shl rcx, {shift}",
            "add rcx, rsi",
            "mov r9d, dword ptr [rcx + {guard}]",
            $crate::__section_pause!("16"),
            "mov r8d, dword ptr [rcx + {count}]",
            "sub r8d, 1",
            "cmp r8d, r9d",
            "jae 85f",
            "lea rax, [rcx + 8*r8 + {entries}]", // an access by two registers would cost a cycle and a half
            "mov rax, qword ptr [rax]",
            $crate::__section_pause!("17"),
            "mov dword ptr [rcx + {count}], r8d",
            "34:",
            "ret",
            "85:",
            "jmp {slow}",
            $crate::__section_abort!("3", "jmp {slow}"),
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
            h_pool = const $crate::objpool::entry::HEAD_POOL,
            p_limit = const $crate::objpool::entry::POOL_LIMIT,
            guard = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::GUARD,
            count = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::COUNT,
            entries = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::ENTRIES,
            shift = const $crate::objpool::entry::STRIPE_SHIFT,
        )
    };
}

/// Body of `int objpool_push(void *, struct objpool_head *)`.
///
/// Whether an address is an object's: its distance from the first one is less than the bytes of all, and a multiple of the stride,
/// which one multiplication tells (see the layout's `reciprocal`). Where objects lie on several nodes the span is 0, and the number of the
/// object is made: the distance times the inverse of the odd part of the stride (mod 2^64), rotated by the even part. A distance that is
/// no multiple gives a number that is too large, as one off either end does; the number has the node's area in its upper bits, and
/// each area its own bound.
///
/// ```text
/// if head == null -> slow; pool = head.cpu_slots; if pool == null -> slow
/// d = object - pool.base; if d >= pool.span -> areas
/// if d * pool.reciprocal >= pool.reciprocal -> slow                 (inside of an object: refused there)
/// section:
///     cpu = cpu_id; if cpu >= pool.limit -> slow
///     m = pool + MAGAZINE + (cpu << SHIFT)
///     g = m.guard                                                   (first, as in the pop)
///     n = m.count; if n >= g -> slow                                (full, or closed)
///     m.entries[n] = object
///     m.count = n + 1                                               <- commit
/// return 0
/// areas: i = (d * pool.inverse) ror pool.twos
///     a = i >> pool.area_bits; if a >= pool.areas -> slow        (refused there; also where there is one area)
///     if (i & pool.area_mask) >= pool.bounds[a] -> slow, else section
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __objpool_push_body {
    ($slow:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            $crate::__section_descriptor!("3"),
            "test rsi, rsi",
            "jz 85f",
            "mov rdx, qword ptr [rsi + {h_pool}]",
            "mov r8, qword ptr [rip + __psref_rseq_offset]",
            "test rdx, rdx",
            "jz 85f",
            "mov r10, rdi",
            "mov r9, qword ptr [rdx + {p_reciprocal}]",
            "sub r10, qword ptr [rdx + {p_base}]",
            "cmp r10, qword ptr [rdx + {p_span}]",
            "jae 83f",
            "imul r10, r9",
            "cmp r10, r9",
            "jae 85f",
            "82:",
            $crate::__section_arm!("3", "r8", "rax"),
            "mov eax, dword ptr fs:[r8 + 4]",
            "cmp eax, dword ptr [rdx + {p_limit}]",
            "jae 85f",
            "shl rax, {shift}",
            "add rax, rdx",
            "mov r10d, dword ptr [rax + {guard}]",
            $crate::__section_pause!("18"),
            "mov r11d, dword ptr [rax + {count}]",
            "cmp r11d, r10d",
            "jae 85f",
            "lea r10, [rax + 8*r11 + {entries}]",
            "mov qword ptr [r10], rdi",
            "add r11d, 1",
            $crate::__section_pause!("19"),
            "mov dword ptr [rax + {count}], r11d",
            "34:",
            "xor eax, eax",
            "ret",
            "85:",
            "jmp {slow}",
            "83:",
            "imul r10, qword ptr [rdx + {p_inverse}]",
            "mov ecx, dword ptr [rdx + {p_twos}]",
            "ror r10, cl",
            "mov ecx, dword ptr [rdx + {p_area_bits}]",
            "mov rax, r10",
            "shr rax, cl",
            "cmp rax, qword ptr [rdx + {p_areas}]",
            "jae 85b",
            "mov rcx, qword ptr [rdx + {p_bounds}]",
            "and r10, qword ptr [rdx + {p_area_mask}]",
            "cmp r10, qword ptr [rcx + 8*rax]",
            "jb 82b",
            "jmp 85b",
            $crate::__section_abort!("3", "jmp {slow}"),
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
            h_pool = const $crate::objpool::entry::HEAD_POOL,
            p_limit = const $crate::objpool::entry::POOL_LIMIT,
            p_base = const $crate::objpool::entry::POOL_BASE,
            p_inverse = const $crate::objpool::entry::POOL_INVERSE,
            p_twos = const $crate::objpool::entry::POOL_TWOS,
            p_reciprocal = const $crate::objpool::entry::POOL_RECIPROCAL,
            p_span = const $crate::objpool::entry::POOL_SPAN,
            p_area_bits = const $crate::objpool::entry::POOL_AREA_BITS,
            p_areas = const $crate::objpool::entry::POOL_AREAS,
            p_area_mask = const $crate::objpool::entry::POOL_AREA_MASK,
            p_bounds = const $crate::objpool::entry::POOL_BOUNDS,
            guard = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::GUARD,
            count = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::COUNT,
            entries = const $crate::objpool::entry::POOL_MAGAZINE + $crate::objpool::entry::ENTRIES,
            shift = const $crate::objpool::entry::STRIPE_SHIFT,
        )
    };
}
