// SPDX-License-Identifier: MIT OR Apache-2.0
//! Read sections where the case is not plain: a thread's first, and those of processes without membarrier. No lock, no
//! malloc: signal handlers come here too, and leave the word as they found it (R13).

use super::perform;
use crate::percpu::runtime;
use crate::sys::backend::Backend;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::sync::{Ordering, fence};
use crate::sys::{errno, tls};
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
use crate::sys::{
    inline,
    sync::{AtomicU64, compiler_fence},
};
use crate::thread;

/// How deep sections nest: the low bits of a word.
pub(super) const DEPTH: u64 = 0xffff;
/// One grace period more, in a word.
pub(super) const PERIOD: u64 = DEPTH + 1;

/// A caller's bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misuse {
    /// 65,535 sections nested, and one more.
    TooDeep,
    /// An exit outside of every section.
    NotInside,
}

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Misuse::TooDeep => "65535 read sections are open in this thread, expected fewer: is an exit missing?",
            Misuse::NotInside => {
                "mismatching pserialize_read_exit(): this thread is in no read section, expected one for every exit"
            }
        })
    }
}

/// The planted bug of the Miri and ThreadSanitizer runs makes it Relaxed, so that nothing of a section happens before the end
/// of the perform that waited for it.
const ENDING: Ordering = if cfg!(psref_planted) { Ordering::Relaxed } else { Ordering::SeqCst };

/// Enters.
pub(crate) fn enter() -> Result<(), Misuse> {
    let _errno = errno::Preserve::new();
    #[cfg(feature = "inject")]
    crate::sys::inject::at_slow_path();
    let record = thread::record();
    // Relaxed: this thread's own word, and a handler leaves it as it was.
    let word = record.reading.load(Ordering::Relaxed);
    if word & DEPTH == DEPTH {
        return Err(Misuse::TooDeep);
    }
    #[cfg(any(loom, feature = "inject"))]
    if word != 0 && plant::planted(Bug::NestedRenews) {
        record.reading.store(tls::grace().load(Ordering::Acquire) + (word & DEPTH), Ordering::Relaxed);
        return Ok(());
    }
    if word != 0 {
        record.reading.store(word + 1, Ordering::Relaxed);
        return Ok(());
    }
    // Acquire: who shows a sequence has not looked at anything before it (R23).
    record.reading.store(tls::grace().load(Ordering::Acquire), Ordering::Relaxed);
    // Z5. Fence D: the word before whatever the section loads; its partner is the performer's fence between unpublishing and
    // its look at the words.
    fence(Ordering::SeqCst);
    if runtime::chosen() == Some(Backend::Rseq) {
        thread::read_fast(record);
    }
    Ok(())
}

/// Leaves.
pub(crate) fn exit() -> Result<(), Misuse> {
    let Some(record) = thread::record_if_any() else { return Err(Misuse::NotInside) };
    let word = record.reading.load(Ordering::Relaxed);
    match word & DEPTH {
        0 => return Err(Misuse::NotInside),
        1 => {}
        _ => {
            record.reading.store(word - 1, Ordering::Relaxed);
            return Ok(());
        }
    }
    // SeqCst: the end of the section, then the look at `waited`; the partner is `waited`'s raising, then the look at the words.
    record.reading.swap(0, ENDING);
    if tls::waited().load(Ordering::SeqCst) != 0 {
        perform::wake(word);
    }
    Ok(())
}

/// How many sections the calling thread has open.
pub(crate) fn depth() -> usize {
    // Relaxed: the thread's own word.
    thread::reading_if_any().map_or(0, |word| (word.load(Ordering::Relaxed) & DEPTH) as usize)
}

/// Whether the calling thread is inside.
pub(crate) fn is_inside() -> bool {
    thread::is_reading()
}

/// The outermost section of a thread that has been here before; false: nothing was done. What `sys/reader_entry_x86_64.rs` does, inlined
/// into Rust callers.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn enter_plainly() -> bool {
    let word = own_word();
    if word.load(Ordering::Relaxed) != 0 {
        return false;
    }
    let now = inline::grace();
    inline::pause_before_entry();
    word.store(now, Ordering::Relaxed);
    // What the section loads comes after, for the compiler; for the processor the performer's membarrier sees to it.
    compiler_fence(Ordering::SeqCst);
    true
}

/// The end of such a section; false: nothing was done.
#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn exit_plainly() -> bool {
    let word = own_word();
    let was = word.load(Ordering::Relaxed);
    if was & DEPTH != 1 {
        return false;
    }
    // Release: what the section did comes before.
    word.store(0, Ordering::Release);
    // The performer's membarrier stands between its raising of `waited` and its look at the words.
    compiler_fence(Ordering::SeqCst);
    inline::pause_after_exit();
    if inline::waited() != 0 {
        perform::wake(was);
    }
    true
}

#[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
#[inline(always)]
fn own_word<'a>() -> &'a AtomicU64 {
    // SAFETY: the word of this thread's record, which is type-stable, or the one that is nobody's; that is neither 0 nor one deep, so
    // it is never written.
    unsafe { &*std::ptr::with_exposed_provenance::<AtomicU64>(inline::thread_reading()) }
}
