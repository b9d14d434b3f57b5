// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ends that nobody waits for: objects that are found in read sections and some of them held, unpublished and retired while both
//! goes on. Their functions look whether anybody is left (see `ledger`); barriers promise that they have run.

use super::ledger::{self, Entry, Receipt, Way};
use super::retire_alone as alone;
use super::{Mix, Turn};
use crate::board::Count;
use crate::failure::fail;
use crate::page::Page;
use crate::place::Place;
use crate::random::Random;
use crate::system;
use psref::Patience;
use psref::psref::raw::{self, ClassState, Hold};
use psref::retire::{self, raw as ends};
use std::cell::UnsafeCell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// The first have targets; the others are only seen in read sections.
const PLACES: usize = 12;
const TARGETS: usize = 8;
/// Holds that handlers leave for other handlers.
const KEPT: usize = 6;

struct Held {
    hold: Box<Hold>,
    page: &'static Page,
    generation: u64,
    told: bool,
}

/// A hold that one handler acquires and another, in whichever thread, releases.
struct Kept {
    /// | 0: free | 1: somebody's | 2: held | whoever finds 0 or 2 -> 1; whose it is -> 0 or 2 |
    state: AtomicU8,
    hold: UnsafeCell<(Hold, Option<(&'static Page, u64)>)>,
}

// SAFETY: whoever has set `state` to 1 alone looks at the rest.
unsafe impl Sync for Kept {}
// SAFETY: as above; a hold may be released by any thread.
unsafe impl Send for Kept {}

const FREE: u8 = 0;
const BUSY: u8 = 1;
const HELD: u8 = 2;

pub struct Retired {
    class: &'static ClassState,
    places: Vec<Place>,
    handed: Mutex<Vec<Held>>,
    kept: [Kept; KEPT],
    /// Turns under way, and whether somebody wants to be alone.
    busy: AtomicUsize,
    calm: AtomicBool,
}

/// A turn under way.
struct Busy<'a>(&'a Retired);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, SeqCst);
    }
}

impl Retired {
    pub fn new() -> Retired {
        let class = raw::try_class_create(b"torture, retired").expect("a class");
        let places = (0..PLACES).map(|n| Place::new(ledger::new_page((n < TARGETS).then_some(class)))).collect();
        Retired {
            class,
            places,
            handed: Mutex::new(Vec::new()),
            kept: [const { Kept { state: AtomicU8::new(FREE), hold: UnsafeCell::new((Hold::EMPTY, None)) } }; KEPT],
            busy: AtomicUsize::new(0),
            calm: AtomicBool::new(false),
        }
    }

    /// A turn, unless somebody wants to be alone: then what others wait for is given back.
    fn busy(&self) -> Option<Busy<'_>> {
        self.busy.fetch_add(1, SeqCst);
        let busy = Busy(self);
        if !self.calm.load(SeqCst) {
            return Some(busy);
        }
        drop(busy);
        self.give_back();
        system::pass(Duration::from_millis(1)); // the CPUs are for who wants to be alone, and the helper
        None
    }

    /// Looks one up and acquires it, unless it has been retired meanwhile.
    fn acquire(&self, place: usize, hold: &mut Hold, when: &str) -> Option<(&'static Page, u64)> {
        let found = self.places[place].look_up(|page| {
            let generation = page.generation.load(SeqCst);
            page.look(generation, when);
            // SAFETY: the read section keeps the target until this returns.
            let got = unsafe { raw::acquire(hold, page.body(), self.class) } == 0;
            page.look(generation, when);
            got.then_some((page, generation))
        });
        if let Some((page, generation)) = found {
            page.look(generation, "just acquired");
        }
        found
    }

    /// Looks at one for as long as a read section lasts.
    fn see(&self, place: usize, random: &mut Random, when: &str) {
        self.places[place].look_up(|page| {
            let generation = page.generation.load(SeqCst);
            let told = random.one_in(2);
            if told {
                page.readers.fetch_add(1, SeqCst);
            }
            page.look(generation, when);
            random.dawdle();
            page.look(generation, when);
            if told {
                page.readers.fetch_sub(1, SeqCst);
            }
        });
    }

    fn let_go(&self, mut held: Held) {
        held.page.look(held.generation, "held");
        if held.told {
            held.page.holders.fetch_sub(1, SeqCst);
        }
        // SAFETY: held.
        unsafe { raw::release(&raw mut *held.hold, held.page.body(), self.class) };
    }

    /// A slot for holds of handlers changes its state: a hold more, or one less.
    fn keep(&self, slot: &Kept, place: Option<usize>) {
        let claim = |from| slot.state.compare_exchange(from, BUSY, SeqCst, SeqCst).is_ok();
        if claim(HELD) {
            // SAFETY: the slot is ours alone.
            let (hold, found) = unsafe { &mut *slot.hold.get() };
            if let Some((page, generation)) = found.take() {
                page.look(generation, "held by a handler");
                // SAFETY: held since another handler.
                unsafe { raw::release(hold, page.body(), self.class) };
            }
            slot.state.store(FREE, SeqCst);
        } else if let Some(place) = place
            && claim(FREE)
        {
            // SAFETY: as above.
            let (hold, found) = unsafe { &mut *slot.hold.get() };
            *found = self.acquire(place, hold, "seen in a handler");
            slot.state.store(if found.is_some() { HELD } else { FREE }, SeqCst);
        }
    }

    /// Retires it in whatever way, against whatever resistance.
    fn retire(entry: &'static Entry, way: Way, turn: &Turn) {
        let _at = turn.desk.doing(&"psref_target_retire, refused", entry);
        while !entry.retire(way) {
            turn.count(Count::GaveUp, 1);
            Retired::press(turn);
        }
    }

    /// Too much waits for its end: helps, or waits for some of it.
    fn press(turn: &Turn) {
        if retire::poll() != 0 && retire::barrier_within(Patience::at_most(Duration::from_millis(5))).is_err() {
            turn.count(Count::GaveUp, 1);
        }
        std::thread::yield_now();
    }

    fn barrier(turn: &Turn, receipts: &[Receipt]) {
        let _at = turn.desk.doing(&"psref_retire_barrier", &turn.mix);
        ends::barrier();
        receipts.iter().for_each(Receipt::must_have_ended);
    }

    /// Some of those that nobody else ends, one after the other and without a wait.
    fn end_some(&self, turn: &mut Turn, receipts: &mut Vec<Receipt>) {
        for _ in 0..1 + turn.random.below(8) {
            let number = turn.random.below(PLACES);
            let place = &self.places[number];
            let Some(_ending) = place.end() else { continue };
            let Some(entry) = ledger::entry() else { return Retired::press(turn) };
            let class = (number < TARGETS).then_some(self.class);
            let mut held = None;
            if class.is_some() && turn.random.one_in(4) {
                let mut hold = Box::new(Hold::EMPTY);
                held = self.acquire(number, &mut hold, "about to be retired").map(|(page, generation)| Held {
                    hold,
                    page,
                    generation,
                    told: false,
                });
            }
            let page = place.page();
            let generation = page.generation.load(SeqCst);
            let way = match class {
                Some(_) if turn.random.one_in(6) => Way::Both,
                Some(_) => Way::Target,
                None => Way::Seen,
            };
            place.publish(ledger::new_page(class));
            entry.fill(page, class);
            // Of those that come to their end in two batches a barrier promises the first alone.
            let receipt = (way != Way::Both).then(|| entry.receipt());
            if turn.random.one_in(3) {
                // Retired in a read section, which keeps it.
                let depth = psref::pserialize::raw::enter();
                let taken = entry.retire(way);
                turn.random.dawdle();
                turn.linger();
                page.look(generation, "retired in this very read section");
                psref::pserialize::raw::exit(depth);
                if !taken {
                    Retired::retire(entry, way, turn);
                }
            } else {
                Retired::retire(entry, way, turn);
            }
            receipts.extend(receipt);
            turn.count(Count::Ends, 1);
            if let Some(held) = held {
                turn.linger();
                self.let_go(held);
            }
        }
    }

    /// Nobody else takes turns, and no hold is left over, until the answer is dropped.
    fn alone(&self, turn: &Turn) -> Option<Calm<'_>> {
        if self.calm.swap(true, SeqCst) {
            return None;
        }
        let calm = Calm(self);
        let _at = turn.desk.doing(&"a wait to be alone", &turn.mix);
        while self.busy.load(SeqCst) != 1 {
            self.give_back();
            std::thread::yield_now();
        }
        self.give_back();
        Some(calm)
    }
}

/// While it lives there is one turn.
struct Calm<'a>(&'a Retired);

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.0.calm.store(false, SeqCst);
    }
}

impl Mix for Retired {
    fn used(&self, turn: &mut Turn) {
        let Some(_busy) = self.busy() else { return };
        for _ in 0..turn.random.below(4) {
            self.see(turn.random.below(PLACES), &mut turn.random, "seen in a read section");
            turn.count(Count::Operations, 1);
        }
        let quiet = turn.random.one_in(2);
        let mut mine: Vec<Held> = Vec::with_capacity(16);
        for _ in 0..turn.random.below(8) {
            let mut hold = Box::new(Hold::EMPTY);
            let place = turn.random.below(TARGETS);
            let Some((page, generation)) = self.acquire(place, &mut hold, "found") else { continue };
            if !quiet {
                page.holders.fetch_add(1, SeqCst);
            }
            turn.desk.holds(page);
            mine.push(Held { hold, page, generation, told: !quiet });
            turn.count(Count::Operations, 1);
            if turn.random.one_in(4) {
                let from = &mine[turn.random.below(mine.len())];
                let mut copy = Box::new(Hold::EMPTY);
                // SAFETY: held.
                unsafe { raw::copy(&raw mut *copy, &raw const *from.hold, self.class) };
                turn.count(Count::Copies, 1);
                mine.push(Held { hold: copy, page: from.page, generation: from.generation, told: false });
            }
        }
        turn.wander();
        turn.random.dawdle();
        turn.linger();
        if turn.random.one_in(4) {
            turn.exchange(&self.handed, &mut mine, |held| held.page);
        }
        while !mine.is_empty() {
            let held = mine.swap_remove(turn.random.below(mine.len()));
            turn.desk.lets_go(held.page);
            self.let_go(held);
        }
    }

    fn ended(&self, turn: &mut Turn) {
        let Some(_busy) = self.busy() else { return };
        if let Some(entry) = ledger::refused() {
            Retired::retire(entry, Way::Target, turn);
        }
        if turn.random.one_in(128) {
            if let Some(_calm) = self.alone(turn) {
                alone::last_releases(turn);
            }
            return;
        }
        if turn.random.one_in(1024) {
            return alone::flood(turn);
        }
        if turn.random.one_in(64) {
            alone::one_of_its_own();
        }
        let mut receipts = Vec::new();
        self.end_some(turn, &mut receipts);
        match turn.random.below(16) {
            0..4 => Retired::barrier(turn, &receipts),
            4 => _ = retire::poll(),
            5 => {
                let patience = Patience::at_most(Duration::from_micros(turn.random.below(3000) as u64));
                match retire::barrier_within(patience) {
                    Ok(()) => receipts.iter().for_each(Receipt::must_have_ended),
                    Err(_) => turn.count(Count::GaveUp, 1),
                }
            }
            _ => {}
        }
        turn.random.dawdle();
    }

    fn in_handler(&self, random: &mut Random) {
        if self.calm.load(SeqCst) {
            return;
        }
        if random.one_in(3) {
            return self.see(random.below(PLACES), random, "seen in a handler's read section");
        }
        let place = random.below(TARGETS);
        if random.one_in(2) {
            return self.keep(&self.kept[random.below(KEPT)], Some(place));
        }
        let mut hold = Hold::EMPTY;
        let Some((page, generation)) = self.acquire(place, &mut hold, "seen in a handler") else { return };
        let mut copy = Hold::EMPTY;
        let copied = random.one_in(3);
        // SAFETY: held.
        unsafe {
            if copied {
                raw::copy(&raw mut copy, &raw const hold, self.class);
            }
            raw::release(&mut hold, page.body(), self.class);
            if copied {
                page.look(generation, "held by a copy in a handler");
                raw::release(&mut copy, page.body(), self.class);
            }
        }
    }

    fn in_child(&self) {
        ledger::IN_CHILD.store(true, SeqCst);
        alone::one_of_its_own();
        if retire::barrier_within(Patience::at_most(Duration::from_secs(5))).is_err() {
            fail(format_args!("a retire barrier in a forked child waits for threads that are not there"));
        }
    }

    fn give_back(&self) {
        let handed = std::mem::take(&mut *self.handed.lock().unwrap_or_else(|e| e.into_inner()));
        handed.into_iter().for_each(|held| self.let_go(held));
        self.kept.iter().for_each(|slot| self.keep(slot, None));
    }

    fn settle(&self) {
        self.give_back();
        let retire = |entry: &'static Entry, way| {
            while !entry.retire(way) {
                ends::barrier();
            }
        };
        for (number, place) in self.places.iter().enumerate() {
            let class = (number < TARGETS).then_some(self.class);
            ends::barrier(); // for an entry, and where threads cannot be had for the end
            let Some(entry) = ledger::entry() else { fail(format_args!("a barrier has given no entry back")) };
            entry.fill(place.page(), class);
            retire(entry, if class.is_some() { Way::Target } else { Way::Seen });
        }
        // A barrier does not promise what a function retires, so there are some.
        for _ in 0..3 {
            ends::barrier();
            while let Some(entry) = ledger::refused() {
                retire(entry, Way::Target);
            }
        }
        ledger::settle();
        alone::settle();
        // SAFETY: everybody has left. With a hold left over it ends the program.
        unsafe { raw::class_destroy(self.class) };
    }
}
