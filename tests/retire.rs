// SPDX-License-Identifier: MIT OR Apache-2.0
//! Asynchronous destruction through the safe face. Whatever is asserted of "not yet" holds by what the test itself
//! keeps open.

use psref::{Class, Guard, Pserialize, ReadSection, Target, retire};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard};

/// The queue is the process's: a barrier would wait for another test's holds.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn retired(class: &Class, value: u32) -> (Guard<u32>, Receiver<u32>) {
    let target = Target::new(class, value);
    let guard = target.acquire().unwrap();
    let (tell, told) = channel();
    target.retire(move |value| tell.send(value).unwrap()).unwrap();
    (guard, told)
}

/// What is retired after this has come to its end when the batch after it has: so "not yet" is no matter of time.
fn a_batch_passes() {
    let (tell, told) = channel();
    psref::defer(move || tell.send(()).unwrap()).unwrap();
    told.recv().unwrap();
}

#[test]
fn the_value_arrives_after_the_last_guard_is_dropped() {
    let _alone = alone();
    let class = Class::new("last guard").unwrap();
    let (guard, told) = retired(&class, 7);
    let copy = guard.clone();
    a_batch_passes();
    drop(guard);
    a_batch_passes();
    assert!(told.try_recv().is_err());
    assert_eq!(*copy, 7);
    drop(copy);
    assert_eq!(told.recv(), Ok(7));
}

#[test]
fn a_hold_that_stays_delays_no_other_target() {
    let _alone = alone();
    let class = Class::new("stays").unwrap();
    let (held, not_told) = retired(&class, 1);
    for value in 2..100 {
        let (guard, told) = retired(&class, value);
        drop(guard);
        assert_eq!(told.recv(), Ok(value));
    }
    assert!(not_told.try_recv().is_err());
    drop(held);
    assert_eq!(not_told.recv(), Ok(1));
}

#[test]
fn a_function_waits_for_the_sections_that_were_open() {
    let _alone = alone();
    let (tell, told) = channel();
    let reading = ReadSection::enter();
    psref::defer(move || tell.send(()).unwrap()).unwrap();
    // Many looks of the helper's.
    std::thread::spawn(|| {
        for _ in 0..100 {
            retire::poll();
            std::thread::yield_now();
        }
    })
    .join()
    .unwrap();
    assert!(told.try_recv().is_err());
    drop(reading);
    told.recv().unwrap();
}

#[test]
fn the_barrier_waits_for_everything_before_it() {
    let _alone = alone();
    let class = Class::new("barrier").unwrap();
    let ended = Arc::new(AtomicUsize::new(0));
    for round in 1..=20 {
        for i in 0..100 {
            let ended = Arc::clone(&ended);
            let count = move || _ = ended.fetch_add(1, Ordering::Relaxed);
            if i % 2 == 0 {
                psref::defer(count).unwrap();
            } else {
                Target::new(&class, ()).retire(move |()| count()).unwrap();
            }
        }
        retire::barrier();
        assert_eq!(ended.load(Ordering::Relaxed), round * 100);
    }
}

#[test]
fn functions_may_retire_others_and_perform() {
    let _alone = alone();
    fn again(left: u32, done: std::sync::mpsc::Sender<()>) {
        match left {
            0 => done.send(()).unwrap(),
            _ => {
                Pserialize::new().unwrap().perform();
                retire::poll(); // nothing: this very thread drives
                psref::defer(move || again(left - 1, done)).unwrap();
            }
        }
    }
    let (done, told) = channel();
    again(10, done);
    told.recv().unwrap();
}

#[test]
fn a_target_whose_drain_has_begun_may_be_retired() {
    let _alone = alone();
    let class = Class::new("begun").unwrap();
    let target = Target::new(&class, 3);
    target.drain();
    let (tell, told) = channel();
    target.retire(move |value| tell.send(value).unwrap()).unwrap();
    assert_eq!(told.recv(), Ok(3));
}

#[test]
#[cfg_attr(miri, ignore = "a bound too far for an interpreter")]
fn at_the_bound_the_target_comes_back_as_it_was() {
    let _alone = alone();
    retire::barrier();
    let class = Class::new("bound").unwrap();
    let reading = ReadSection::enter();
    let mut queued = 0;
    while psref::defer(|| ()).is_ok() {
        queued += 1;
    }
    assert_eq!(queued, retire::BOUND);
    let refused = Target::new(&class, 5).retire(|_| ()).unwrap_err();
    assert_eq!(refused.error.to_string(), std::io::Error::from_raw_os_error(libc::EAGAIN).to_string());
    assert_eq!(*refused.given.acquire().unwrap(), 5);
    drop(reading);
    retire::barrier();
    refused.given.retire(|_| ()).unwrap();
    retire::barrier();
}

#[test]
fn what_was_retired_keeps_its_class() {
    let _alone = alone();
    let class = Class::new("kept").unwrap();
    let (guard, told) = retired(&class, 9);
    drop(class);
    drop(guard);
    assert_eq!(told.recv(), Ok(9));
}
