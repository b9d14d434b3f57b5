// SPDX-License-Identifier: MIT OR Apache-2.0
//! `ObjPool<T>`: values are made once, dropped once, and with one guard at a time, on whatever thread.

use psref::{Errno, ObjPool};
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

const EINVAL: Errno = Errno(libc::EINVAL);

/// Counts its drops in a counter of the test's.
struct Counted<'a>(usize, &'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.1.fetch_add(1, SeqCst);
    }
}

#[test]
fn every_value_is_made_once_and_dropped_once() {
    for objects in [1, 2, 65, 1000] {
        let (made, dropped) = (Cell::new(0), AtomicUsize::new(0));
        let pool = ObjPool::new(objects, |number| {
            assert_eq!(made.replace(number + 1), number);
            Counted(number, &dropped)
        })
        .unwrap();
        assert_eq!(made.get(), objects);
        for _ in 0..3 {
            let guards: Vec<_> = std::iter::from_fn(|| pool.pop()).collect();
            let mut numbers: Vec<_> = guards.iter().map(|value| value.0).collect();
            numbers.sort_unstable();
            assert!(numbers.into_iter().eq(0..objects));
            assert!(pool.pop().is_none());
        }
        assert_eq!(dropped.load(SeqCst), 0, "guards give back, they do not drop");
        drop(pool);
        assert_eq!(dropped.load(SeqCst), objects);
    }
}

#[test]
fn a_forgotten_guard_keeps_its_value_from_being_dropped() {
    let dropped = AtomicUsize::new(0);
    let pool = ObjPool::new(10, |number| Counted(number, &dropped)).unwrap();
    std::mem::forget(pool.pop().unwrap());
    std::mem::forget(pool.pop().unwrap());
    let rest: Vec<_> = std::iter::from_fn(|| pool.pop()).collect();
    assert_eq!(rest.len(), 8);
    drop(rest);
    drop(pool);
    assert_eq!(dropped.load(SeqCst), 8);
}

#[test]
fn a_value_comes_back_as_it_was_left() {
    let pool = ObjPool::new(1, |_| Vec::new()).unwrap();
    for i in 0..100 {
        let mut value = pool.pop().unwrap();
        assert_eq!(value.len(), i);
        value.push(i);
    }
}

#[test]
fn a_guard_may_go_to_another_thread_and_end_there() {
    let pool = ObjPool::new(4, |number| number).unwrap();
    for _ in 0..100 {
        let mut guards: Vec<_> = std::iter::from_fn(|| pool.pop()).collect();
        assert_eq!(guards.len(), 4);
        let last = guards.pop();
        std::thread::scope(|scope| {
            scope.spawn(move || drop(guards));
        });
        let got: Vec<_> = std::iter::from_fn(|| pool.pop()).collect();
        assert_eq!(got.len(), 3);
        drop(last);
    }
    assert_eq!(std::iter::from_fn(|| pool.pop().map(std::mem::forget)).count(), 4);
}

#[test]
fn threads_share_a_pool_and_never_a_value() {
    let pool = ObjPool::new(6, |_| 0_u64).unwrap();
    let turns = if cfg!(miri) { 30 } else { 20_000 };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..turns {
                    let mut value = pool.pop().expect("there are more than threads");
                    *value += 1; // not atomic: Miri and ThreadSanitizer see two at once
                }
            });
        }
    });
    let sum: u64 = std::iter::from_fn(|| {
        pool.pop().map(|value| {
            let sum = *value;
            std::mem::forget(value);
            sum
        })
    })
    .sum();
    assert_eq!(sum, 4 * turns);
}

#[test]
fn numbers_and_sizes_out_of_bounds_are_einval() {
    #[repr(align(16))]
    struct Aligned;
    assert_eq!(ObjPool::new(0, |_| 0_u8).err(), Some(EINVAL));
    assert_eq!(ObjPool::new((1 << 24) + 1, |_| 0_u8).err(), Some(EINVAL));
    assert_eq!(ObjPool::new(usize::MAX, |_| 0_u8).err(), Some(EINVAL));
    assert_eq!(ObjPool::new(1, |_| -> [u8; 65537] { panic!("was asked for a value") }).err(), Some(EINVAL));
    assert_eq!(ObjPool::new(1, |_| -> Aligned { panic!("was asked for a value") }).err(), Some(EINVAL));
}

#[test]
fn values_of_no_size_are_counted_too() {
    let pool = ObjPool::new(3, |_| ()).unwrap();
    let guards: Vec<_> = std::iter::from_fn(|| pool.pop()).collect();
    assert_eq!(guards.len(), 3);
}

/// The values made before a panic are leaked, as the documentation says; the pool's memory is not, and no value is dropped that
/// was never made.
#[test]
fn a_panic_while_values_are_made_drops_none_that_was_not_made() {
    let dropped = AtomicUsize::new(0);
    let made = std::panic::catch_unwind(|| {
        ObjPool::new(10, |number| {
            assert!(number < 4, "enough");
            Counted(number, &dropped)
        })
    });
    assert!(made.is_err());
    assert!(dropped.load(SeqCst) <= 4);
}

#[test]
fn a_panic_gives_a_guard_back() {
    let pool = ObjPool::new(1, |_| 7).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _value = pool.pop().unwrap();
            panic!("meant");
        });
        assert!(thread.join().is_err());
    });
    assert_eq!(*pool.pop().unwrap(), 7);
}

/// `T: !Send` may live in a pool of one thread.
#[test]
fn values_need_not_be_send_on_one_thread() {
    let shared = Rc::new(());
    let pool = ObjPool::new(5, |_| Rc::clone(&shared)).unwrap();
    assert!(pool.pop().is_some());
    assert_eq!(Rc::strong_count(&shared), 6);
    drop(pool);
    assert_eq!(Rc::strong_count(&shared), 1);
}

#[test]
fn statistics_count_misses_and_failures() {
    let pool = ObjPool::new(2, |_| ()).unwrap();
    let both = (pool.pop(), pool.pop());
    assert!(both.0.is_some() && both.1.is_some() && pool.pop().is_none());
    let all = pool.statistics(None).unwrap();
    assert!(all.misses >= 2 && all.failures == 1, "{all:?}");
    assert!(pool.statistics(Some(0)).is_some());
    assert!(pool.statistics(Some(usize::MAX)).is_none());
    assert!(pool.statistics(Some(1 << 20)).is_none());
}
