// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device gates: threads that acquire, some for as long as it takes and some until a signal comes; handlers that enter and exit,
//! real ones too; owners who close, unhook, seal and free, with late-comers asleep at the gate, among them a second owner.
//! Threads are inside of one device at a time: who waits at one's gate may not keep another's owner waiting.

use super::{Mix, Turn};
use crate::board::Count;
use crate::failure::fail;
use crate::page::{self, Page};
use crate::random::Random;
use psref::gate::raw::{self, DeviceState};
use psref::pserialize::raw as sections;
use psref::{GaveUp, Patience};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*};
use std::time::Duration;

const KIND: u8 = 3;
const PLACES: usize = 3;

/// Where a device is found: by threads, and by handlers.
struct Place {
    users: AtomicPtr<Page>,
    handlers: AtomicPtr<Page>,
    /// Threads between their look-up and the end of their acquire. No read section, for who waits at the gate would be in it.
    looking: AtomicUsize,
    ending: AtomicBool,
}

struct Inside {
    page: &'static Page,
    generation: u64,
    told: bool,
}

pub struct Devices {
    places: Vec<Place>,
    handed: Mutex<Vec<Inside>>,
}

fn device(page: &Page) -> *const DeviceState {
    page.body()
}

fn attached() -> &'static Page {
    let page = page::new(KIND);
    // SAFETY: zeroed and nobody else's.
    unsafe { raw::attach(page.body()) }.expect("cells");
    page
}

fn pointer(page: &'static Page) -> *mut Page {
    std::ptr::from_ref(page).cast_mut()
}

fn exit(page: &Page, slowly: bool) {
    // SAFETY: inside.
    unsafe { if slowly { psref::gate::entry::exit_slow(device(page)) } else { raw::exit(device(page)) } }
}

impl Inside {
    fn leave(self, slowly: bool) {
        self.page.look(self.generation, "inside");
        if self.told {
            self.page.holders.fetch_sub(1, SeqCst);
        }
        exit(self.page, slowly);
    }
}

impl Devices {
    pub fn new() -> Devices {
        let place = |_| {
            let page = pointer(attached());
            Place {
                users: AtomicPtr::new(page),
                handlers: AtomicPtr::new(page),
                looking: AtomicUsize::new(0),
                ending: AtomicBool::new(false),
            }
        };
        Devices { places: (0..PLACES).map(place).collect(), handed: Mutex::new(Vec::new()) }
    }

    fn acquire(&self, turn: &mut Turn) -> Option<&'static Page> {
        let place = &self.places[turn.random.below(PLACES)];
        place.looking.fetch_add(1, SeqCst);
        // SAFETY: its owner frees it once nobody looks who may have found it.
        let Some(page) = (unsafe { place.users.load(SeqCst).as_ref() }) else {
            place.looking.fetch_sub(1, SeqCst);
            return None;
        };
        let patience = match turn.random.below(3) {
            0 => Patience::FOREVER,
            1 => Patience::FOREVER.or_signal(),
            _ => Patience::at_most(Duration::from_micros(turn.random.below(5000) as u64)),
        };
        let answer = {
            let _at = turn.desk.doing(&"device_gate_acquire", page);
            // SAFETY: as above.
            unsafe { raw::try_acquire(device(page), patience) }
        };
        let answer = answer.unwrap_or_else(|misuse| fail(format_args!("{}: {misuse}", page.name())));
        if answer.is_ok() {
            page.look(page.generation.load(SeqCst), "just acquired");
        }
        place.looking.fetch_sub(1, SeqCst);
        match answer {
            Ok(()) => Some(page),
            Err(None) => None,
            Err(Some(GaveUp::TimedOut | GaveUp::Interrupted)) => {
                turn.count(Count::GaveUp, 1);
                None
            }
        }
    }

    /// As an interrupt handler does it.
    fn enter(&self, random: &mut Random) -> Option<&'static Page> {
        let depth = sections::enter();
        // SAFETY: unhooked, and then a perform, before the device ends.
        let page = unsafe { self.places[random.below(PLACES)].handlers.load(Acquire).as_ref() };
        if let Some(page) = page {
            // SAFETY: as above.
            unsafe {
                if random.one_in(4) { psref::gate::entry::enter_slow(device(page)) } else { raw::enter(device(page)) }
            }
            page.look(page.generation.load(SeqCst), "just entered");
        }
        sections::exit(depth);
        page
    }

    /// The owner's part, from close to free.
    fn detach(&self, place: &Place, turn: &mut Turn) {
        // SAFETY: whoever has the right to end it.
        let page: &'static Page = unsafe { &*place.users.load(SeqCst) };
        let gate = {
            let _at = turn.desk.doing(&"device_gate_close", page);
            // SAFETY: alive.
            match unsafe { raw::try_close(device(page), b"torture", Patience::FOREVER) } {
                Ok(Ok(gate)) => gate,
                other => fail(format_args!("{}: its owner cannot close it: {:?}", page.name(), other.map(|_| ()))),
            }
        };
        turn.random.dawdle();
        place.handlers.store(std::ptr::null_mut(), SeqCst);
        {
            let _at = turn.desk.doing(&"pserialize_perform", page);
            // SAFETY: null is allowed.
            unsafe { sections::perform(std::ptr::null()) };
        }
        {
            let _at = turn.desk.doing(&"device_gate_seal", page);
            let impatient = turn.random.one_in(3);
            let patience = if impatient { Patience::at_most(Duration::from_micros(500)) } else { Patience::FOREVER };
            // SAFETY: alive and closed by this thread.
            if let Ok(Err(_)) = unsafe { raw::try_seal(device(page), gate, patience) } {
                turn.count(Count::GaveUp, 1);
                // SAFETY: as above; sealed.
                let _ = unsafe { raw::try_wait(device(page), Patience::FOREVER) };
            }
        }
        page.bury("a seal");
        place.users.store(std::ptr::null_mut(), SeqCst);
        {
            let _at = turn.desk.doing(&"look-ups of a sealed device", page);
            while place.looking.load(SeqCst) != 0 {
                std::thread::yield_now();
            }
        }
        // SAFETY: nobody is inside, and nobody finds it.
        unsafe { raw::detach(device(page)) };
        page.retire();
        let next = pointer(attached());
        place.handlers.store(next, SeqCst);
        place.users.store(next, SeqCst);
        turn.count(Count::Ends, 1);
    }
}

impl Mix for Devices {
    fn used(&self, turn: &mut Turn) {
        for _ in 0..1 + turn.random.below(8) {
            // Also where every gate is closed: their owners wait for these.
            if turn.random.one_in(3) {
                self.give_back();
            }
            let as_handler = turn.random.one_in(3);
            let page = if as_handler { self.enter(&mut turn.random) } else { self.acquire(turn) };
            let Some(page) = page else {
                std::thread::yield_now(); // turned away: its owner goes first
                continue;
            };
            let told = turn.random.one_in(2);
            if told {
                page.holders.fetch_add(1, SeqCst);
            }
            turn.desk.holds(page);
            let inside = Inside { page, generation: page.generation.load(SeqCst), told };
            if turn.random.one_in(4) {
                // SAFETY: inside already, which keeps it.
                unsafe { raw::enter(device(page)) };
                turn.random.dawdle();
                exit(page, false);
            }
            turn.wander();
            turn.random.dawdle();
            turn.count(Count::Operations, 1);
            turn.desk.lets_go(page);
            if turn.random.one_in(8)
                && let Ok(mut handed) = self.handed.try_lock()
            {
                handed.push(inside);
                turn.count(Count::Handed, 1);
            } else {
                inside.leave(turn.random.one_in(4));
            }
        }
    }

    fn ended(&self, turn: &mut Turn) {
        let place = &self.places[turn.random.below(PLACES)];
        // A device is open for a while.
        crate::system::pass(Duration::from_micros(turn.random.below(2000) as u64));
        if !place.ending.swap(true, SeqCst) {
            self.detach(place, turn);
            place.ending.store(false, SeqCst);
            return;
        }
        // A second owner, who comes too late: it sleeps at the gate until the first has sealed it.
        place.looking.fetch_add(1, SeqCst);
        // SAFETY: its owner frees it once nobody looks who may have found it.
        if let Some(page) = unsafe { place.users.load(SeqCst).as_ref() }
            // Its first word, the guard: one that is open would be closed for good.
            && page.body[0].load(SeqCst) != 0
        {
            let brief = Patience::at_most(Duration::from_micros(500)).or_signal();
            let patience = if turn.random.one_in(3) { brief } else { Patience::FOREVER };
            let _at = turn.desk.doing(&"device_gate_close, the second", page);
            // SAFETY: as above.
            if let Ok(Ok(_)) = unsafe { raw::try_close(device(page), b"torture, late", patience) } {
                fail(format_args!("{}: closed twice", page.name()));
            }
        }
        place.looking.fetch_sub(1, SeqCst);
    }

    fn in_handler(&self, random: &mut Random) {
        if let Some(page) = self.enter(random) {
            random.dawdle();
            page.look(page.generation.load(SeqCst), "inside, in a handler");
            exit(page, random.one_in(4));
        }
    }

    fn in_child(&self) {
        if let Some(page) = self.enter(&mut Random::of(1, 0, 0)) {
            exit(page, false);
        }
        let page = attached();
        // SAFETY: nobody else knows of it.
        unsafe {
            raw::enter(device(page));
            raw::exit(device(page));
            if let Ok(Ok(gate)) = raw::try_close(device(page), b"torture", Patience::FOREVER) {
                let _ = raw::try_seal(device(page), gate, Patience::FOREVER);
            }
            raw::detach(device(page));
        }
    }

    fn give_back(&self) {
        let handed = std::mem::take(&mut *self.handed.lock().unwrap_or_else(|e| e.into_inner()));
        handed.into_iter().for_each(|inside| inside.leave(false)); // the lock is free by now
    }

    fn settle(&self) {
        self.give_back();
        for place in &self.places {
            // SAFETY: everybody has left.
            unsafe {
                let page: &'static Page = &*place.users.load(SeqCst);
                match raw::try_close(device(page), b"torture", Patience::FOREVER) {
                    Ok(Ok(gate)) => drop(raw::try_seal(device(page), gate, Patience::FOREVER)),
                    _ => fail(format_args!("{}: it cannot be closed at the end", page.name())),
                }
                page.bury("the last seal");
                raw::detach(device(page));
            }
        }
    }
}
