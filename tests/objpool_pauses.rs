// SPDX-License-Identifier: MIT OR Apache-2.0
//! Stress with pauses inside every section, which is what makes stress see anything: more threads than CPUs and fewer objects than
//! they want, so that magazines are recalled all the while; each object knows who has it. The same with the sections disarmed
//! must be caught.
#![cfg(feature = "inject")]

mod common;
#[path = "common/stock.rs"]
mod stock;

use common::{backend_is_rseq, hooks};
use psref::inject;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};
use stock::{Stock, disown, own};

const THREADS: u64 = 8;
const OBJECTS: usize = 30;

/// The first to find something wrong ends it for all.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(std::thread::panicking(), SeqCst);
    }
}

fn storm(time: Duration) -> (u64, u64) {
    let stock = Stock::new(OBJECTS);
    let end = Instant::now() + time;
    let wrong = AtomicBool::new(false);
    let (taken, missed) = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=THREADS)
            .map(|me| {
                let (stock, wrong) = (&stock, &wrong);
                scope.spawn(move || {
                    let _ends = Ends(wrong);
                    let mut random = me.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    let mut next = move |n: usize| {
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        (random >> 11) as usize % n
                    };
                    let (mut taken, mut missed) = (0, 0);
                    let mut mine = Vec::new();
                    while Instant::now() < end && !wrong.load(SeqCst) {
                        let want = 1 + next(10);
                        let before = mine.len();
                        match next(3) {
                            0 => mine.extend(stock.pop_bulk(want)),
                            _ => mine.extend((0..want).map_while(|_| stock.pop())),
                        }
                        mine[before..].iter().for_each(|&object| own(object, me));
                        taken += (mine.len() - before) as u64;
                        missed += u64::from(mine.len() - before < want);
                        let back = mine.split_off(next(mine.len() + 1));
                        back.iter().for_each(|&object| disown(object, me));
                        match next(3) {
                            0 => stock.push_bulk(&back),
                            _ => back.into_iter().for_each(|object| stock.push(object)),
                        }
                    }
                    mine.into_iter().for_each(|object| {
                        disown(object, me);
                        stock.push(object);
                    });
                    (taken, missed)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    });
    let statistics = stock.statistics();
    let all = stock.pop_all();
    all.iter().for_each(|&object| own(object, THREADS + 1));
    assert_eq!(all.len(), OBJECTS, "at the end");
    eprintln!("{taken} taken, {missed} times too few, {statistics:?}");
    (taken, statistics.recalls)
}

const PLANT: &str = "PSREF_TEST_PLANT_DISARMED";

#[test]
fn nothing_is_lost_with_pauses_inside_the_sections() {
    let _hooks = hooks();
    let planted = std::env::var_os(PLANT).is_some();
    inject::arm_sections(!planted);
    inject::set_delay(400);
    let (taken, recalls) = storm(Duration::from_secs(if planted { 30 } else { 3 }));
    assert!(taken > 0 && (recalls > 0 || !backend_is_rseq()));
}

#[test]
fn disarmed_sections_are_caught() {
    if !backend_is_rseq() {
        return;
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "nothing_is_lost_with_pauses_inside_the_sections", "--nocapture"])
        .env(PLANT, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(!run.status.success(), "30 seconds with the sections disarmed went by unnoticed: {said}");
    let noticed = ["was handed to", "was taken by", "at the end"].iter().any(|text| said.contains(text));
    assert!(noticed, "ended for another reason: {} {said}", run.status);
}
