// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts, gates and read sections through the C names beside the oracle: the sequences of ../../tests/oracle_counts.rs. Who drains a
//! count has unpublished it, as C programs do: under the interlock, where look-ups ask.

#[path = "../../tests/common/asleep.rs"]
mod asleep;
#[path = "../../tests/common/interlock.rs"]
mod interlock;
#[path = "../../tests/common/oracle/sequences.rs"]
mod sequences;
#[path = "../../tests/common/worker.rs"]
mod worker;

use interlock::Interlock;
use libc::{ETIMEDOUT, timespec};
use psref::{GaveUp, InReadSection, Refusal};
use psref_ffi::device_gate::*;
use psref_ffi::localcount::*;
use psref_ffi::pserialize::*;
use sequences::face::Face;
use std::cell::{RefCell, UnsafeCell};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread::LocalKey;

struct C;

/// An object with a count.
struct Object {
    lc: UnsafeCell<localcount>,
    interlock: Interlock,
    published: AtomicBool,
    drained: AtomicBool,
    value: u64,
}

struct Count(Box<Object>);

// SAFETY: a count may be used by all threads at once.
unsafe impl Send for Count {}
// SAFETY: as above.
unsafe impl Sync for Count {}

impl Object {
    /// As a look-up does.
    fn acquire(&self) -> Option<Hold> {
        self.interlock.with(|| {
            self.published.load(SeqCst).then(|| {
                // SAFETY: published, so nobody drains it.
                unsafe { localcount_acquire(self.lc.get()) };
                Hold(std::ptr::from_ref(self))
            })
        })
    }

    fn drain(&self) {
        self.interlock.with(|| {
            self.published.store(false, SeqCst);
            if !self.drained.load(SeqCst) {
                // SAFETY: alive, and nobody finds it any more.
                unsafe { localcount_drain(self.lc.get(), self.interlock.cv(), self.interlock.mutex()) };
                self.drained.store(true, SeqCst);
            }
        });
    }

    fn drain_now(&self) -> bool {
        self.interlock.with(|| {
            self.published.store(false, SeqCst);
            if self.drained.load(SeqCst) {
                return true;
            }
            let no_time = timespec { tv_sec: 0, tv_nsec: 0 };
            let (cv, mutex) = (self.interlock.cv(), self.interlock.mutex());
            // SAFETY: as above.
            let answer = unsafe { localcount_drain_timed(self.lc.get(), cv, mutex, &raw const no_time) };
            assert!(answer == 0 || answer == ETIMEDOUT, "localcount_drain_timed: {answer}");
            self.drained.store(answer == 0, SeqCst);
            answer == 0
        })
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.drain();
        // SAFETY: drained, and nobody uses it.
        unsafe { localcount_fini(self.0.lc.get()) }
    }
}

/// A reference; what it names stays until it is released.
struct Hold(*const Object);

// SAFETY: whoever has it may release it.
unsafe impl Send for Hold {}

impl Hold {
    fn object(&self) -> &Object {
        // SAFETY: held.
        unsafe { &*self.0 }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Object { lc, interlock, .. } = self.object();
        // SAFETY: held, and released once.
        unsafe { localcount_release(lc.get(), interlock.cv(), interlock.mutex()) }
    }
}

/// A device with a gate.
struct Gate(UnsafeCell<device_gate_device>);

// SAFETY: a gate may be used by all threads at once.
unsafe impl Sync for Gate {}

impl Drop for Gate {
    fn drop(&mut self) {
        // SAFETY: nobody is inside, and it was sealed or never closed.
        unsafe { device_gate_detach(self.0.get()) }
    }
}

/// Somebody inside: as a thread or as a handler.
struct Pass {
    gate: &'static Gate,
    handler: bool,
}

impl Drop for Pass {
    fn drop(&mut self) {
        let leave = if self.handler { device_gate_exit } else { device_gate_release };
        // SAFETY: inside, and leaves once.
        unsafe { leave(self.gate.0.get()) }
    }
}

/// Who closed a gate, and must seal it.
struct Closer {
    gate: &'static Gate,
    closed: *mut device_gate_t,
}

// SAFETY: whoever has it may seal the gate.
unsafe impl Send for Closer {}

impl Drop for Closer {
    fn drop(&mut self) {
        // SAFETY: closed, and sealed once.
        unsafe { device_gate_seal(self.gate.0.get(), self.closed) }
    }
}

struct Handle(pserialize_t);

// SAFETY: a handle may be used by all threads at once.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the only handle to it.
        unsafe { pserialize_destroy(self.0) }
    }
}

/// An open section, of the thread whose list has it.
struct Section(i32);

impl Drop for Section {
    fn drop(&mut self) {
        pserialize_read_exit(self.0);
    }
}

impl Face for C {
    const IS_C: bool = true;
    type Count = Count;
    type Hold = Hold;
    type Gate = Gate;
    type Pass = Pass;
    type Closer = Closer;
    type Psz = Handle;
    type Section = Section;

    fn count(value: u64) -> Count {
        // SAFETY: pointers and a number, for which zero is a value.
        let lc = UnsafeCell::new(unsafe { std::mem::zeroed() });
        let (published, drained) = (AtomicBool::new(true), AtomicBool::new(false));
        let object = Box::new(Object { lc, interlock: Interlock::new(), published, drained, value });
        // SAFETY: ours alone.
        assert_eq!(unsafe { localcount_init(object.lc.get()) }, 0);
        Count(object)
    }

    fn acquire(count: &Count) -> Option<Hold> {
        count.0.acquire()
    }

    fn clone(hold: &Hold) -> Option<Hold> {
        hold.object().acquire()
    }

    fn value(hold: &Hold) -> u64 {
        hold.object().value
    }

    fn drain_now(count: &Count) -> bool {
        count.0.drain_now()
    }

    fn drain(count: &Count) {
        count.0.drain();
    }

    fn try_drain(count: &mut Count) -> bool {
        if !count.0.published.load(SeqCst) {
            return count.0.drain_now();
        }
        // SAFETY: nobody else has the count, so nobody acquires meanwhile.
        let drained = unsafe { localcount_trydrain(count.0.lc.get()) };
        if drained {
            count.0.published.store(false, SeqCst);
            count.0.drained.store(true, SeqCst);
        }
        drained
    }

    fn into_inner(count: Count) -> u64 {
        count.0.value // drained when it is dropped
    }

    fn gate() -> Gate {
        // SAFETY: pointers, for which zero is a value.
        let gate = Gate(UnsafeCell::new(unsafe { std::mem::zeroed() }));
        // SAFETY: ours alone; between calls the library keeps no address of it.
        assert_eq!(unsafe { device_gate_attach(gate.0.get()) }, 0);
        gate
    }

    fn enter(gate: &'static Gate) -> Pass {
        // SAFETY: attached.
        unsafe { device_gate_enter(gate.0.get()) };
        Pass { gate, handler: true }
    }

    fn pass(gate: &'static Gate, _: bool) -> Result<Pass, Refusal> {
        // SAFETY: attached.
        match unsafe { device_gate_acquire(gate.0.get(), false) } {
            0 => Ok(Pass { gate, handler: false }),
            libc::ENXIO => Err(Refusal::Sealed),
            other => panic!("device_gate_acquire: {other}"),
        }
    }

    fn close(gate: &'static Gate) -> Result<Closer, Refusal> {
        let mut closed = std::ptr::null_mut();
        // SAFETY: attached; a terminated string.
        match unsafe { device_gate_close(gate.0.get(), c"oracle".as_ptr(), &raw mut closed) } {
            0 => Ok(Closer { gate, closed }),
            libc::ENXIO => Err(Refusal::Sealed),
            other => panic!("device_gate_close: {other}"),
        }
    }

    fn seal(closer: Closer) -> bool {
        drop(closer);
        true
    }

    fn wait_sealed(_: &'static Gate) -> bool {
        unreachable!("not in C")
    }

    fn section() -> Section {
        Section(pserialize_read_enter())
    }

    fn is_reading() -> bool {
        assert_eq!(pserialize_in_read_section(), !pserialize_not_in_read_section());
        pserialize_in_read_section()
    }

    fn psz() -> Handle {
        let psz = pserialize_create();
        assert!(!psz.is_null());
        Handle(psz)
    }

    fn perform(psz: &Handle, _: bool) -> Result<Result<(), GaveUp>, InReadSection> {
        if pserialize_in_read_section() {
            return Err(InReadSection); // misuse, which callers ask for
        }
        // SAFETY: a live handle.
        unsafe { pserialize_perform(psz.0) };
        Ok(Ok(()))
    }

    fn sections() -> &'static LocalKey<RefCell<Vec<Section>>> {
        thread_local! {
            static READING: RefCell<Vec<Section>> = const { RefCell::new(Vec::new()) };
        }
        &READING
    }
}

#[test]
fn random_operations_agree_with_the_oracle() {
    sequences::agree::<C>();
}

#[test]
fn every_mutant_of_the_oracle_differs() {
    sequences::mutants_differ::<C>();
}

#[test]
fn they_agree_on_the_atomics_back_end() {
    asleep::again_with_atomics("they_agree");
}
