// SPDX-License-Identifier: MIT OR Apache-2.0
//! One record for each thread that ever came here: taken at its first use, in whatever context that is, and returned at its
//! end without its help. Type-stable; numbers are never reused, so a number in a slot names one thread for ever.
//!
//! T1. A record with a number belongs to the thread whose TLS words point to it.
//! T2. The TLS number is 0 or the number of the record that the TLS pointer names.
//! T3. Numbers are odd, so that none reads as the address of anything aligned.

use crate::diag::fatal;
use crate::stable::{Pool, Stable};
use crate::sys::sync::{AtomicU32, AtomicU64, Ordering, compiler_fence};
use crate::sys::thread_exit::Key;
use crate::sys::{errno, fork, process, tls};
use std::ffi::c_void;

/// On lines of its own, two because hardware fetches them in pairs.
#[repr(C, align(128))]
pub(crate) struct Record {
    /// Never reused; 0 while the record is free.
    number: AtomicU64,
    /// The kernel's id of the thread.
    tid: AtomicU32,
}

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for Record {
    #[cfg(loom)]
    fn fresh() -> Self {
        Record { number: AtomicU64::new(0), tid: AtomicU32::new(0) }
    }
}

static RECORDS: Pool<Record> = Pool::new();
#[cfg(not(loom))]
static BORN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
// The numbers choose stripes: every execution must count from the start.
#[cfg(loom)]
loom::lazy_static! { static ref BORN: AtomicU64 = AtomicU64::new(0); }
/// The key whose destructor returns records, plus one; 0 before it is made.
static KEY: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// Readies what a thread's end and a fork need. Called where sleeping is allowed, before any thread needs a record.
/// `in_child` is what a forked child does first.
pub(crate) fn prepare(in_child: unsafe extern "C" fn()) -> Result<(), errno::Errno> {
    if KEY.load(Ordering::Acquire) != 0 {
        return Ok(());
    }
    // The first records are there before anybody needs one. (Models make theirs one by one, alike in every execution.)
    #[cfg(not(loom))]
    {
        let first = RECORDS.take()?;
        // SAFETY: taken above, never installed or numbered.
        unsafe { RECORDS.give(first) };
    }
    let key = Key::new(at_exit)?;
    // Twice registered is harmless, not registered is not: before the key says that all is ready.
    if let Err(e) = fork::in_child(in_child) {
        key.delete();
        return Err(e);
    }
    if KEY.compare_exchange(0, key.number() + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        key.delete();
    }
    Ok(())
}

/// The calling thread's number; takes a record at the first use. No lock, no malloc: also in signal handlers (R13).
pub(crate) fn number() -> u64 {
    match tls::with(|words| words.number.load(Ordering::Relaxed)) {
        0 => introduce(),
        number => number,
    }
}

/// The calling thread's number if it has one.
pub(crate) fn number_if_any() -> Option<u64> {
    Some(tls::with(|words| words.number.load(Ordering::Relaxed))).filter(|&n| n != 0)
}

/// A signal handler may come, use psref and even fork between any two steps. So the record is installed before it is
/// numbered: one that is not installed counts as nobody's, and whoever finds one installed numbers it.
#[cold]
fn introduce() -> u64 {
    let _errno = errno::Preserve::new();
    let fresh =
        RECORDS.take().unwrap_or_else(|e| fatal(format_args!("no memory for a thread's record (errno {})", e.0)));
    tls::with(|words| {
        let ours = std::ptr::from_ref(fresh).cast_mut().cast::<c_void>();
        let installed = words.record.compare_exchange(std::ptr::null_mut(), ours, Ordering::AcqRel, Ordering::Acquire);
        let (record, at) = match installed {
            Ok(_) => (fresh, ours),
            Err(theirs) => {
                // SAFETY: taken above, never installed or numbered; T1: the words point to a record, which is type-stable.
                unsafe {
                    RECORDS.give(fresh);
                    (&*theirs.cast::<Record>(), theirs)
                }
            }
        };
        record.tid.store(process::thread_id(), Ordering::Relaxed);
        let born = BORN.fetch_add(2, Ordering::Relaxed) + 1;
        // Release: whoever finds the number finds the thread id.
        let number = match record.number.compare_exchange(0, born, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => born,
            Err(number) => number,
        };
        if let Some(key) = key() {
            // Without it the record is not returned; the thread works all the same.
            let _ = key.set(at);
        }
        words.number.store(number, Ordering::Relaxed);
        number
    })
}

fn key() -> Option<Key> {
    KEY.load(Ordering::Acquire).checked_sub(1).map(Key::from_number)
}

/// Once for each number, whoever comes: a fork in a handler at the thread's end may have been first.
fn give(record: &'static Record) {
    if record.number.swap(0, Ordering::Relaxed) != 0 {
        // SAFETY: T1 ends here: no TLS word points to it any more, or will.
        unsafe { RECORDS.give(record) };
    }
}

/// The key's destructor. A destructor of the program's that runs later and uses psref takes another record.
unsafe extern "C" fn at_exit(record: *mut c_void) {
    tls::with(|words| {
        // In this order: a handler in between uses the number it finds and takes no second record.
        words.record.store(std::ptr::null_mut(), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        words.number.store(0, Ordering::Relaxed);
    });
    // SAFETY: the key's value is the record that `introduce` set; T1.
    give(unsafe { &*record.cast::<Record>() });
}

/// In a forked child: the records of all threads that did not come along are free (R15). Returns the number of the one
/// that did, 0 if it has none.
pub(crate) fn after_fork() -> u64 {
    let (mine, number) =
        tls::with(|words| (words.record.load(Ordering::Relaxed), words.number.load(Ordering::Relaxed)));
    for record in RECORDS.iter() {
        if std::ptr::from_ref(record).cast::<c_void>() == mine.cast_const() {
            record.tid.store(process::thread_id(), Ordering::Relaxed);
        } else if record.number.load(Ordering::Relaxed) != 0 {
            give(record);
        }
    }
    number
}

/// The kernel's id of the living thread with this number.
pub(crate) fn tid_of(number: u64) -> Option<u32> {
    if number == 0 {
        return None;
    }
    // Acquire: pairs with `introduce`.
    let record = RECORDS.iter().find(|r| r.number.load(Ordering::Acquire) == number)?;
    Some(record.tid.load(Ordering::Relaxed))
}
