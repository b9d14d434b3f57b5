// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pools whose objects are plain memory, written by whoever has one: ThreadSanitizer and Miri report two who have it unordered, and
//! natively each finds what it wrote itself. There they have the depots alone, and must report the build with `--cfg psref_planted`,
//! where a push to a depot orders nothing.
//! Stress without injected pauses proves little by itself: the tests with pauses do that.

use psref::ObjPool;
use psref::objpool::raw::{self, HeadState};
use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Mutex;
use std::thread;

const THREADS: usize = if cfg!(miri) { 3 } else { 4 };
/// Fewer than the threads want together, so that they find none now and then.
const OBJECTS: usize = 8;
const BULK: usize = 4;

/// Of each thread: `PSREF_STRESS_TURNS`, or what is over in a second or two.
fn turns() -> usize {
    let told = std::env::var("PSREF_STRESS_TURNS").ok().map(|turns| turns.parse().expect("a number"));
    told.unwrap_or(if cfg!(miri) {
        24
    } else if cfg!(psref_tsan) {
        20_000
    } else {
        200_000
    })
}

/// An object: its number, and twice who had it last.
type Words = [usize; 3];

/// What one who has it does with it.
fn use_it(words: &mut Words, thread: usize, turn: usize) {
    let [_, had, again] = *words;
    assert_eq!(had, again, "somebody else is at it");
    words[1] = thread << 32 | turn;
    std::hint::spin_loop();
    assert_eq!(words[1], thread << 32 | turn, "somebody else is at it");
    words[2] = words[1];
}

#[test]
fn a_value_is_with_one_thread() {
    let pool = ObjPool::new(OBJECTS, |number| [number, 0, 0]).unwrap();
    // Values that go to another thread, which gives them back.
    let handed = Mutex::new(Vec::new());
    let run = |thread| {
        let (mut had, mut none) = (0, 0);
        for turn in 0..turns() {
            let Some(mut value) = pool.pop() else {
                none += 1;
                handed.lock().unwrap().clear();
                continue;
            };
            had += 1;
            use_it(&mut value, thread, turn);
            match turn % 8 {
                0 => handed.lock().unwrap().push(value),
                4 => drop((pool.pop().map(|mut other| use_it(&mut other, thread, turn)), value)),
                _ => drop(value),
            }
        }
        (had, none)
    };
    let (had, none) = thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    });
    eprintln!("{had} objects had, {none} times none");
    assert!(had > 0);
    drop(handed);
    let all: Vec<_> = std::iter::from_fn(|| pool.pop()).collect();
    let mut numbers: Vec<_> = all.iter().map(|value| value[0]).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..OBJECTS), "each object is there once");
}

/// A head that threads share.
struct Shared(UnsafeCell<MaybeUninit<HeadState>>);

// SAFETY: used as the contract of objpool says.
unsafe impl Sync for Shared {}

impl Shared {
    fn head(&self) -> *mut HeadState {
        self.0.get().cast()
    }
}

/// What the release is given: written by it alone, read behind the end.
extern "C" fn release(_: *mut HeadState, released: *mut c_void) -> c_int {
    // SAFETY: what the test gave to init, and nobody else is at it.
    unsafe { *released.cast::<usize>() += 1 };
    0
}

#[test]
fn batches_are_with_one_thread_and_the_last_drop_ends_the_pool() {
    let shared = Shared(UnsafeCell::new(MaybeUninit::uninit()));
    let mut released = 0_usize;
    // SAFETY: the head is ours, and stays where it is.
    let made = unsafe {
        let context = (&raw mut released).cast();
        raw::init(shared.head(), OBJECTS as c_int, size_of::<Words>() as c_int, 0, context, None, Some(release))
    };
    assert_eq!(made, 0);
    let run = |thread: usize| {
        let mut batch = [ptr::null_mut(); BULK];
        let mut had = 0;
        for turn in 0..turns() {
            // SAFETY: initialised; there is room.
            let n = unsafe { raw::pop_bulk(shared.head(), batch.as_mut_ptr(), 1 + turn % BULK) };
            had += n;
            for &object in &batch[..n] {
                // SAFETY: popped, so ours alone; zeroed once, and large enough.
                use_it(unsafe { &mut *object.cast::<Words>() }, thread, turn);
            }
            // SAFETY: popped, and not used any more.
            assert_eq!(unsafe { raw::push_bulk(batch.as_ptr(), n, shared.head()) }, 0);
        }
        had
    };
    let had: usize = thread::scope(|scope| {
        let threads: Vec<_> = (1..=THREADS).map(|thread| scope.spawn(move || run(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    eprintln!("{had} objects had in batches");
    assert!(had > 0);

    // Each object once, and each dropped by another thread, after fini.
    let mut all = [ptr::null_mut(); OBJECTS + 1];
    // SAFETY: as above; nobody pops or pushes once fini is called.
    let n = unsafe { raw::pop_bulk(shared.head(), all.as_mut_ptr(), all.len()) };
    let mut addresses: Vec<_> = all[..n].iter().map(|object| object.expose_provenance()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!((n, addresses.len()), (OBJECTS, OBJECTS), "each object is there once");
    // SAFETY: as above.
    unsafe { raw::fini(shared.head()) };
    let answers = thread::scope(|scope| {
        let shared = &shared;
        let drop_one = move |address: usize| {
            let object = ptr::with_exposed_provenance_mut::<c_void>(address);
            // SAFETY: popped, so ours alone.
            use_it(unsafe { &mut *object.cast::<Words>() }, 0, 0);
            // SAFETY: popped, and not used any more.
            unsafe { raw::drop_object(object, shared.head()) }
        };
        let threads: Vec<_> = addresses.into_iter().map(|at| scope.spawn(move || drop_one(at))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(answers.iter().filter(|&&answer| answer == 0).count(), 1, "one of them is the last: {answers:?}");
    assert_eq!(released, 1);
}
