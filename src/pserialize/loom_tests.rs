// SPDX-License-Identifier: MIT OR Apache-2.0
//! Models of read sections and performs where there is no membarrier: what is published is a cell whose unordered accesses loom
//! reports, a lost wake-up is a deadlock. Each model fails with the bugs that it is for planted.
//!
//! Stores and additions may be weaker here: a full fence follows wherever their order matters, and without the fences every model
//! fails.
//!
//! Publishing and unpublishing are relaxed: the order is all the sections' and the performs'.

use super::{perform, read};
use crate::park::{GaveUp, Patience};
use crate::sys::explore::{ASLEEP, Object, RACE, holds, notices};
use crate::sys::plant::{Access, Bug};
use crate::sys::sync::{AtomicU32, Ordering};
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Duration;

/// Something within reach until it is unpublished.
struct Thing {
    published: AtomicU32,
    object: Object,
}

/// Two of them, for two who take one away each.
type Things = Arc<[Thing; 2]>;

fn things() -> Things {
    crate::thread::number(); // see `sync_loom::ready`
    perform::ready();
    Arc::new([0, 1].map(|_| Thing { published: AtomicU32::new(1), object: Object::new() }))
}

impl Thing {
    /// What a reader does inside a section.
    fn look(&self) {
        if self.published.load(Ordering::Relaxed) != 0 {
            self.object.look();
        }
    }

    fn unpublish(&self) {
        self.published.store(0, Ordering::Relaxed);
    }

    fn end(&self) {
        self.unpublish();
        perform::perform(Patience::FOREVER).unwrap().unwrap();
        self.object.end();
    }
}

fn read(things: &Things) {
    read::enter().unwrap();
    things.iter().for_each(Thing::look);
    read::exit().unwrap();
}

fn read_elsewhere(things: &Things) -> JoinHandle<()> {
    let things = Arc::clone(things);
    thread::spawn(move || read(&things))
}

fn end_elsewhere(things: &Things, which: usize) -> JoinHandle<()> {
    let things = Arc::clone(things);
    thread::spawn(move || things[which].end())
}

fn no_time() -> Patience {
    Patience::at_most(Duration::ZERO)
}

/// A reader that there was before, and one who performs.
fn reader() {
    let things = things();
    let remover = end_elsewhere(&things, 0);
    read(&things);
    remover.join().unwrap();
}

#[test]
fn a_perform_waits_for_a_reader() {
    holds("reader", reader);
}

#[test]
fn a_perform_that_misses_a_reader_is_noticed() {
    notices("reader", reader, &[(&[Bug::NoFence], RACE)]);
    const ENDED: &[Bug] = &[Bug::Relaxed(Access::Swap, "AtomicU64")];
    const WAITED: &[Bug] = &[Bug::Relaxed(Access::Load, "AtomicU64")];
    const EXIT: &[Bug] = &[Bug::SilentExit];
    const WORD: &[Bug] = &[Bug::WordReadLate];
    const COMPARE: &[Bug] = &[Bug::SleepsWithoutCompare];
    notices("reader", reader, &[ENDED, WAITED, EXIT, WORD, COMPARE].map(|bugs| (bugs, ASLEEP)));
}

/// A thread begins, and reads, while another performs: its record is as new as its section.
fn newcomer() {
    let things = things();
    let reader = read_elsewhere(&things);
    things[0].end();
    reader.join().unwrap();
}

#[test]
fn a_perform_waits_for_a_thread_that_is_new() {
    holds("newcomer", newcomer);
}

#[test]
fn a_perform_that_misses_a_thread_that_is_new_is_noticed() {
    notices("newcomer", newcomer, &[(&[Bug::NoFence], RACE)]);
}

/// One section inside another, which uses what it found when the inner one has begun and when it has ended.
fn nested() {
    let things = things();
    let remover = end_elsewhere(&things, 0);
    read::enter().unwrap();
    let found = things[0].published.load(Ordering::Relaxed) != 0;
    read::enter().unwrap();
    if found {
        things[0].object.look();
    }
    read::exit().unwrap();
    assert!(read::is_inside());
    if found {
        things[0].object.look();
    }
    read::exit().unwrap();
    assert!(!read::is_inside());
    remover.join().unwrap();
}

#[test]
fn a_perform_waits_for_the_outer_section() {
    holds("nested", nested);
}

#[test]
fn an_inner_section_that_renews_the_outer_one_is_noticed() {
    notices("nested", nested, &[(&[Bug::NestedRenews], ASLEEP)]);
}

/// Two perform; whoever comes second may share a grace period.
fn two_performers() {
    let things = things();
    let removers = [0, 1].map(|which| end_elsewhere(&things, which));
    read(&things);
    removers.into_iter().for_each(|remover| remover.join().unwrap());
}

#[test]
fn both_who_perform_wait_for_a_reader() {
    holds("two_performers", two_performers);
}

/// Three perform: two may wait for one.
fn three_performers() {
    let things = things();
    let removers = [0, 1].map(|which| end_elsewhere(&things, which));
    perform::perform(Patience::FOREVER).unwrap().unwrap();
    removers.into_iter().for_each(|remover| remover.join().unwrap());
}

#[test]
fn all_who_perform_get_done() {
    holds("three_performers", three_performers);
}

#[test]
fn one_who_performs_and_is_forgotten_is_noticed() {
    notices("three_performers", three_performers, &[(&[Bug::WakesOne], ASLEEP), (&[Bug::LeaderUntold], ASLEEP)]);
}

/// A grace period is under way when somebody else unpublishes something and performs; a reader has come in between.
fn under_way() {
    let things = things();
    let remover = end_elsewhere(&things, 1);
    let reader = {
        let things = Arc::clone(&things);
        thread::spawn(move || {
            read::enter().unwrap();
            things[1].look();
            read::exit().unwrap();
        })
    };
    perform::perform(Patience::FOREVER).unwrap().unwrap();
    remover.join().unwrap();
    reader.join().unwrap();
}

#[test]
fn a_perform_begins_a_grace_period_of_its_own() {
    holds("under_way", under_way);
}

#[test]
fn a_perform_content_with_one_under_way_is_noticed() {
    notices("under_way", under_way, &[(&[Bug::JoinsUnderWay], RACE), (&[Bug::StartedLate], RACE)]);
}

/// One performs without patience, one with: where the first led it gives the lead away, and what it began serves nobody.
fn handover() {
    let things = things();
    read::enter().unwrap();
    let found = things[1].published.load(Ordering::Relaxed) != 0;
    let impatient = {
        let things = Arc::clone(&things);
        thread::spawn(move || {
            things[0].unpublish();
            match perform::perform(no_time()).unwrap() {
                Ok(()) => things[0].object.end(),
                Err(gave_up) => assert_eq!(gave_up, GaveUp::TimedOut),
            }
        })
    };
    let patient = end_elsewhere(&things, 1);
    if found {
        things[1].object.look();
    }
    read::exit().unwrap();
    impatient.join().unwrap();
    patient.join().unwrap();
}

#[test]
fn a_perform_takes_the_lead_of_one_that_gave_up() {
    holds("handover", handover);
}

#[test]
fn a_lead_that_is_lost_is_noticed() {
    notices("handover", handover, &[(&[Bug::SilentHandover], ASLEEP), (&[Bug::GivingUpCompletes], RACE)]);
}
