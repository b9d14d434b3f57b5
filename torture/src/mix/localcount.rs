// SPDX-License-Identifier: MIT OR Apache-2.0
//! Local counts: acquired in read sections, cloned, handed to other threads, released anywhere; drained before they are unpublished,
//! by two at once, or after it, under an interlock as C does, or tried.

use super::{Mix, Turn};
use crate::board::Count;
use crate::failure::fail;
use crate::interlock::Interlock;
use crate::page::{self, Page};
use crate::place::Place;
use crate::random::Random;
use psref::Patience;
use psref::localcount::raw::{self, LocalCountState};
use psref::pserialize::raw as sections;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const KIND: u8 = 1;
/// The first are held by somebody nearly always, those behind them for a moment now and then, so that drains of them find nobody;
/// these are drained by themselves, the last under an interlock.
const HOT: usize = 2;
const ALONE: usize = 14;
const PLACES: usize = 16;

struct Held {
    page: &'static Page,
    generation: u64,
    alone: bool,
    told: bool,
}

pub struct Counts {
    places: Vec<Place>,
    handed: Mutex<Vec<Held>>,
    interlock: Interlock,
}

fn count(page: &Page) -> *const LocalCountState {
    page.body()
}

fn new_count() -> &'static Page {
    let page = page::new(KIND);
    // SAFETY: zeroed and nobody else's.
    unsafe { raw::init(page.body()) }.expect("cells");
    page
}

impl Counts {
    pub fn new() -> Counts {
        let places = (0..PLACES).map(|_| Place::new(new_count())).collect();
        Counts { places, handed: Mutex::new(Vec::new()), interlock: Interlock::new() }
    }

    /// Looks one up and acquires it, unless it drains. Those under an interlock are drained after their last look-up alone.
    fn acquire(&self, place: usize, slowly: bool) -> Option<&'static Page> {
        self.places[place].look_up(|page| {
            // SAFETY: the read section keeps it until this returns.
            let got = unsafe {
                match slowly {
                    true => raw::try_acquire(count(page)).is_ok(),
                    false => raw::acquire(count(page)) == 0,
                }
            };
            if !got && place >= ALONE {
                fail(format_args!("{}: nobody drains it, and an acquire is refused", page.name()));
            }
            got.then_some(page)
        })
    }

    fn release(&self, page: &Page, alone: bool, slowly: bool) {
        // SAFETY: held.
        unsafe {
            match (alone, slowly) {
                (true, true) => raw::release_alone_slowly(count(page)),
                (true, false) => raw::release_alone(count(page)),
                (false, _) => raw::release_slowly(
                    count(page),
                    &raw const self.interlock.condition,
                    &raw const self.interlock.mutex,
                ),
            }
        }
    }

    fn let_go(&self, held: &Held, slowly: bool) {
        held.page.look(held.generation, "held");
        if held.told {
            held.page.holders.fetch_sub(1, SeqCst);
        }
        self.release(held.page, held.alone, slowly);
    }

    fn drain(&self, page: &'static Page, alone: bool, turn: &mut Turn) {
        let at = || turn.desk.doing(&"localcount_drain", page);
        let _at = at();
        let drain = |patience| {
            // SAFETY: alive until its end, which comes after this.
            unsafe {
                if alone {
                    return raw::drain_alone(count(page), patience);
                }
                let _locked = self.interlock.enter();
                raw::drain(count(page), &raw const self.interlock.condition, &raw const self.interlock.mutex, patience)
            }
        };
        while turn.random.one_in(4) {
            if drain(Patience::at_most(Duration::from_micros(turn.random.below(3000) as u64))).is_ok() {
                return;
            }
            turn.count(Count::GaveUp, 1);
        }
        let _ = drain(Patience::FOREVER);
    }

    /// Ends all that nobody else ends of those that nobody holds for long: many drains, and one perform.
    fn end_some(&self, turn: &mut Turn) {
        let from = HOT + turn.random.below((ALONE - HOT) / 2);
        let some = &self.places[from..from + (ALONE - HOT) / 2];
        let ours: Vec<_> = some.iter().filter_map(|place| place.end().map(|ending| (place, ending))).collect();
        let old = ours.iter().map(|(place, _)| {
            let page = place.page();
            self.drain(page, true, turn);
            page.bury("a drain");
            turn.random.dawdle();
            place.publish(new_count());
            page
        });
        let old: Vec<_> = old.collect();
        if let Some(page) = old.first() {
            let _at = turn.desk.doing(&"pserialize_perform", *page);
            // SAFETY: null is allowed.
            unsafe { sections::perform(std::ptr::null()) };
        }
        ours.iter().for_each(|(place, _)| place.wait_for_joined());
        for page in old {
            // SAFETY: drained, and nobody finds it.
            unsafe { raw::fini(count(page)) };
            page.retire();
            turn.count(Count::Ends, 1);
        }
    }

    /// One hold after the other, each for a moment.
    fn used_briefly(&self, turn: &mut Turn) {
        for _ in 0..20 {
            let place = HOT + turn.random.below(ALONE - HOT);
            let Some(page) = self.acquire(place, turn.random.one_in(8)) else { continue };
            let generation = page.generation.load(SeqCst);
            page.look(generation, "just acquired");
            turn.linger();
            page.look(generation, "held");
            self.release(page, true, turn.random.one_in(8));
            turn.count(Count::Operations, 1);
        }
        turn.wander();
    }

    /// Whether a few tries have drained what nobody finds any more.
    fn tried(&self, page: &'static Page, turn: &mut Turn) -> bool {
        let _at = turn.desk.doing(&"localcount_trydrain", page);
        (0..3).any(|_| {
            turn.random.dawdle();
            // SAFETY: alive; nobody acquires any more, and nobody else drains.
            unsafe { raw::trydrain(count(page)) }
        })
    }
}

impl Mix for Counts {
    fn used(&self, turn: &mut Turn) {
        if turn.random.one_in(2) {
            return self.used_briefly(turn);
        }
        let quiet = turn.random.one_in(2);
        let mut mine: Vec<Held> = Vec::new();
        for _ in 0..1 + turn.random.below(6) {
            let place = turn.random.below(HOT + PLACES - ALONE);
            let place = if place < HOT { place } else { place + ALONE - HOT };
            let Some(page) = self.acquire(place, turn.random.one_in(8)) else { continue };
            let generation = page.generation.load(SeqCst);
            page.look(generation, "just acquired");
            if !quiet {
                page.holders.fetch_add(1, SeqCst);
            }
            turn.desk.holds(page);
            mine.push(Held { page, generation, alone: place < ALONE, told: !quiet });
            if turn.random.one_in(4) {
                // SAFETY: held.
                if unsafe { raw::try_acquire_again(count(page)) }.is_err() {
                    fail(format_args!("{}: a clone of what is held is refused", page.name()));
                }
                turn.count(Count::Copies, 1);
                mine.push(Held { page, generation, alone: place < ALONE, told: false });
            }
        }
        turn.count(Count::Operations, mine.len() as u64);
        turn.wander();
        turn.random.dawdle();
        if turn.random.one_in(3) {
            turn.exchange(&self.handed, &mut mine, |held| held.page);
        }
        while !mine.is_empty() {
            let held = mine.swap_remove(turn.random.below(mine.len()));
            turn.desk.lets_go(held.page);
            self.let_go(&held, turn.random.one_in(8));
        }
    }

    fn ended(&self, turn: &mut Turn) {
        if !turn.random.one_in(4) {
            return self.end_some(turn);
        }
        let number = turn.random.below(HOT + PLACES - ALONE);
        let number = if number < HOT { number } else { number + ALONE - HOT };
        let (place, alone) = (&self.places[number], number < ALONE);
        let Some(_ending) = place.end() else {
            let (_joined, still) = place.join();
            if still && alone && self.acquire(number, false).map(|page| self.release(page, true, false)).is_none() {
                let page = place.look_up(|page| page);
                self.drain(page, true, turn);
            }
            return;
        };
        let page = place.page();
        let first = alone && turn.random.below(4) != 0;
        if first {
            self.drain(page, true, turn);
            page.bury("a drain");
            turn.random.dawdle();
        }
        place.publish(new_count());
        {
            let _at = turn.desk.doing(&"pserialize_perform", page);
            // SAFETY: null is allowed.
            unsafe { sections::perform(std::ptr::null()) };
        }
        place.wait_for_joined();
        if !first {
            // A second drain may have begun before it was unpublished.
            let drained = !alone && turn.random.one_in(2) && self.tried(page, turn);
            if !drained {
                self.drain(page, alone, turn);
            }
            page.bury("a drain");
        }
        // SAFETY: drained, and nobody finds it.
        unsafe { raw::fini(count(page)) };
        page.retire();
        turn.count(Count::Ends, 1);
    }

    fn in_handler(&self, random: &mut Random) {
        let Some(page) = self.acquire(random.below(ALONE), random.one_in(4)) else { return };
        page.look(page.generation.load(SeqCst), "just acquired in a handler");
        self.release(page, true, random.one_in(4));
    }

    fn in_child(&self) {
        for place in 0..ALONE {
            if let Some(page) = self.acquire(place, false) {
                self.release(page, true, false);
            }
        }
        let page = new_count();
        // SAFETY: nobody else knows of it.
        unsafe {
            if raw::acquire(count(page)) != 0 {
                fail(format_args!("{}: a new count refuses an acquire in a forked child", page.name()));
            }
            raw::release_alone(count(page));
            if !raw::trydrain(count(page)) {
                fail(format_args!("{}: a count that nobody holds is not drained in a forked child", page.name()));
            }
            raw::fini(count(page));
        }
    }

    fn give_back(&self) {
        let handed = std::mem::take(&mut *self.handed.lock().unwrap_or_else(|e| e.into_inner()));
        handed.iter().for_each(|held| self.let_go(held, false));
    }

    fn settle(&self) {
        self.give_back();
        for place in &self.places {
            let page = place.page();
            // SAFETY: everybody has left.
            unsafe {
                let left = raw::references(count(page));
                if left != 0 {
                    fail(format_args!("{}: {left} references are left over", page.name()));
                }
                let _ = raw::drain_alone(count(page), Patience::FOREVER);
                raw::fini(count(page));
            }
            page.bury("the last drain");
        }
    }
}
