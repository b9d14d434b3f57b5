// SPDX-License-Identifier: MIT OR Apache-2.0
//! The exported functions where there are no sections: each leaves at once for its slow routine, with the arguments as they are.

/// Body of a naked function that goes on in another.
#[doc(hidden)]
#[macro_export]
#[cfg(target_arch = "aarch64")]
macro_rules! __leave_for {
    ($slow:path $(, $wake:path)?) => {
        core::arch::naked_asm!("b {slow}", $("// not {wake}: the slow routine sees to that", wake = sym $wake,)? slow = sym $slow)
    };
}

/// Body of a naked function that goes on in another.
#[doc(hidden)]
#[macro_export]
#[cfg(target_arch = "riscv64")]
macro_rules! __leave_for {
    ($slow:path $(, $wake:path)?) => {
        core::arch::naked_asm!("tail {slow}", $("# not {wake}: the slow routine sees to that", wake = sym $wake,)? slow = sym $slow)
    };
}

macro_rules! leaving {
    ($dollar:tt: $($name:ident)*) => {
        $(
            /// As on x86-64, without the plain case.
            #[doc(hidden)]
            #[macro_export]
            macro_rules! $name {
                ($dollar slow:path $dollar(, $dollar wake:path)?) => {
                    $crate::__leave_for!($dollar slow $dollar(, $dollar wake)?)
                };
                ($dollar n:literal, $dollar result:literal, $dollar slow:path) => {
                    $crate::__leave_for!($dollar slow)
                };
            }
        )*
    };
}

leaving!($: __count_add_body __objpool_pop_body __objpool_push_body __objpool_pop_bulk_body __objpool_push_bulk_body
    __psref_acquire_body __psref_release_body __read_enter_body __read_exit_body);
