// SPDX-License-Identifier: MIT OR Apache-2.0
//! The address that a function returns to, for the function that it leaves for.

/// Body of a naked function that has pushed nothing yet: puts its return address into `$register`, that of the first argument
/// it does not have, and goes on in `$function`, which has that argument more.
#[doc(hidden)]
#[macro_export]
macro_rules! __with_caller {
    ($register:literal, $function:path) => {
        core::arch::naked_asm!(
            ".cfi_startproc",
            concat!("mov ", $register, ", qword ptr [rsp]"),
            "jmp {function}",
            ".cfi_endproc",
            function = sym $function,
        )
    };
}
