// SPDX-License-Identifier: MIT OR Apache-2.0
//! The plain cases of the fast paths, inlined into Rust callers: what of the naked functions is run nearly always. Each tells
//! whether it did anything; where not, the caller goes to the naked function, which begins anew. Rules S1-S3 of
//! [`section`](super::section) hold here; an abort is not tried again (S5).

use super::STRIPE_SHIFT;
use super::objpool_entry::{COUNT, ENTRIES, GUARD};
use super::tls::{THREAD_NUMBER, THREAD_READING};
use std::arch::asm;

macro_rules! of_thread {
    ($word:path) => {{
        let word: usize;
        // SAFETY: reads a word of this thread's. Not `pure`: a coroutine may have moved to another thread.
        unsafe {
            asm!(
                "mov {w}, qword ptr [rip + __psref_tls@GOTTPOFF]",
                "mov {w}, qword ptr fs:[{w} + {word}]",
                w = out(reg) word, word = const $word, options(nostack, readonly, preserves_flags),
            );
        }
        word
    }};
}

/// The calling thread's number; 0 before its first use.
#[inline(always)]
pub(crate) fn thread_number() -> usize {
    of_thread!(THREAD_NUMBER)
}

/// The address of the calling thread's word of read sections; of one that is never written while its sections take the slow path.
#[inline(always)]
pub(crate) fn thread_reading() -> usize {
    of_thread!(THREAD_READING)
}

macro_rules! of_process {
    ($symbol:literal) => {{
        let word: u64;
        // SAFETY: reads the library's own word, which others write.
        unsafe {
            asm!(
                concat!("mov {w}, qword ptr [rip + ", $symbol, "]"),
                w = out(reg) word, options(nostack, readonly, preserves_flags),
            );
        }
        word
    }};
}

/// Where the rseq area is, from the thread pointer: of all threads, and for good. So it is loaded once for many sections.
#[inline(always)]
fn area() -> u64 {
    let area: u64;
    // SAFETY: reads a word of the library's that is a constant since before any section could be.
    unsafe {
        asm!(
            "mov {a}, qword ptr [rip + __psref_rseq_offset]",
            a = out(reg) area, options(pure, nomem, nostack, preserves_flags),
        );
    }
    area
}

macro_rules! pause {
    ($(#[$doc:meta])* $name:ident = $site:literal) => {
        $(#[$doc])*
        #[inline(always)]
        pub(crate) fn $name() {
            #[cfg(feature = "inject")]
            // SAFETY: changes nothing but the red zone, which a block without `nostack` may use.
            unsafe {
                asm!(crate::__section_pause!($site));
            }
        }
    };
}

pause!(
    /// In test builds: between the sequence that a reader read and its store of it.
    pause_before_entry = "14"
);
pause!(
    /// In test builds: between a reader's last store and its look for who waits.
    pause_after_exit = "15"
);

/// The sequence of grace periods, as readers store it.
#[inline(always)]
pub(crate) fn grace() -> u64 {
    of_process!("__psref_grace")
}

/// What the performer that waits has made of it; 0 while none waits.
#[inline(always)]
pub(crate) fn waited() -> u64 {
    of_process!("__psref_waited")
}

/// ```text
/// section:
///     if *guard != 0 -> false
///     cpu = cpu_id; if cpu >= limit -> false
///     cells[cpu] += N                                      <- commit
/// ```
///
/// # Safety
/// `cells` is the address in stripe 0 of a cell that every stripe has, `guard` readable until this returns (R1).
#[inline(always)]
pub(crate) unsafe fn add<const N: i32>(guard: *const usize, cells: usize) -> bool {
    // SAFETY: the caller's promises.
    unsafe {
        asm!(
            crate::__section_descriptor!("3"),
            crate::__section_arm!("3", "{area}", "rax"),
            "cmp qword ptr [{guard}], 0",
            "jne {otherwise}",
            crate::__section_pause!("10"),
            "mov eax, dword ptr fs:[{area} + 4]",
            "cmp eax, dword ptr [rip + __psref_cpu_limit]",
            "jae {otherwise}",
            "shl rax, {shift}",
            "add rax, {cells}",
            crate::__section_pause!("11"),
            "add qword ptr [rax], {n}",
            "34:",
            crate::__section_abort!("3", "jmp {otherwise}"),
            area = in(reg) area(), guard = in(reg) guard, cells = in(reg) cells, n = const N, shift = const STRIPE_SHIFT,
            out("rax") _,
            otherwise = label { return false },
        );
    }
    true
}

/// The slot that was claimed; 0: none was. Guard, limit and slots lie at these distances in the target and in the class.
///
/// ```text
/// section:
///     if target.guard != 0 -> 0
///     cpu = cpu_id; if cpu >= class.limit -> 0
///     slot = class.slots + (cpu << SHIFT) + offset; if slot.target != 0 -> 0
///     slot.holder = holder
///     slot.target = target                                 <- commit
/// ```
///
/// # Safety
/// Target and class are readable until this returns (R1), and every stripe below the limit has the slot at that offset.
#[inline(always)]
pub(crate) unsafe fn claim<const GUARDED: usize, const LIMIT: usize, const SLOTS: usize>(
    target: *const u8,
    class: *const u8,
    offset: usize,
    holder: usize,
) -> usize {
    let slot: usize;
    // SAFETY: the caller's promises.
    unsafe {
        asm!(
            crate::__section_descriptor!("3"),
            crate::__section_arm!("3", "{area}", "{slot}"),
            "cmp byte ptr [{target} + {guard}], 0",
            "jne 37f",
            crate::__section_pause!("1"),
            "mov {slot:e}, dword ptr fs:[{area} + 4]",
            "cmp {slot:e}, dword ptr [{class} + {limit}]",
            "jae 37f",
            "shl {slot}, {shift}",
            "add {slot}, qword ptr [{class} + {slots}]",
            "add {slot}, {offset}",
            "cmp qword ptr [{slot}], 0",
            "jne 37f",
            crate::__section_pause!("2"),
            "mov qword ptr [{slot} + 8], {holder}",
            crate::__section_pause!("3"),
            "mov qword ptr [{slot}], {target}",
            "34:",
            crate::__section_abort!("3", "37: xor {slot:e}, {slot:e}\njmp 36f"),
            "36:",
            area = in(reg) area(), slot = out(reg) slot, target = in(reg) target, class = in(reg) class,
            offset = in(reg) offset, holder = in(reg) holder,
            guard = const GUARDED, limit = const LIMIT, slots = const SLOTS, shift = const STRIPE_SHIFT,
        );
    }
    slot
}

/// The last object of the own CPU's magazine; 0: none was taken.
///
/// ```text
/// section:
///     cpu = cpu_id; if cpu >= *limit -> 0
///     m = magazines + (cpu << SHIFT)
///     g = m.guard                                          (before the count: an open guard's count is not an earlier one)
///     n = m.count - 1; if n >= g, unsigned -> 0
///     object = m.entries[n]
///     m.count = n                                          <- commit
/// ```
///
/// # Safety
/// `magazines` is the address in stripe 0 of one that every stripe below the limit has; the limit is readable until this returns.
#[inline(always)]
pub(crate) unsafe fn take(magazines: usize, limit: *const u32) -> usize {
    let object: usize;
    // SAFETY: the caller's promises.
    unsafe {
        asm!(
            crate::__section_descriptor!("3"),
            crate::__section_arm!("3", "{area}", "{object}"),
            "mov {object:e}, dword ptr fs:[{area} + 4]",
            "cmp {object:e}, dword ptr [{limit}]",
            "jae 37f",
            "shl {object}, {shift}",
            "add {magazine}, {object}",
            "mov {object:e}, dword ptr [{magazine} + {guard}]",
            crate::__section_pause!("16"),
            "mov {n:e}, dword ptr [{magazine} + {count}]",
            "sub {n:e}, 1",
            "cmp {n:e}, {object:e}",
            "jae 37f",
            "lea {object}, [{magazine} + 8*{n} + {entries}]",
            "mov {object}, qword ptr [{object}]",
            crate::__section_pause!("17"),
            "mov dword ptr [{magazine} + {count}], {n:e}",
            "34:",
            crate::__section_abort!("3", "37: xor {object:e}, {object:e}\njmp 36f"),
            "36:",
            area = in(reg) area(), object = out(reg) object, n = out(reg) _,
            magazine = inout(reg) magazines => _, limit = in(reg) limit, shift = const STRIPE_SHIFT,
            guard = const GUARD, count = const COUNT, entries = const ENTRIES,
        );
    }
    object
}

/// Puts an object on the own CPU's magazine.
///
/// ```text
/// section:
///     cpu = cpu_id; if cpu >= *limit -> false
///     m = magazines + (cpu << SHIFT)
///     g = m.guard                                          (first, as in `take`)
///     n = m.count; if n >= g -> false
///     m.entries[n] = object
///     m.count = n + 1                                      <- commit
/// ```
///
/// # Safety
/// As of [`take`].
#[inline(always)]
pub(crate) unsafe fn give(object: usize, magazines: usize, limit: *const u32) -> bool {
    // SAFETY: the caller's promises.
    unsafe {
        asm!(
            crate::__section_descriptor!("3"),
            crate::__section_arm!("3", "{area}", "rax"),
            "mov eax, dword ptr fs:[{area} + 4]",
            "cmp eax, dword ptr [{limit}]",
            "jae {otherwise}",
            "shl rax, {shift}",
            "add rax, {magazines}",
            "mov edx, dword ptr [rax + {guard}]",
            crate::__section_pause!("18"),
            "mov ecx, dword ptr [rax + {count}]",
            "cmp ecx, edx",
            "jae {otherwise}",
            "lea rdx, [rax + 8*rcx + {entries}]",
            "mov qword ptr [rdx], {object}",
            "add ecx, 1",
            crate::__section_pause!("19"),
            "mov dword ptr [rax + {count}], ecx",
            "34:",
            crate::__section_abort!("3", "jmp {otherwise}"),
            area = in(reg) area(), magazines = in(reg) magazines, limit = in(reg) limit,
            object = in(reg) object, out("rax") _, out("rcx") _, out("rdx") _, shift = const STRIPE_SHIFT,
            guard = const GUARD, count = const COUNT, entries = const ENTRIES,
            otherwise = label { return false },
        );
    }
    true
}
