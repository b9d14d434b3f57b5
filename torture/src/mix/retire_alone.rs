// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is retired by one thread with nobody else's help: last releases at the worst moment, more than there is room for, and
//! classes that end with their last target.

use super::Turn;
use super::ledger;
use crate::board::Count;
use crate::failure::fail;
use crate::page::{self, Page};
use psref::psref::raw::{self, ClassState, Hold};
use psref::retire::{BOUND, raw as ends};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

const KIND: u8 = 5;

/// A target of a class of its own, and what became of it. Lives for ever: a child may be told of it late.
struct Own {
    page: &'static Page,
    class: &'static ClassState,
    ended: AtomicBool,
    /// Of it, for who releases it in a function.
    hold: UnsafeCell<Hold>,
}

// SAFETY: the hold is whose turn it is: who acquires, then one who releases.
unsafe impl Sync for Own {}

impl Own {
    fn new() -> &'static Own {
        let (page, class) = (page::new(KIND), raw::try_class_create(b"torture, its own").expect("a class"));
        // SAFETY: zeroed and nobody else's.
        unsafe { raw::target_init(page.body(), class) };
        Box::leak(Box::new(Own { page, class, ended: AtomicBool::new(false), hold: UnsafeCell::new(Hold::EMPTY) }))
    }

    fn acquire(&self, hold: &mut Hold) {
        // SAFETY: nobody else knows of it.
        if unsafe { raw::acquire(hold, self.page.body(), self.class) } != 0 {
            fail(format_args!("{}: nobody has retired it, and an acquire is refused", self.page.name()));
        }
    }

    /// False: there was no room.
    fn retire(&'static self) -> bool {
        let argument = std::ptr::from_ref(self).cast_mut().cast();
        // SAFETY: nobody else knows of it, and it lives for ever.
        match unsafe { ends::target_retire(self.page.body(), self.class, Some(own_ended), argument) } {
            0 => true,
            libc::EAGAIN | libc::ENOMEM => false,
            error => fail(format_args!("{}: retiring it fails by {error}", self.page.name())),
        }
    }

    fn release(&self, hold: &mut Hold) {
        self.page.look(self.page.generation.load(SeqCst), "retired, and held by who retired it");
        if self.ended.load(SeqCst) {
            fail(format_args!("{}: its function was called while it was held", self.page.name()));
        }
        // SAFETY: held.
        unsafe { raw::release(hold, self.page.body(), self.class) };
    }
}

extern "C" fn own_ended(argument: *mut c_void) {
    // SAFETY: `retire` has given it, and it lives for ever.
    let own = unsafe { &*argument.cast::<Own>() };
    if own.ended.swap(true, SeqCst) {
        fail(format_args!("{}: its function was called twice", own.page.name()));
    }
    if !ledger::IN_CHILD.load(SeqCst) {
        own.page.bury("psref_target_retire");
        own.page.retire();
    }
    // SAFETY: its only target has come to its end.
    unsafe { raw::class_destroy(own.class) };
}

/// A class of its own whose last target's function destroys it; retired while it is held. In forked children too.
pub fn one_of_its_own() {
    let (own, mut holds) = (Own::new(), [const { Hold::EMPTY }; 4]);
    holds.iter_mut().for_each(|hold| own.acquire(hold));
    while !own.retire() {
        ends::poll();
        std::thread::yield_now();
    }
    holds.iter_mut().for_each(|hold| own.release(hold));
    ends::barrier();
    if !own.ended.load(SeqCst) {
        fail(format_args!("{}: retired before a barrier, which has returned before its function", own.page.name()));
    }
}

/// So many functions are called between a look at one end of a batch and what follows the look at the other.
const BETWEEN: u64 = BOUND / 64;

/// A function that was queued before the target, and releases it.
extern "C" fn releases(argument: *mut c_void) {
    // SAFETY: lives for ever.
    let own = unsafe { &*argument.cast::<Own>() };
    if !ledger::IN_CHILD.load(SeqCst) {
        // SAFETY: acquired before this was queued, and left to this function.
        own.release(unsafe { &mut *own.hold.get() });
    }
}

/// Leaves its hold to a function of the same batch, a long way behind it; false: there was no room.
fn leave_to_a_function(own: &'static Own) -> bool {
    // SAFETY: lives for ever; called once.
    if unsafe { ends::call(Some(releases), std::ptr::from_ref(own).cast_mut().cast()) } != 0 {
        return false;
    }
    (0..BETWEEN).for_each(|_| _ = call_ebb());
    true
}

/// Releases that nobody else's follow, at about the time when who they are is looked at: whoever misses one is told by no other.
pub fn last_releases(turn: &mut Turn) {
    for _ in 0..8 {
        let own = Own::new();
        // SAFETY: ours until it is left to another.
        let hold = unsafe { &mut *own.hold.get() };
        own.acquire(hold);
        let wait = Duration::from_micros(turn.random.below(2500) as u64);
        let left = turn.random.one_in(2) && leave_to_a_function(own);
        while !own.retire() {
            turn.count(Count::GaveUp, 1);
            ends::poll();
        }
        if !left {
            let began = Instant::now();
            while began.elapsed() < wait {
                std::hint::spin_loop();
            }
            own.release(hold);
        }
        let _at = turn.desk.doing(&"psref_retire_barrier", own.page);
        ends::barrier();
        if !own.ended.load(SeqCst) {
            fail(format_args!("{}: a barrier has returned before its function", own.page.name()));
        }
        turn.count(Count::Ends, 1);
    }
}

static FLOODED: AtomicU64 = AtomicU64::new(0);
static EBBED: AtomicU64 = AtomicU64::new(0);

extern "C" fn ebb(_: *mut c_void) {
    EBBED.fetch_add(1, SeqCst);
}

/// Queues one that counts; an error, or 0.
fn call_ebb() -> c_int {
    // First: it may be called at once.
    FLOODED.fetch_add(1, SeqCst);
    // SAFETY: a function that counts.
    let error = unsafe { ends::call(Some(ebb), std::ptr::null_mut()) };
    if error != 0 {
        FLOODED.fetch_sub(1, SeqCst);
    }
    error
}

/// More than there is room for, in a read section that keeps all of it: everybody else is refused meanwhile.
pub fn flood(turn: &mut Turn) {
    let depth = psref::pserialize::raw::enter();
    let mut queued = 0;
    let error = loop {
        let error = call_ebb();
        if error != 0 {
            break error;
        }
        queued += 1;
        if queued > BOUND {
            fail(format_args!("{queued} things were retired in one read section, and there is room for {BOUND}"));
        }
    };
    psref::pserialize::raw::exit(depth);
    if error != libc::EAGAIN && error != libc::ENOMEM {
        fail(format_args!("pserialize_call of too much fails by {error}"));
    }
    turn.count(Count::GaveUp, 1);
    turn.count(Count::Floods, 1);
}

/// After the last barrier.
pub fn settle() {
    let (flooded, ebbed) = (FLOODED.load(SeqCst), EBBED.load(SeqCst));
    if flooded != ebbed {
        fail(format_args!("{flooded} calls were queued, and {ebbed} made"));
    }
}
