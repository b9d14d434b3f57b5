// SPDX-License-Identifier: MIT OR Apache-2.0
//! Test builds only: pauses inside the sections, and planted bugs that a test switches on to see itself fail.

use std::arch::{asm, global_asm};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

pub use super::plant::{Bug, plant};

global_asm!(
    ".pushsection .data.__psref_inject,\"aw\",@progbits",
    ".balign 64",
    ".globl __psref_inject_armed",
    ".hidden __psref_inject_armed",
    "__psref_inject_armed: .quad -1",
    ".globl __psref_inject_delay",
    ".hidden __psref_inject_delay",
    "__psref_inject_delay: .quad 0",
    ".globl __psref_inject_gate",
    ".hidden __psref_inject_gate",
    "__psref_inject_gate: .quad 0",
    ".globl __psref_inject_waiting",
    ".hidden __psref_inject_waiting",
    "__psref_inject_waiting: .quad 0",
    ".globl __psref_inject_restarts",
    ".hidden __psref_inject_restarts",
    "__psref_inject_restarts: .quad 0",
    ".popsection",
);

macro_rules! word {
    ($symbol:literal) => {{
        let place: *mut u64;
        // SAFETY: computes an address.
        unsafe { asm!(concat!("lea {p}, [rip + ", $symbol, "]"), p = out(reg) place, options(nostack, nomem)) };
        // SAFETY: the library's own aligned word, which lives for ever.
        unsafe { AtomicU64::from_ptr(place) }
    }};
}

/// What a membarrier does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Barrier {
    /// As it should.
    Full,
    /// Nothing.
    None,
    /// A barrier on every CPU that restarts no section.
    WithoutRestart,
    /// The kernel answers EPERM, as after a late seccomp filter.
    Refused,
}

static BARRIER: AtomicU8 = AtomicU8::new(Barrier::Full as u8);
static MAP_REFUSED: AtomicBool = AtomicBool::new(false);

/// What membarriers do from now on.
pub fn set_barrier(kind: Barrier) {
    BARRIER.store(kind as u8, Ordering::SeqCst);
}

static BARRIERS: AtomicU64 = AtomicU64::new(0);

/// How many membarriers were asked for.
pub fn barriers() -> u64 {
    BARRIERS.load(Ordering::SeqCst)
}

/// Counts one, and says what it does.
pub(crate) fn barrier() -> Barrier {
    BARRIERS.fetch_add(1, Ordering::SeqCst);
    match BARRIER.load(Ordering::SeqCst) {
        0 => Barrier::Full,
        1 => Barrier::None,
        2 => Barrier::WithoutRestart,
        _ => Barrier::Refused,
    }
}

/// Whether the kernel has no more memory for us.
pub fn refuse_memory(refuse: bool) {
    MAP_REFUSED.store(refuse, Ordering::SeqCst);
}

pub(crate) fn map_refused() -> bool {
    MAP_REFUSED.load(Ordering::SeqCst)
}

/// Whether sections are armed: `false` is the planted bug.
pub fn arm_sections(armed: bool) {
    word!("__psref_inject_armed").store(if armed { u64::MAX } else { 0 }, Ordering::SeqCst);
}

/// Turns of a countdown loop at each pause.
pub fn set_delay(turns: u64) {
    word!("__psref_inject_delay").store(turns, Ordering::SeqCst);
}

/// The same pause between two steps of what is no section.
pub(crate) fn pause() {
    count_down(word!("__psref_inject_delay").load(Ordering::Relaxed));
}

/// As sections do, in optimised builds and in others.
fn count_down(turns: u64) {
    // SAFETY: counts a register down.
    unsafe { asm!("2: sub {0}, 1", "jns 2b", inout(reg) turns => _, options(nomem, nostack)) };
}

/// How many sections were restarted.
pub fn restarts() -> u64 {
    word!("__psref_inject_restarts").load(Ordering::Relaxed)
}

static SLOW_PATHS: AtomicU64 = AtomicU64::new(0);

/// How many claims, additions and read sections went the slow way; pools count for themselves.
pub fn slow_paths() -> u64 {
    SLOW_PATHS.load(Ordering::Relaxed)
}

pub(crate) fn at_slow_path() {
    SLOW_PATHS.fetch_add(1, Ordering::Relaxed);
}

/// The places where sections pause: before the look at a slot, before the holder is written, before the commit; and a reader
/// between the sequence it read and its store of it, and between its last store and the look for who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[allow(missing_docs, reason = "section and step")]
pub enum Site {
    HomeGuarded = 1,
    HomeFree,
    HomeCommit,
    NeighboursGuarded,
    NeighboursFree,
    NeighboursCommit,
    SlowGuarded,
    SlowFree,
    SlowCommit,
    CountGuarded,
    CountCommit,
    SlowCountGuarded,
    SlowCountCommit,
    ReadSequence,
    ReadEnded,
    PopGuarded,
    PopCommit,
    PushGuarded,
    PushCommit,
    BulkPopGuarded,
    BulkPopCommit,
    BulkPushGuarded,
    BulkPushCommit,
    FastBulkPopGuarded,
    FastBulkPopCommit,
    FastBulkPushGuarded,
    FastBulkPushCommit,
}

/// Sections stop at `site` until the gate opens.
pub fn shut_gate(site: Site) {
    word!("__psref_inject_gate").store(site as u64, Ordering::SeqCst);
}

/// Lets everybody go on.
pub fn open_gate() {
    word!("__psref_inject_gate").store(0, Ordering::SeqCst);
}

/// How many times a section came to a shut gate.
pub fn waiting_at_gate() -> u64 {
    word!("__psref_inject_waiting").load(Ordering::SeqCst)
}

static SCAN_STOP: AtomicU64 = AtomicU64::new(u64::MAX);
static SCAN_STOPPED: AtomicBool = AtomicBool::new(false);
static COPIES_IGNORED: AtomicBool = AtomicBool::new(false);

static SCAN_DELAY: AtomicU64 = AtomicU64::new(0);

/// Turns of a countdown loop before every fourth slot of a scan: with the pauses of sections a slow scan would see whoever is late.
pub fn set_scan_delay(turns: u64) {
    SCAN_DELAY.store(turns, Ordering::SeqCst);
}

/// A drain's scan stops before its `slot`th slot until [`let_scan_go`].
pub fn stop_scan_before(slot: u64) {
    SCAN_STOPPED.store(false, Ordering::SeqCst);
    SCAN_STOP.store(slot, Ordering::SeqCst);
}

/// Whether a scan has come to where it stops.
pub fn scan_stopped() -> bool {
    SCAN_STOPPED.load(Ordering::SeqCst)
}

/// Lets scans run to their end.
pub fn let_scan_go() {
    SCAN_STOP.store(u64::MAX, Ordering::SeqCst);
}

/// Whether drains do without the copy sequence: `true` is the planted bug.
pub fn ignore_copies(ignore: bool) {
    COPIES_IGNORED.store(ignore, Ordering::SeqCst);
}

pub(crate) fn copies_ignored() -> bool {
    COPIES_IGNORED.load(Ordering::SeqCst)
}

pub(crate) fn at_scan(slot: usize) {
    if slot.is_multiple_of(4) {
        count_down(SCAN_DELAY.load(Ordering::Relaxed));
    }
    while SCAN_STOP.load(Ordering::SeqCst) == slot as u64 {
        SCAN_STOPPED.store(true, Ordering::SeqCst);
        std::hint::spin_loop();
    }
}

/// Sections on CPUs from `limit` on find themselves past the end of the stripes; `None`: none does.
pub fn limit_cpus(limit: Option<u64>) {
    static REAL: AtomicU64 = AtomicU64::new(0);
    let word = word!("__psref_cpu_limit");
    match limit {
        Some(limit) => {
            let real = word.swap(limit, Ordering::SeqCst);
            let _ = REAL.compare_exchange(0, real, Ordering::SeqCst, Ordering::SeqCst);
        }
        None => match REAL.swap(0, Ordering::SeqCst) {
            0 => {}
            real => word.store(real, Ordering::SeqCst),
        },
    }
}
