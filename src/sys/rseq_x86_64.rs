// SPDX-License-Identifier: MIT OR Apache-2.0
//! Restartable sequences on x86-64: the pieces every section is made of, and the section that Rust calls.
//!
//! A section is armed by storing its descriptor into the thread's `rseq_cs`; from the instruction after that store up to
//! the committing store the kernel sends the thread to the abort handler whenever it is preempted, migrated, signalled or
//! hit by a membarrier. Nothing in between is visible to anybody else in a way that matters.
//!
//! S1. A guard is tested and the commit is done in ONE section (R4).
//! S2. cpu_id is read inside, and compared with the number of stripes before it indexes memory (R14).
//! S3. The commit is the last instruction of the section and uses base-only addressing.
//! S4. No calls and no stack inside, so profilers unwind by the state at the entry. In the exported fast paths the registers
//!     that hold arguments are not changed: every way out can go to the slow routine with them.
//! S5. An abort goes to the slow path, whose retries are bounded (R11).

/// Descriptor `$id`: version, flags, start, length, abort handler. Labels: `$id`2 descriptor, 3 start, 4 end, 5 abort.
#[doc(hidden)]
#[macro_export]
macro_rules! __section_descriptor {
    ($id:literal) => {
        concat!(
            ".pushsection __rseq_cs,\"aw\",@progbits\n.balign 32\n",
            $id,
            "2:\n",
            ".long 0, 0\n.quad ",
            $id,
            "3f, ",
            $id,
            "4f - ",
            $id,
            "3f, ",
            $id,
            "5f\n.popsection\n"
        )
    };
}

/// Arms section `$id`: the last instruction before it starts. `$off` holds the area's offset, `$t` is spoiled.
#[cfg(not(feature = "inject"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __section_arm {
    ($id:literal, $off:literal, $t:literal) => {
        concat!("lea ", $t, ", [rip + ", $id, "2b]\nmov qword ptr fs:[", $off, " + 8], ", $t, "\n", $id, "3:\n")
    };
}

/// The same with the planted bug "sections disarmed": the mask makes the descriptor null on request.
#[cfg(feature = "inject")]
#[doc(hidden)]
#[macro_export]
macro_rules! __section_arm {
    ($id:literal, $off:literal, $t:literal) => {
        concat!(
            "lea ",
            $t,
            ", [rip + ",
            $id,
            "2b]\nand ",
            $t,
            ", qword ptr [rip + __psref_inject_armed]\n",
            "mov qword ptr fs:[",
            $off,
            " + 8], ",
            $t,
            "\n",
            $id,
            "3:\n"
        )
    };
}

/// What an abort handler begins with: nothing outside the test build.
#[cfg(not(feature = "inject"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __section_restarted {
    () => {
        ""
    };
}

/// Counts it.
#[cfg(feature = "inject")]
#[doc(hidden)]
#[macro_export]
macro_rules! __section_restarted {
    () => {
        "lock inc qword ptr [rip + __psref_inject_restarts]\n"
    };
}

/// What follows the last instruction after section `$id`: the abort handler in its own place, behind the signature that
/// glibc registered (an undefined instruction), which goes to `$to`.
#[doc(hidden)]
#[macro_export]
macro_rules! __section_abort {
    ($id:literal, $to:literal) => {
        concat!(
            ".pushsection __rseq_failure,\"ax\",@progbits\n.byte 0x0f, 0xb9, 0x3d\n.long 0x53053053\n",
            $id,
            "5:\n",
            $crate::__section_restarted!(),
            $to,
            "\n.popsection\n"
        )
    };
}

/// A pause between two steps of a section: nothing outside the test build.
#[cfg(not(feature = "inject"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __section_pause {
    ($site:literal) => {
        ""
    };
}

/// Counts down, then waits while the gate names this site; counts who came to the gate. Spoils no register: what it needs
/// goes through the red zone, which belongs to this frame alone.
#[cfg(feature = "inject")]
#[doc(hidden)]
#[macro_export]
macro_rules! __section_pause {
    ($site:literal) => {
        concat!(
            "mov qword ptr [rsp - 16], rax\n",
            "mov rax, qword ptr [rip + __psref_inject_delay]\n",
            "96:\nsub rax, 1\njns 96b\n",
            "cmp qword ptr [rip + __psref_inject_gate], ",
            $site,
            "\njne 98f\n",
            "lock inc qword ptr [rip + __psref_inject_waiting]\n",
            "97:\npause\ncmp qword ptr [rip + __psref_inject_gate], ",
            $site,
            "\nje 97b\n",
            "98:\nmov rax, qword ptr [rsp - 16]\n"
        )
    };
}

/// How a claim ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The slot's address.
    Slot(usize),
    /// The guard was set.
    Guarded,
    /// Every slot of the own CPU is taken.
    Full,
    /// The thread has no rseq, or its CPU no stripe.
    NoCpu,
    /// Restarted before the commit.
    Aborted,
}

/// A claim in a block: one section, bounded by the block's size.
///
/// ```text
/// if *guard != 0 -> Guarded
/// cpu = cpu_id; if cpu >= limit -> NoCpu
/// for slot in block[cpu] from home, once round: if slot.target == 0 ->
///     slot.holder = holder
///     slot.target = target          <- commit
/// Full
/// ```
///
/// # Safety
/// `block` is the address in stripe 0 of `mask + 16` bytes of slots that every stripe has, `mask` is a power of two less
/// 16, `home` a multiple of 16, `guard` readable until this returns (R1).
pub(crate) unsafe fn claim(
    block: usize,
    target: usize,
    holder: u64,
    guard: *const u8,
    home: usize,
    mask: usize,
) -> Claim {
    // SAFETY: the caller's promises are this function's.
    match unsafe { claim_section(block, target, holder, guard, home, mask) } {
        1 => Claim::Guarded,
        2 => Claim::Full,
        3 => Claim::NoCpu,
        4 => Claim::Aborted,
        slot => Claim::Slot(slot),
    }
}

/// rdi block, rsi target, rdx holder, rcx guard, r8 home, r9 mask.
#[unsafe(naked)]
unsafe extern "C" fn claim_section(_: usize, _: usize, _: u64, _: *const u8, _: usize, _: usize) -> usize {
    core::arch::naked_asm!(
        ".cfi_startproc",
        __section_descriptor!("2"),
        "mov r10, qword ptr [rip + __psref_rseq_offset]",
        __section_arm!("2", "r10", "rax"),
        "cmp byte ptr [rcx], 0",
        "jne 61f",
        __section_pause!("7"),
        "mov r11d, dword ptr fs:[r10 + 4]",
        "cmp r11d, dword ptr [rip + __psref_cpu_limit]",
        "jae 63f",
        "shl r11, {shift}",
        "add r11, rdi",
        "lea r10, [r9 + 16]",
        "51:",
        "and r8, r9",
        "lea rax, [r11 + r8]",
        "cmp qword ptr [rax], 0",
        "je 52f",
        "add r8, 16",
        "sub r10, 16",
        "jnz 51b",
        "jmp 62f",
        "52:",
        __section_pause!("8"),
        "mov qword ptr [rax + 8], rdx",
        __section_pause!("9"),
        "mov qword ptr [rax], rsi",
        "24:",
        "ret",
        "61:", "mov eax, 1", "ret",
        "62:", "mov eax, 2", "ret",
        "63:", "mov eax, 3", "ret",
        __section_abort!("2", "mov eax, 4\nret"),
        ".cfi_endproc",
        shift = const crate::sys::STRIPE_SHIFT,
    )
}

/// How an addition ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Add {
    /// Counted.
    Done,
    /// The guard was set.
    Guarded,
    /// The thread has no rseq, or its CPU no stripe.
    NoCpu,
    /// Restarted before the commit.
    Aborted,
}

/// An addition to the own CPU's cell.
///
/// ```text
/// if *guard != 0 -> Guarded
/// cpu = cpu_id; if cpu >= limit -> NoCpu
/// cells[cpu] += n                          <- commit
/// ```
///
/// # Safety
/// `cells` is the address in stripe 0 of a cell that every stripe has, `guard` readable until this returns (R1).
pub(crate) unsafe fn add(cells: usize, guard: *const usize, n: i64) -> Add {
    // SAFETY: the caller's promises are this function's.
    match unsafe { add_section(cells, guard, n) } {
        0 => Add::Done,
        1 => Add::Guarded,
        3 => Add::NoCpu,
        _ => Add::Aborted,
    }
}

/// rdi cells, rsi guard, rdx n.
#[unsafe(naked)]
unsafe extern "C" fn add_section(_: usize, _: *const usize, _: i64) -> usize {
    core::arch::naked_asm!(
        ".cfi_startproc",
        __section_descriptor!("2"),
        "mov r10, qword ptr [rip + __psref_rseq_offset]",
        __section_arm!("2", "r10", "rax"),
        "cmp qword ptr [rsi], 0",
        "jne 61f",
        __section_pause!("12"),
        "mov eax, dword ptr fs:[r10 + 4]",
        "cmp eax, dword ptr [rip + __psref_cpu_limit]",
        "jae 63f",
        "shl rax, {shift}",
        "add rax, rdi",
        __section_pause!("13"),
        "add qword ptr [rax], rdx",
        "24:",
        "xor eax, eax",
        "ret",
        "61:", "mov eax, 1", "ret",
        "63:", "mov eax, 3", "ret",
        __section_abort!("2", "mov eax, 4\nret"),
        ".cfi_endproc",
        shift = const crate::sys::STRIPE_SHIFT,
    )
}
