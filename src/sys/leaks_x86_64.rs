// SPDX-License-Identifier: MIT OR Apache-2.0
//! LeakSanitizer, where the program has it: it looks for pointers in what malloc gave, in globals and in stacks, not in mapped memory
//! as ours is. What hangs by a pointer there alone would be a leak to it.

/// The program has its functions, or these are null: no library is needed for them.
macro_rules! if_there {
    ($name:literal) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            concat!(".weak ", $name),
            concat!("mov rax, qword ptr [rip + ", $name, "@GOTPCREL]"),
            "test rax, rax",
            "jz 2f",
            "jmp rax",
            "2:",
            "ret",
            ".cfi_endproc",
        )
    };
}

/// From now on pointers in these bytes count.
///
/// # Safety
/// The bytes stay mapped until [`forget_pointers`].
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn has_pointers(_: *const u8, _: usize) {
    if_there!("__lsan_register_root_region")
}

/// The end of that.
///
/// # Safety
/// The same bytes.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn forget_pointers(_: *const u8, _: usize) {
    if_there!("__lsan_unregister_root_region")
}
