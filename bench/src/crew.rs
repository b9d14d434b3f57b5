// SPDX-License-Identifier: MIT OR Apache-2.0
//! The threads of one sample: they start warming up at once, count from the moment all are there and warm, and stop together.
//!
//! Only the caller's thread looks at the time. The others look at a word that it writes, which lies on a cache line of its own
//! and changes three times a sample.

use crate::keys::Keys;
use crate::run::Watch;
use crate::{Config, Error, place};
use crossbeam_utils::CachePadded;
use hdrhistogram::Histogram;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread::{self, Builder, Thread};
use std::time::{Duration, Instant};

/// What a sample needs to know.
pub(crate) struct Setting<'a> {
    pub config: &'a Config,
    pub threads: usize,
    pub warm_up: Duration,
    pub measured: Duration,
    /// For the threads in turn; none: they are not pinned.
    pub cpus: &'a [usize],
    pub keys: &'a Keys,
    pub busy: Busy,
    /// What two looks at the clock take.
    pub clock_ns: u64,
}

impl Setting<'_> {
    /// Operations between two looks at the clock and at the signal: 256, and fewer where they take long.
    pub fn batch(&self) -> usize {
        const MOST: u64 = 256;
        const AT_LEAST_EVERY_NS: u64 = 20_000;
        (AT_LEAST_EVERY_NS / self.config.hold_ns.max(1)).clamp(1, MOST) as usize
    }
}

/// What one thread, or all, did while it counted.
#[derive(Debug)]
pub(crate) struct Tally {
    pub ops: u64,
    pub misses: u64,
    pub violations: u64,
    pub latency: Latency,
    /// The thread's own time: without what other processes, or threads on the same CPU, took.
    pub cpu: Duration,
}

impl Tally {
    pub fn new() -> Tally {
        Tally { ops: 0, misses: 0, violations: 0, latency: Latency::new(), cpu: Duration::ZERO }
    }
}

/// Nanoseconds, to three digits.
#[derive(Clone, Debug)]
pub(crate) struct Latency(pub Histogram<u64>);

impl Latency {
    pub fn new() -> Latency {
        const LONGEST: u64 = 100_000_000_000;
        Latency(Histogram::new_with_bounds(1, LONGEST, 3).expect("bounds and digits that the crate allows"))
    }

    pub fn record(&mut self, took: Duration, clock_ns: u64) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.0.saturating_record(ns.saturating_sub(clock_ns));
    }

    pub fn add(&mut self, other: &Latency) {
        self.0.add(&other.0).expect("of the same bounds");
    }
}

/// What a sample came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub tallies: Vec<Tally>,
    pub elapsed: Duration,
    pub destroys: Latency,
    /// Found when the threads had ended.
    pub violations: u64,
    pub memory: crate::Memory,
}

/// | value | meaning |
/// |---|---|
/// | `WARMING` | work, count nothing |
/// | `COUNTING` | count |
/// | `STOP` | end |
pub(crate) struct Signal {
    phase: CachePadded<AtomicU8>,
    /// Whether anybody has counted anything. Written once by each thread.
    counted: CachePadded<AtomicBool>,
}

const WARMING: u8 = 0;
const COUNTING: u8 = 1;
const STOP: u8 = 2;

impl Signal {
    // Relaxed throughout: the word says what time it is and guards nothing; results travel by join.
    fn now(&self) -> u8 {
        self.phase.load(Ordering::Relaxed)
    }

    pub fn is_counting(&self) -> bool {
        self.now() == COUNTING
    }

    pub fn is_over(&self) -> bool {
        self.now() == STOP
    }

    /// Unless it is over already: whoever ended it meanwhile has the last word.
    fn begin_counting(&self) {
        let _ = self.phase.compare_exchange(WARMING, COUNTING, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub fn stop(&self) {
        self.phase.store(STOP, Ordering::Relaxed);
    }

    /// Calls `batch` until the end; what it did before the count began is forgotten.
    pub fn count(&self, mut batch: impl FnMut(&mut Tally)) -> Tally {
        let mut tally = Tally::new();
        while self.now() == WARMING {
            batch(&mut tally);
        }
        tally.forget();
        let begin = own_time();
        while !self.is_over() && tally.ops == 0 {
            batch(&mut tally);
        }
        self.counted.store(true, Ordering::Relaxed);
        while !self.is_over() {
            batch(&mut tally);
        }
        tally.cpu = own_time().saturating_sub(begin);
        tally
    }
}

/// Of the calling thread.
fn own_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

impl Tally {
    /// All but the violations: these count whenever they happen.
    fn forget(&mut self) {
        (self.ops, self.misses) = (0, 0);
        self.latency.0.reset();
    }
}

/// Ends the others, however the caller's thread leaves.
struct StopAtEnd<'a> {
    signal: &'a Signal,
    aside: Option<Thread>,
}

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.signal.stop();
        if let Some(aside) = &self.aside {
            aside.unpark();
        }
    }
}

/// How often `watch` is asked.
const GLANCE: Duration = Duration::from_millis(50);
const MOMENT: Duration = Duration::from_millis(1);

/// Runs `work` on every thread of the setting, pinned, and `aside`, which sleeps between its deeds, on one more.
pub(crate) fn run<A: Send>(
    setting: &Setting<'_>,
    watch: Watch<'_>,
    work: impl Fn(usize, &Signal) -> Tally + Sync,
    aside: Option<impl FnOnce(&Signal) -> Result<A, Error> + Send>,
) -> Result<(Vec<Tally>, Duration, Option<A>), Error> {
    let signal = Signal { phase: CachePadded::new(AtomicU8::new(WARMING)), counted: CachePadded::default() };
    let ready = AtomicUsize::new(0);
    let caller = thread::current();
    let worker = |number: usize| {
        let placed = match setting.cpus {
            [] => Ok(()),
            cpus => place::pin(cpus[number % cpus.len()]),
        };
        ready.fetch_add(1, Ordering::SeqCst);
        caller.unpark();
        placed.map(|()| work(number, &signal)).inspect_err(|_| signal.stop())
    };
    thread::scope(|scope| {
        let mut end = StopAtEnd { signal: &signal, aside: None };
        let no_thread = |e| Error::system("no thread could be started", e);
        let mut workers = Vec::with_capacity(setting.threads);
        for number in 0..setting.threads {
            let worker = &worker;
            workers.push(Builder::new().spawn_scoped(scope, move || worker(number)).map_err(no_thread)?);
        }
        let signal = &signal;
        let aside = match aside {
            None => None,
            Some(aside) => {
                let handle = Builder::new().spawn_scoped(scope, move || aside(signal).inspect_err(|_| signal.stop()));
                Some(handle.map_err(no_thread)?)
            }
        };
        end.aside = aside.as_ref().map(|handle| handle.thread().clone());

        let watched = (|| {
            while ready.load(Ordering::SeqCst) < setting.threads {
                glance(signal, GLANCE, 0.0, watch)?;
            }
            let whole = (setting.warm_up + setting.measured).as_secs_f64();
            sleep(signal, setting.warm_up, (0.0, whole), watch)?;
            let begin = Instant::now();
            signal.begin_counting();
            sleep(signal, setting.measured, (setting.warm_up.as_secs_f64(), whole), watch)?;
            // On a busy machine nobody may have had a CPU in that time: a sample of nothing would say nothing.
            while !signal.counted.load(Ordering::Relaxed) {
                glance(signal, MOMENT, 1.0, watch)?;
            }
            Ok(begin.elapsed())
        })();
        drop(end);
        // A thread's own reason comes before the caller's, which may only have seen that it stopped.
        let tallies: Result<Vec<Tally>, Error> =
            workers.into_iter().map(|w| w.join().unwrap_or_else(|p| resume_unwind(p))).collect();
        let aside = aside.map(|handle| handle.join().unwrap_or_else(|p| resume_unwind(p))).transpose();
        let (tallies, aside) = (tallies?, aside?);
        Ok((tallies, watched?, aside))
    })
}

/// Sleeps for `time`, unless it is stopped.
fn sleep(signal: &Signal, time: Duration, (before, whole): (f64, f64), watch: Watch<'_>) -> Result<(), Error> {
    let begin = Instant::now();
    loop {
        let gone = begin.elapsed();
        let Some(left) = time.checked_sub(gone).filter(|left| !left.is_zero()) else { return Ok(()) };
        glance(signal, left.min(GLANCE), (before + gone.as_secs_f64()) / whole, watch)?;
    }
}

fn glance(signal: &Signal, time: Duration, done: f64, watch: Watch<'_>) -> Result<(), Error> {
    if signal.is_over() || !watch(done) {
        return Err(Error::Stopped);
    }
    thread::park_timeout(time);
    Ok(())
}

/// A loop that takes a given time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Busy {
    turns: u64,
}

impl Busy {
    /// The fastest of several tries: the others were interrupted.
    pub fn calibrate(ns: u64) -> Busy {
        const TURNS: u64 = 100_000;
        let fastest = (0..9).map(|_| {
            let begin = Instant::now();
            Busy { turns: TURNS }.hold();
            begin.elapsed().as_nanos().max(1)
        });
        let per_turn = fastest.min().map_or(1.0, |ns| ns as f64 / TURNS as f64);
        Busy { turns: (ns as f64 / per_turn).round() as u64 }
    }

    #[inline]
    pub fn hold(self) {
        for turn in 0..self.turns {
            black_box(turn);
        }
    }
}

/// What two looks at the clock take, in the middle.
pub(crate) fn clock_ns() -> u64 {
    let mut all: Vec<_> = (0..1001).map(|_| Instant::now().elapsed().as_nanos()).collect();
    all.sort_unstable();
    u64::try_from(all[all.len() / 2]).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stopped_while_warming_up_does_not_begin_to_count() {
        let signal = Signal { phase: CachePadded::new(AtomicU8::new(WARMING)), counted: CachePadded::default() };
        signal.stop();
        signal.begin_counting();
        assert!(signal.is_over());
    }
}
