// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a thread is to ported kernel code: whether it is bound to a CPU, whether preemption is disabled, whether it runs a
//! software interrupt. Words of the thread's record, and nothing else: no affinity is changed and no thread stays where it is. To
//! have something of a CPU's for oneself, take a virtual one (`vcpu`).
//!
//! W1. The words are the thread's alone to write. A signal handler leaves `bound`, `depth` and `held` as it found them.
//! W2. `bound` keeps the number that [`bind`] found until the outermost [`bindx`]: it does not follow the thread to another CPU.
//! W3. Where `held` is not 0, `depth` is not less than the depth in it, and the thread has that virtual CPU.
//!
//! Source of the interface: NetBSD's curlwp_bind(9), kpreempt(9).
#![doc(hidden)]

use crate::diag::fatal;
use crate::sys::cpus;
use crate::sys::sync::Ordering;
use crate::thread::{self, KernelWords};

/// `context` of a helper that runs a software interrupt, or a cross-call of high priority.
pub(crate) const SOFTINT: u32 = 1;
/// `context` of a helper that runs a cross-call of low priority, which may sleep.
pub(crate) const CROSS_CALL: u32 = 2;

/// The calling thread's words; takes a record at the first use.
pub(crate) fn words() -> &'static KernelWords {
    &thread::record().kernel
}

fn words_if_any() -> Option<&'static KernelWords> {
    thread::record_if_any().map(|record| &record.kernel)
}

/// The number in a word that is 0 where there is none, and else a number plus one.
fn number_in(word: u32) -> Option<u32> {
    word.checked_sub(1)
}

/// `curlwp_bind`: from now on the thread says that it runs on one CPU: that of the virtual CPU it holds, else the one it runs on
/// now. Answers whether it was bound already. In signal handlers too.
pub fn bind() -> bool {
    let words = words();
    // Relaxed, here and below: the thread's own (W1).
    if words.bound.load(Ordering::Relaxed) != 0 {
        return true;
    }
    let cpu = held().unwrap_or_else(cpus::current);
    words.bound.store(cpu + 1, Ordering::Relaxed);
    false
}

/// `curlwp_bindx`: gives back what [`bind`] answered. A thread that is not bound is a fatal diagnostic.
pub fn bindx(was: bool) {
    let words = words();
    if words.bound.load(Ordering::Relaxed) == 0 {
        fatal(format_args!("curlwp_bindx: the thread is not bound; expected curlwp_bind before, once for each"));
    }
    if !was {
        words.bound.store(0, Ordering::Relaxed);
    }
}

/// The CPU that strict mode means: the number of the virtual CPU that the thread holds, else the one that [`bind`] recorded. `None`:
/// neither bound, nor preemption disabled, nor in a software interrupt.
pub fn bound_to() -> Option<u32> {
    held().or_else(recorded)
}

/// The number of the virtual CPU that the thread holds.
pub(crate) fn held() -> Option<u32> {
    number_in(words_if_any()?.held.load(Ordering::Relaxed) as u32)
}

/// The number that [`bind`] recorded, if the thread is bound.
pub(crate) fn recorded() -> Option<u32> {
    number_in(words_if_any()?.bound.load(Ordering::Relaxed))
}

/// Whether preemption is disabled: the thread is between kpreempt_disable and its end, or what counts as that.
pub fn is_preemption_disabled() -> bool {
    words_if_any().is_some_and(|words| words.depth.load(Ordering::Relaxed) != 0)
}

/// Whether the thread is a helper that runs a software interrupt or a cross-call of high priority.
pub fn is_softint() -> bool {
    context() == SOFTINT
}

/// What the thread runs: 0, [`SOFTINT`] or [`CROSS_CALL`].
pub(crate) fn context() -> u32 {
    words_if_any().map_or(0, |words| words.context.load(Ordering::Relaxed))
}

/// The calling thread's number: never another's.
pub fn lwp_id() -> u64 {
    thread::number()
}

/// What C knows the calling thread by: the address of its record, which another thread may have after its end.
pub fn address() -> *const std::ffi::c_void {
    std::ptr::from_ref(thread::record()).cast()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_bound_until_the_outermost_bindx_and_keeps_its_number() {
        assert_eq!(bound_to(), None);
        let outer = bind();
        let cpu = bound_to();
        assert!(!outer && cpu.is_some());
        let inner = bind();
        assert!(inner);
        bindx(inner);
        assert_eq!(bound_to(), cpu);
        bindx(outer);
        assert_eq!(bound_to(), None);
    }

    #[test]
    fn who_a_thread_is_differs_from_thread_to_thread_and_does_not_change() {
        let (id, at) = (lwp_id(), address().addr());
        let (other, there) = std::thread::spawn(|| (lwp_id(), address().addr())).join().unwrap();
        assert_ne!(id, other);
        assert_ne!(at, there);
        assert_eq!((lwp_id(), address().addr()), (id, at));
    }

    #[test]
    fn an_ordinary_thread_is_in_no_software_interrupt() {
        assert!(!is_softint() && !is_preemption_disabled());
        assert_eq!((context(), held(), recorded()), (0, None, None));
    }
}
