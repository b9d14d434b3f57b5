// SPDX-License-Identifier: MIT OR Apache-2.0
//! Probes of SystemTap's SDT kind (USDT) for bpftrace, perf, gdb and SystemTap: on slow paths alone, each an
//! instruction that does nothing, and a note in the file that says where it is and where its arguments lie. A tracer
//! puts a breakpoint there while it watches; else nobody knows of it.
//!
//! All of them are in the table at the end: what is there is what the library has (scripts/check-library.sh compares).

/// How a note names an argument of 8 bytes in a register, as an assembler of the machine would; before the operand.
#[cfg(all(feature = "probes", target_arch = "x86_64", not(any(loom, miri))))]
macro_rules! register {
    () => {
        "8@%{"
    };
}
#[cfg(all(feature = "probes", target_arch = "aarch64", not(any(loom, miri))))]
macro_rules! register {
    () => {
        "8@{"
    };
}

/// The functions, each of which is the one place of its probe.
macro_rules! probes {
    ($($(#[$doc:meta])* $function:ident, $name:literal, ($first:ident $(, $rest:ident)*);)*) => {$(
        $(#[$doc])*
        #[inline(never)]
        #[cfg(all(feature = "probes", any(target_arch = "x86_64", target_arch = "aarch64"), not(any(loom, miri))))]
        pub(crate) fn $function($first: usize $(, $rest: usize)*) {
            // SAFETY: a nop, which reads registers at most; the rest goes into sections that are not run.
            unsafe {
                core::arch::asm!(
                    "990: nop",
                    // A note, type 3: its place, the base's as linked (for whoever has moved the file), no semaphore,
                    // and three texts.
                    ".pushsection .note.stapsdt, \"?\", \"note\"",
                    ".balign 4",
                    ".4byte 992f - 991f, 994f - 993f, 3",
                    "991: .asciz \"stapsdt\"",
                    "992: .balign 4",
                    "993: .8byte 990b, _.stapsdt.base, 0",
                    ".asciz \"psref\"",
                    concat!(".asciz \"", $name, "\""),
                    concat!(".asciz \"", register!(), stringify!($first), "}", $(" ", register!(), stringify!($rest), "}",)* "\""),
                    "994: .balign 4",
                    ".popsection",
                    ".ifndef _.stapsdt.base",
                    ".pushsection .stapsdt.base, \"aG\", \"progbits\", .stapsdt.base, comdat",
                    ".weak _.stapsdt.base",
                    ".hidden _.stapsdt.base",
                    "_.stapsdt.base: .space 1",
                    ".size _.stapsdt.base, 1",
                    ".popsection",
                    ".endif",
                    $first = in(reg) $first,
                    $($rest = in(reg) $rest,)*
                    options(nostack, preserves_flags, readonly),
                );
            }
        }

        #[inline(always)]
        #[cfg(not(all(feature = "probes", any(target_arch = "x86_64", target_arch = "aarch64"), not(any(loom, miri)))))]
        pub(crate) fn $function($first: usize $(, $rest: usize)*) {
            let _ = ($first, $($rest,)*);
        }
    )*};
}

// `outcome`: 0, or the error's number: ETIMEDOUT, EINTR.
probes! {
    /// `psref_target_drain` and its kin; `name`: where the class's name lies, 48 bytes.
    drain_start, "drain__start", (class, target, name);
    /// `ns`: slept so long, 0 if nobody held the target. Of a drain by descriptor: from its start until somebody has found
    /// the target free, on whose thread this is; ETIMEDOUT if the class was destroyed first.
    drain_end, "drain__end", (class, target, name, ns, outcome);
    /// `psref_target_destroy_many`.
    destroy_many_start, "destroy__many__start", (class, targets, name);
    destroy_many_end, "destroy__many__end", (class, targets, name, ns);
    /// `localcount_drain`.
    localcount_drain_start, "localcount__drain__start", (localcount);
    localcount_drain_end, "localcount__drain__end", (localcount, outcome);
    /// `device_gate_seal`.
    seal_start, "seal__start", (device);
    seal_end, "seal__end", (device, outcome);
    /// `pserialize_perform`; `limited`: 1 where the wait has a limit.
    perform_start, "perform__start", (limited);
    perform_end, "perform__end", (limited, outcome);
    /// A magazine of a pool is opened for everybody; `magazines`: the pool's, `objects`: what it showed.
    recall_start, "recall__start", (magazines, cpu, objects);
    /// It is empty, and its own CPU's again.
    recall_end, "recall__end", (magazines, cpu);
    /// What was retired is taken out of the queue as a batch, which may be empty where a barrier waits for its end.
    retire_batch_start, "retire__batch__start", (batch);
    /// All batches up to this one have come to their end.
    retire_batch_end, "retire__batch__end", (batch);
}
