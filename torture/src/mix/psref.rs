// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passive references: looked up and acquired in read sections, nested past a block's end, copied, handed to other threads, released
//! in any order on any CPU; targets drained by two at once, before they are unpublished and after.

use super::{Mix, Turn};
use crate::board::Count;
use crate::failure::fail;
use crate::page::{self, Page};
use crate::place::Place;
use crate::random::Random;
use psref::Patience;
use psref::pserialize::raw as sections;
use psref::psref::raw::{self, ClassState, Hold, TargetState};
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const KIND: u8 = 0;
/// The first are held by somebody nearly always; the others for a moment now and then, so that drains of them find nobody.
const PLACES: usize = 14;
const HOT: usize = 2;

/// A hold, and of what.
struct Held {
    hold: Box<Hold>,
    page: &'static Page,
    generation: u64,
    /// Counted as a holder; others leave no trace but the library's own.
    told: bool,
}

pub struct Psref {
    /// Of those that are held long, and of the others: a drain that looks at few slots is over before who comes late is seen.
    class: &'static ClassState,
    brief: &'static ClassState,
    places: Vec<Place>,
    handed: Mutex<Vec<Held>>,
}

fn target(page: &Page) -> *const TargetState {
    page.body()
}

fn new_target(class: &'static ClassState) -> &'static Page {
    let page = page::new(KIND);
    // SAFETY: zeroed and nobody else's.
    unsafe { raw::target_init(page.body(), class) };
    page
}

fn release(hold: &mut Hold, page: &Page, class: &'static ClassState, slowly: bool) {
    // SAFETY: held.
    unsafe {
        match slowly {
            true => raw::release_slowly(hold, target(page), class),
            false => raw::release(hold, target(page), class),
        }
    }
}

impl Psref {
    pub fn new() -> Psref {
        let class = raw::try_class_create(b"torture").expect("a class");
        let brief = raw::try_class_create(b"torture, brief").expect("a class");
        let places = (0..PLACES).map(|n| Place::new(new_target(if n < HOT { class } else { brief }))).collect();
        Psref { class, brief, places, handed: Mutex::new(Vec::new()) }
    }

    fn class_of(&self, place: usize) -> &'static ClassState {
        if place < HOT { self.class } else { self.brief }
    }

    /// Looks one up and acquires it, unless it drains.
    fn acquire(&self, place: usize, hold: &mut Hold, slowly: bool) -> Option<&'static Page> {
        let class = self.class_of(place);
        self.places[place].look_up(|page| {
            // SAFETY: the read section keeps the target until this returns.
            let got = unsafe {
                match slowly {
                    true => raw::acquire_slowly(hold, target(page), class),
                    false => raw::acquire(hold, target(page), class) == 0,
                }
            };
            got.then_some(page)
        })
    }

    fn let_go(&self, mut held: Held, slowly: bool) {
        held.page.look(held.generation, "held");
        if held.told {
            held.page.holders.fetch_sub(1, SeqCst);
        }
        release(&mut held.hold, held.page, self.class, slowly);
    }

    fn drain(&self, page: &'static Page, class: &'static ClassState, turn: &mut Turn) {
        let _at = turn.desk.doing(&"psref_target_drain", page);
        while turn.random.one_in(4) {
            let patience = Patience::at_most(Duration::from_micros(turn.random.below(3000) as u64));
            // SAFETY: alive until its end, which comes after this.
            if unsafe { raw::target_drain(target(page), class, patience) }.is_ok() {
                return;
            }
            turn.count(Count::GaveUp, 1);
        }
        // SAFETY: as above.
        let _ = unsafe { raw::target_drain(target(page), class, Patience::FOREVER) };
    }
}

impl Mix for Psref {
    fn used(&self, turn: &mut Turn) {
        if turn.random.one_in(2) {
            return self.used_briefly(turn);
        }
        let quiet = turn.random.one_in(2);
        let wanted = if turn.random.one_in(48) { 40 + turn.random.below(100) } else { 1 + turn.random.below(10) };
        let mut mine: Vec<Held> = Vec::with_capacity(wanted + 4);
        for _ in 0..wanted {
            let place = turn.random.below(HOT);
            let mut hold = Box::new(Hold::EMPTY);
            let Some(page) = self.acquire(place, &mut hold, turn.random.one_in(8)) else { continue };
            let generation = page.generation.load(SeqCst);
            page.look(generation, "just acquired");
            if !quiet {
                page.holders.fetch_add(1, SeqCst);
            }
            turn.desk.holds(page);
            mine.push(Held { hold, page, generation, told: !quiet });
            if turn.random.one_in(4) {
                let from = &mine[turn.random.below(mine.len())];
                let mut copy = Box::new(Hold::EMPTY);
                // SAFETY: held.
                unsafe { raw::copy(&raw mut *copy, &raw const *from.hold, self.class) };
                let second = Held { hold: copy, page: from.page, generation: from.generation, told: false };
                turn.count(Count::Copies, 1);
                mine.push(second);
            }
        }
        turn.count(Count::Operations, mine.len() as u64);
        turn.wander();
        turn.random.dawdle();
        if turn.random.one_in(64)
            && let Some(held) = mine.first()
            // SAFETY: held.
            && !unsafe { raw::held(target(held.page), self.class) }
        {
            fail(format_args!("{}: psref_held says no, and this thread holds it", held.page.name()));
        }
        if turn.random.one_in(3) {
            turn.exchange(&self.handed, &mut mine, |held| held.page);
        }
        while !mine.is_empty() {
            let held = mine.swap_remove(turn.random.below(mine.len()));
            turn.desk.lets_go(held.page);
            self.let_go(held, turn.random.one_in(8));
        }
    }

    fn ended(&self, turn: &mut Turn) {
        if !turn.random.one_in(4) {
            return self.end_some(turn);
        }
        let number = turn.random.below(HOT);
        let place = &self.places[number];
        let Some(_ending) = place.end() else {
            let (_joined, still) = place.join();
            if still {
                // Whatever is there now is not ended before this one is gone; if it is another than was drained, no harm is done.
                self.drain_beside(number, turn);
            }
            return;
        };
        let page = place.page();
        let first = turn.random.below(4) != 0;
        if first {
            self.drain(page, self.class, turn);
            page.bury("a drain");
            turn.random.dawdle();
        }
        place.publish(new_target(self.class));
        {
            let _at = turn.desk.doing(&"pserialize_perform", page);
            // SAFETY: null is allowed.
            unsafe { sections::perform(std::ptr::null()) };
        }
        place.wait_for_joined();
        {
            let _at = turn.desk.doing(&"psref_target_destroy", page);
            // SAFETY: unpublished, and everybody has left who found it.
            unsafe { raw::target_destroy(target(page), self.class) };
        }
        if !first {
            page.bury("a destroy");
        }
        page.retire();
        turn.count(Count::Ends, 1);
        if turn.random.one_in(64) {
            one_of_its_own();
        }
    }

    fn in_handler(&self, random: &mut Random) {
        let (place, mut hold) = (random.below(PLACES), Hold::EMPTY);
        let class = self.class_of(place);
        let Some(page) = self.acquire(place, &mut hold, random.one_in(4)) else { return };
        let generation = page.generation.load(SeqCst);
        page.look(generation, "just acquired in a handler");
        let mut copy = Hold::EMPTY;
        let copied = random.one_in(3);
        if copied {
            // SAFETY: held.
            unsafe { raw::copy(&raw mut copy, &raw const hold, class) };
        }
        release(&mut hold, page, class, random.one_in(4));
        if copied {
            page.look(generation, "held by a copy in a handler");
            release(&mut copy, page, class, false);
        }
    }

    fn in_child(&self) {
        for number in 0..PLACES {
            let (class, page, mut hold) = (self.class_of(number), self.places[number].page(), Hold::EMPTY);
            if let Some(page) = self.acquire(number, &mut hold, false) {
                release(&mut hold, page, class, false);
            }
            let patience = Patience::at_most(Duration::from_secs(5));
            // SAFETY: the child's own copy; nothing is destroyed here.
            if unsafe { raw::target_drain(target(page), class, patience) }.is_err() {
                fail(format_args!("{}: a drain in a forked child waits for threads that are not there", page.name()));
            }
        }
        one_of_its_own();
    }

    fn give_back(&self) {
        let handed = std::mem::take(&mut *self.handed.lock().unwrap_or_else(|e| e.into_inner()));
        handed.into_iter().for_each(|held| self.let_go(held, false));
    }

    fn settle(&self) {
        self.give_back();
        for (number, place) in self.places.iter().enumerate() {
            // SAFETY: everybody has left.
            unsafe { raw::target_destroy(target(place.page()), self.class_of(number)) };
            place.page().bury("the last destroy");
        }
        // SAFETY: as above. With a hold left over it ends the program.
        unsafe {
            raw::class_destroy(self.class);
            raw::class_destroy(self.brief);
        }
    }
}

impl Psref {
    /// One hold after the other, each for a moment, some handed from hold to copy.
    fn used_briefly(&self, turn: &mut Turn) {
        for _ in 0..20 {
            let place = HOT + turn.random.below(PLACES - HOT);
            // Their slots go by their addresses.
            let (mut holds, mut at) = ([const { Hold::EMPTY }; 8], 0);
            let Some(page) = self.acquire(place, &mut holds[at], turn.random.one_in(8)) else { continue };
            let generation = page.generation.load(SeqCst);
            page.look(generation, "just acquired");
            let copies = if turn.random.one_in(2) { turn.random.below(16) } else { 0 };
            for _ in 0..copies {
                let to = (at + 1 + turn.random.below(7)) % 8;
                let (from, to_there) = (&raw const holds[at], &raw mut holds[to]);
                // SAFETY: held; another one than the first.
                unsafe { raw::copy(to_there, from, self.brief) };
                release(&mut holds[at], page, self.brief, false);
                page.look(generation, "held by a copy");
                at = to;
            }
            turn.linger();
            page.look(generation, "held");
            release(&mut holds[at], page, self.brief, turn.random.one_in(8));
            turn.count(Count::Copies, copies as u64);
            turn.count(Count::Operations, 1);
        }
        turn.wander();
    }

    /// Ends all that nobody else ends of those that nobody holds for long: many drains, and one perform.
    fn end_some(&self, turn: &mut Turn) {
        let from = HOT + turn.random.below((PLACES - HOT) / 2);
        let some = &self.places[from..from + (PLACES - HOT) / 2];
        let ours: Vec<_> = some.iter().filter_map(|place| place.end().map(|ending| (place, ending))).collect();
        let old = ours.iter().map(|(place, _)| {
            let page = place.page();
            self.drain(page, self.brief, turn);
            page.bury("a drain");
            turn.random.dawdle();
            place.publish(new_target(self.brief));
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
            // SAFETY: unpublished, and everybody has left who found it.
            unsafe { raw::target_destroy(target(page), self.brief) };
            page.retire();
            turn.count(Count::Ends, 1);
        }
    }

    /// A second drain of what another drains.
    fn drain_beside(&self, number: usize, turn: &mut Turn) {
        let mut hold = Hold::EMPTY;
        // Whoever can hold it knows that it is not being ended: that is for the one who has the right.
        if let Some(page) = self.acquire(number, &mut hold, false) {
            return release(&mut hold, page, self.class, false);
        }
        let page = self.places[number].look_up(|page| page);
        let _at = turn.desk.doing(&"psref_target_drain, the second", page);
        let brief = Patience::at_most(Duration::from_millis(5));
        let patience = if turn.random.one_in(2) { brief } else { Patience::FOREVER };
        // SAFETY: what is published when somebody has joined stays until it has left.
        let _ = unsafe { raw::target_drain(target(page), self.class, patience) };
    }
}

/// A class and a target for this thread alone, from birth to end.
fn one_of_its_own() {
    let class = raw::try_class_create(b"torture, short-lived").expect("a class");
    let page = new_target(class);
    let mut holds: Vec<Hold> = (0..40).map(|_| Hold::EMPTY).collect();
    // SAFETY: nobody else knows of them.
    unsafe {
        for hold in &mut holds {
            if raw::acquire(hold, target(page), class) != 0 {
                fail(format_args!("{}: nobody drains it, and an acquire is refused", page.name()));
            }
        }
        holds.iter_mut().for_each(|hold| raw::release(hold, target(page), class));
        raw::target_destroy(target(page), class);
        raw::class_destroy(class);
    }
    page.retire();
}
