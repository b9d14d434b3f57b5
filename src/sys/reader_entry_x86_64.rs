// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fast paths of read sections, whole functions in the C calling convention: expanded in this crate for Rust and in `ffi`
//! under the C names. No restartable sequence: they write the thread's own word and nothing else. A signal handler may run
//! whole sections between any two steps, for it leaves the word as it found it.
//!
//! The thread's word holds 0 outside; inside the grace-period sequence at the outermost enter in bits 63..16, and how deep
//! the sections nest in bits 15..0.

/// Body of `int pserialize_read_enter(void)`.
///
/// ```text
/// now = grace
/// word = TLS.reading                                           (first use; no membarrier: a word with depth 0 that is not 0)
/// if [word] != 0 -> nested
/// [word] = now; return 0
/// nested: if its depth is 0 or all ones -> slow
///     [word] += 1; return 0
/// ```
///
/// The sequence is read before the store and may be old by then: the performer waits for such a reader in vain at worst. That
/// it loads nothing of the section before the store is visible is the performer's membarrier to see to.
#[doc(hidden)]
#[macro_export]
macro_rules! __read_enter_body {
    ($slow:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            "mov rcx, qword ptr [rip + __psref_tls@GOTTPOFF]",
            "mov rdx, qword ptr [rip + __psref_grace]",
            "mov rcx, qword ptr fs:[rcx + 16]",
            $crate::__section_pause!("14"),
            "mov rax, qword ptr [rcx]", // not in one with the test: that and its jump would be an operation more, and so would the answer
            "test rax, rax",
            "jnz 86f",
            "mov qword ptr [rcx], rdx",
            "ret",
            "86:",
            "movzx eax, word ptr [rcx]",
            "sub eax, 1",
            "cmp eax, 0xfffe",
            "jae 85f",
            "add qword ptr [rcx], 1",
            "xor eax, eax",
            "ret",
            "85:",
            "jmp {slow}",
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
        )
    };
}

/// Body of `void pserialize_read_exit(int)`.
///
/// ```text
/// word = TLS.reading
/// was = [word]; if depth of was != 1 -> nested
/// [word] = 0                                                   <- the section has ended
/// if waited != 0 -> wake(was)                                  (x86 keeps the store before this load for the performer, whose
///                                                               membarrier stands between its own store of waited and its look)
/// nested: if depth of was == 0 -> slow                         (no record's word, or a diagnostic)
///     [word] -= 1
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __read_exit_body {
    ($slow:path, $wake:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            "mov rcx, qword ptr [rip + __psref_tls@GOTTPOFF]",
            "mov rcx, qword ptr fs:[rcx + 16]",
            "mov rax, qword ptr [rcx]",
            "cmp ax, 1",
            "jne 86f",
            "mov qword ptr [rcx], 0",
            $crate::__section_pause!("15"),
            "mov rdx, qword ptr [rip + __psref_waited]",
            "test rdx, rdx",
            "jnz 87f",
            "ret",
            "86:",
            "jb 85f",
            "sub qword ptr [rcx], 1",
            "ret",
            "85:",
            "jmp {slow}",
            "87:",
            "mov rdi, rax",
            "jmp {wake}",
            ".cfi_endproc",
            ".balign 64, 0xcc",
            slow = sym $slow,
            wake = sym $wake,
        )
    };
}
