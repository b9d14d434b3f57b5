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
    /// | value | meaning | who may change it to what |
    /// |---|---|---|
    /// | 0 | the thread lives, or the record is free | the thread's end: 1 |
    /// | 1 | the thread ended inside a read section: the record is kept for those who wait for it | a fork: 0 |
    stuck: AtomicU32,
    /// Read sections: 0 outside; the thread's alone to write.
    pub(crate) reading: AtomicU64,
    /// What the thread is to ported kernel code; the thread's alone to write.
    pub(crate) kernel: KernelWords,
    /// Holds of classes that demand the kernels' rules; the thread's alone to write.
    pub(crate) holds: AtomicU32,
    /// How often the thread's end was put off because of them.
    rounds: AtomicU32,
}

/// The part of a record that [`lwp`](crate::lwp) and the virtual CPUs write. All zero: an ordinary thread, neither bound nor with
/// preemption disabled.
pub(crate) struct KernelWords {
    /// | value | meaning |
    /// |---|---|
    /// | 0 | not bound |
    /// | n + 1 | bound, and says that it runs on CPU n |
    pub(crate) bound: AtomicU32,
    /// How many times preemption is disabled.
    pub(crate) depth: AtomicU32,
    /// The virtual CPU that the thread holds: its number plus one in the low half, in the upper one at which `depth` it was taken,
    /// and in the top bit whether another frame of the thread gives it back. 0: none.
    pub(crate) held: AtomicU64,
    /// | value | meaning |
    /// |---|---|
    /// | 0 | an ordinary thread |
    /// | 1 | a helper that runs a software interrupt |
    /// | 2 | a helper that runs a function of a cross-call |
    pub(crate) context: AtomicU32,
    /// References of percpu(9) that the thread has.
    pub(crate) references: AtomicU32,
    /// Spin mutexes that the thread holds.
    pub(crate) spins: AtomicU32,
    /// Waits for a virtual CPU that the thread is in: more than one where a handler interrupted one and waits too.
    pub(crate) waits: AtomicU32,
}

impl KernelWords {
    #[cfg(loom)]
    fn fresh() -> Self {
        let word = || AtomicU32::new(0);
        KernelWords {
            bound: word(),
            depth: word(),
            held: AtomicU64::new(0),
            context: word(),
            references: word(),
            spins: word(),
            waits: word(),
        }
    }

    /// As of a thread that begins.
    fn clear(&self) {
        for word in [&self.bound, &self.depth, &self.context, &self.references, &self.spins, &self.waits] {
            word.store(0, Ordering::Relaxed);
        }
        self.held.store(0, Ordering::Relaxed);
    }
}

// SAFETY: atomics, for which zero is a value.
unsafe impl Stable for Record {
    #[cfg(loom)]
    fn fresh() -> Self {
        Record {
            number: AtomicU64::new(0),
            tid: AtomicU32::new(0),
            stuck: AtomicU32::new(0),
            reading: AtomicU64::new(0),
            kernel: KernelWords::fresh(),
            holds: AtomicU32::new(0),
            rounds: AtomicU32::new(0),
        }
    }
}

impl Record {
    /// The kernel's id of the thread, and whether it has ended.
    pub(crate) fn who(&self) -> (u32, bool) {
        (self.tid.load(Ordering::Relaxed), self.stuck.load(Ordering::Relaxed) != 0)
    }

    /// As of a thread that begins.
    fn clear(&self) {
        self.kernel.clear();
        self.holds.store(0, Ordering::Relaxed);
        self.rounds.store(0, Ordering::Relaxed);
    }
}

/// Bytes of a record.
#[cfg(not(loom))]
pub const RECORD_BYTES: usize = Pool::<Record>::BYTES;

static RECORDS: Pool<Record> = Pool::new();
#[cfg(not(loom))]
static BORN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
// The numbers choose stripes: every execution must count from the start.
#[cfg(loom)]
loom::lazy_static! { static ref BORN: AtomicU64 = AtomicU64::new(0); }
/// The key whose destructor returns records, plus one; 0 before it is made.
static KEY: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

static READY: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
static FORK_SEEN_TO: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// When the library is loaded: read sections may be all that a program uses before it forks, and they may be entered in signal
/// handlers, where no fork handler can be registered. Linked into a program, before the program's own constructors, which may have
/// sections: hence the number, the first there is.
#[cfg(not(any(loom, miri)))]
#[used]
#[unsafe(link_section = ".init_array.00000")]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn at_load() {
        tls::start();
        let _ = see_to_forks(); // or `prepare` does
        let _ = key(); // while its number is low: glibc allocates for those past the 32nd where they are set
    }
    at_load
};

fn see_to_forks() -> Result<(), errno::Errno> {
    if !FORK_SEEN_TO.load(Ordering::Acquire) {
        // Twice registered is harmless, not registered is not: before the flag.
        fork::in_child(in_child)?;
        FORK_SEEN_TO.store(true, Ordering::Release);
    }
    Ok(())
}

/// Readies what a thread's end and a fork need. Called where sleeping is allowed.
pub(crate) fn prepare() -> Result<(), errno::Errno> {
    if READY.load(Ordering::Acquire) {
        return Ok(());
    }
    // The first records are there before anybody needs one. (Models make theirs one by one, alike in every execution.)
    #[cfg(not(loom))]
    {
        let first = RECORDS.take()?;
        // SAFETY: taken above, never installed or numbered.
        unsafe { RECORDS.give(first) };
    }
    key().ok_or(errno::ENOMEM)?;
    see_to_forks()?;
    READY.store(true, Ordering::Release);
    Ok(())
}

/// The calling thread's record; takes one at the first use. No lock, no malloc: also in signal handlers (R13).
pub(crate) fn record() -> &'static Record {
    number();
    record_if_any().unwrap_or_else(|| {
        // A handler at the thread's end, between the two stores of `at_exit`: one more record, which the end then finds.
        introduce();
        record_if_any().unwrap_or_else(|| fatal(format_args!("a thread's record vanished under it")))
    })
}

/// The calling thread's record if it has one.
pub(crate) fn record_if_any() -> Option<&'static Record> {
    let record = tls::with(|words| words.record.load(Ordering::Relaxed)).cast::<Record>();
    // SAFETY: T1: null, or a record, which is type-stable.
    unsafe { record.cast_const().as_ref() }
}

/// The calling thread's word of read sections if it has one: where the fast path writes, else its record's. They differ at
/// the thread's end alone.
pub(crate) fn reading_if_any() -> Option<&'static AtomicU64> {
    let fast = tls::with(|words| words.reading.load(Ordering::Relaxed));
    if fast == tls::no_reading() {
        return record_if_any().map(|record| &record.reading);
    }
    // SAFETY: the word of a record, which is type-stable.
    unsafe { fast.cast_const().as_ref() }
}

/// Whether the calling thread is inside a read section.
pub(crate) fn is_reading() -> bool {
    // Relaxed: the thread's own word.
    reading_if_any().is_some_and(|word| word.load(Ordering::Relaxed) != 0)
}

/// Every record ever made: those of threads that live, and free ones, whose words are 0.
pub(crate) fn records() -> impl Iterator<Item = &'static Record> {
    RECORDS.iter()
}

/// Lets the calling thread's read sections take the fast path.
pub(crate) fn read_fast(record: &'static Record) {
    tls::with(|words| words.reading.store((&raw const record.reading).cast_mut(), Ordering::Relaxed));
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

/// The key; made at its first use, which may be in a handler: glibc makes keys by compare-and-swap alone. `None`: there are no
/// more keys.
fn key() -> Option<Key> {
    match KEY.load(Ordering::Acquire) {
        0 => {
            let key = Key::new(at_exit).ok()?;
            match KEY.compare_exchange(0, key.number() + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => Some(key),
                Err(theirs) => {
                    key.delete();
                    Some(Key::from_number(theirs - 1))
                }
            }
        }
        made => Some(Key::from_number(made - 1)),
    }
}

/// Once for each number, whoever comes: a fork in a handler at the thread's end may have been first, and the record be
/// another's by now, under another number.
fn give(record: &'static Record, number: u64) {
    if number != 0 && record.number.compare_exchange(number, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
        // SAFETY: T1 ends here: no TLS word points to it any more, or will.
        unsafe { RECORDS.give(record) };
    }
}

/// How often the C libraries go round the destructors of a thread that ends: POSIX's least, glibc's and musl's number.
const DESTRUCTOR_ROUNDS: u32 = 4;

/// The key's destructor. A destructor of the program's that runs later and uses psref takes another record.
unsafe extern "C" fn at_exit(record: *mut c_void) {
    // SAFETY: the key's value is the record that `introduce` set; T1.
    let record = unsafe { &*record.cast::<Record>() };
    let number = record.number.load(Ordering::Relaxed); // before anybody else can be given the record
    if record.holds.load(Ordering::Relaxed) != 0 {
        // Destructors of the program's that have still to run may release them: the last round tells.
        if record.rounds.fetch_add(1, Ordering::Relaxed) + 1 < DESTRUCTOR_ROUNDS
            && key().is_some_and(|key| key.set(std::ptr::from_ref(record).cast()).is_ok())
        {
            return;
        }
        ON_LEAK.call(number);
    }
    let depth = record.kernel.depth.load(Ordering::Relaxed);
    if depth != 0 {
        fatal(format_args!(
            "thread {} ends with preemption disabled {depth} times: its virtual CPU would be lost; expected kpreempt_enable, \
             percpu_putref or mutex_exit for each before",
            record.who().0
        ));
    }
    record.clear();
    tls::with(|words| {
        // In this order: a handler in between uses the number it finds and takes no second record.
        words.record.store(std::ptr::null_mut(), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        words.number.store(0, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        // Last: as long as the record is there, a handler's first section puts it back (`read_fast`).
        words.reading.store(tls::no_reading(), Ordering::Relaxed);
    });
    if record.reading.load(Ordering::Relaxed) == 0 {
        give(record, number);
    } else {
        // Whoever waits for the section waits for ever, and reports; a record given away would let it go on.
        record.stuck.store(1, Ordering::Relaxed);
    }
}

/// What families do in a forked child, in any order; they get the number of the one thread that came along, 0 if it has none.
static IN_CHILD: [AtomicHook; 8] = [const { AtomicHook(std::sync::atomic::AtomicPtr::new(std::ptr::null_mut())) }; 8];

/// What tells of holds that a thread left, and ends the program; gets the thread's number.
static ON_LEAK: AtomicHook = AtomicHook(std::sync::atomic::AtomicPtr::new(std::ptr::null_mut()));

/// A static's address, or null: that of a function is not one and the same at all times.
struct AtomicHook(std::sync::atomic::AtomicPtr<fn(u64)>);

impl AtomicHook {
    fn call(&self, number: u64) {
        // SAFETY: null, or what was a static in `on_fork` or `on_leak`.
        if let Some(hook) = unsafe { self.0.load(Ordering::Acquire).as_ref() } {
            hook(number);
        }
    }
}

/// Registers what tells of holds that a thread left at its end: the one family that counts them.
pub(crate) fn on_leak(hook: &'static fn(u64)) {
    ON_LEAK.0.store(std::ptr::from_ref(hook).cast_mut(), Ordering::Release);
}

/// Registers what a family does in a forked child, once however often it is called.
pub(crate) fn on_fork(hook: &'static fn(u64)) {
    let ours = std::ptr::from_ref(hook).cast_mut();
    for place in &IN_CHILD {
        match place.0.compare_exchange(std::ptr::null_mut(), ours, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return,
            Err(theirs) if theirs == ours => return,
            Err(_) => {}
        }
    }
    unreachable!("more families than places");
}

static FORKED: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

static FORKS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

/// How many forks lie between this process and the one that loaded the library: marks of others are of threads that are not
/// here.
pub(crate) fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// Whether this process was forked by one that used psref: for reports of waits that may never end.
pub(crate) fn is_forked() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// Runs in every forked child before fork returns there (R15); harmless when run twice, as where it was registered twice. One thread, nothing allocated.
unsafe extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    if READY.load(Ordering::Relaxed) || RECORDS.iter().next().is_some() {
        FORKED.store(true, Ordering::Relaxed); // a daemon that forks before it uses psref has lost nothing
    }
    let me = after_fork();
    for place in &IN_CHILD {
        place.call(me);
    }
}

/// In a forked child: the records of all threads that did not come along are free, and outside of every section. Returns the
/// number of the one that did, 0 if it has none.
fn after_fork() -> u64 {
    let (mine, number) =
        tls::with(|words| (words.record.load(Ordering::Relaxed), words.number.load(Ordering::Relaxed)));
    for record in RECORDS.iter() {
        if std::ptr::from_ref(record).cast::<c_void>() == mine.cast_const() {
            record.tid.store(process::thread_id(), Ordering::Relaxed);
            continue;
        }
        record.reading.store(0, Ordering::Relaxed);
        record.stuck.store(0, Ordering::Relaxed);
        record.clear();
        give(record, record.number.load(Ordering::Relaxed));
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
    match record.who() {
        (tid, false) => Some(tid),
        (_, true) => None,
    }
}
