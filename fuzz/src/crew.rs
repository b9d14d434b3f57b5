// SPDX-License-Identifier: MIT OR Apache-2.0
//! Who does a step: the fuzzer's own thread, or one of three helpers, which live as long as the process and may be waiting.

use crate::planted;
use crate::worker::Worker;
use libc::c_int;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

/// Helpers.
pub const HELPERS: usize = 3;
/// Nothing that happens at all takes longer.
const LONG: Duration = Duration::from_secs(10);

/// An address, for other threads.
pub struct At<T>(*mut T);

impl<T> At<T> {
    pub fn new(at: *mut T) -> At<T> {
        At(at)
    }

    pub fn get(self) -> *mut T {
        self.0
    }
}

impl<T> Clone for At<T> {
    fn clone(&self) -> At<T> {
        *self
    }
}
impl<T> Copy for At<T> {}
// SAFETY: an address; the model says who may use what is there.
unsafe impl<T> Send for At<T> {}

/// Memory that C functions write to and remember by its address.
pub struct Place<T>(Box<std::cell::UnsafeCell<T>>);

impl<T> Place<T> {
    /// All zero.
    ///
    /// # Safety
    /// Zero is a value of a T.
    pub unsafe fn zeroed() -> Place<T> {
        // SAFETY: the caller's promise.
        Place(Box::new(std::cell::UnsafeCell::new(unsafe { std::mem::zeroed() })))
    }

    pub fn at(&self) -> At<T> {
        At(self.0.get())
    }
}

struct Waiting {
    helper: usize,
    on: u64,
    ended: Receiver<c_int>,
}

/// The helpers, and what they wait for in this case.
#[derive(Default)]
pub struct Crew {
    waiting: Vec<Waiting>,
}

fn helpers() -> &'static [Worker; HELPERS] {
    static ALL: OnceLock<[Worker; HELPERS]> = OnceLock::new();
    ALL.get_or_init(|| {
        // A wait that nobody wakes must hang: drains would look again by themselves.
        // SAFETY: before the library's first use, and before there are threads.
        unsafe { std::env::set_var("PSREF_DRAIN_WARN", "3600") };
        planted::plant();
        std::array::from_fn(|_| Worker::start())
    })
}

impl Crew {
    pub fn new() -> Crew {
        helpers();
        Crew::default()
    }

    /// Who does what this number asks for: 0 is the fuzzer's own thread, the others are helpers; who waits is stood in for.
    pub fn who(&self, number: u8) -> usize {
        let who = usize::from(number) % (HELPERS + 1);
        if who == 0 || self.waits(who) { 0 } else { who }
    }

    /// A helper that does not wait.
    pub fn idle(&self) -> impl Iterator<Item = usize> + '_ {
        (1..=HELPERS).filter(|&who| !self.waits(who))
    }

    pub fn waits(&self, who: usize) -> bool {
        self.waiting.iter().any(|waiting| waiting.helper == who)
    }

    /// Does something and answers.
    pub fn run<R: Send + 'static>(&self, who: usize, f: impl FnOnce() -> R + Send + 'static) -> R {
        if who == 0 { f() } else { helpers()[who - 1].run(f) }
    }

    /// Lets a helper that does not wait do what may wait, on something with a number of the model's.
    pub fn wait(&mut self, helper: usize, on: u64, f: impl FnOnce() -> c_int + Send + 'static) {
        let ended = helpers()[helper - 1].begin(f);
        self.waiting.push(Waiting { helper, on, ended });
    }

    /// Every wait on this must end, with this answer.
    pub fn must_end(&mut self, on: u64, answer: c_int) {
        let (over, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.on == on);
        self.waiting = waiting;
        let over: Vec<Waiting> = over;
        for one in over {
            match one.ended.recv_timeout(LONG) {
                Ok(got) => assert_eq!(got, answer, "the answer of a wait on {on}"),
                Err(_) => panic!("a wait on {on} does not end, and nothing keeps it waiting"),
            }
        }
    }

    /// No wait on what `kept` says may have ended; of the others those that have are forgotten.
    pub fn may_end(&mut self, kept: impl Fn(u64) -> bool) {
        self.waiting.retain(|one| match one.ended.try_recv() {
            Err(TryRecvError::Empty) => true,
            Err(TryRecvError::Disconnected) => panic!("a helper died"),
            Ok(answer) => {
                assert!(!kept(one.on), "a wait on {} ended early, with {answer}", one.on);
                false
            }
        });
    }

    pub fn is_waited_on(&self, on: u64) -> bool {
        self.waiting.iter().any(|waiting| waiting.on == on)
    }

    pub fn waits_left(&self) -> usize {
        self.waiting.len()
    }
}

/// One of so many, by any number.
pub fn one_of(number: u8, many: usize) -> Option<usize> {
    (many > 0).then(|| usize::from(number) % many)
}
