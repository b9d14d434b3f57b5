// SPDX-License-Identifier: MIT OR Apache-2.0
//! Read sections: nested, preempted inside, entered in handlers. What they find ages in a pipe, as in Linux's rcutorture: an
//! element gets older with every perform since it was unpublished, and no section may see it older than 1.

use super::{Mix, Turn};
use crate::board::Count;
use crate::failure::fail;
use crate::page::{self, Page};
use crate::place::Place;
use crate::random::Random;
use psref::Patience;
use psref::pserialize::raw;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const KIND: u8 = 2;
const PLACES: usize = 4;
/// At this age an element leaves the pipe.
const LAST_AGE: u32 = 5;

pub struct Readers {
    places: Vec<Place>,
    pipe: Mutex<VecDeque<&'static Page>>,
}

impl Readers {
    pub fn new() -> Readers {
        let places = (0..PLACES).map(|_| Place::new(page::new(KIND))).collect();
        Readers { places, pipe: Mutex::new(VecDeque::new()) }
    }

    /// One look inside a section: twice at one element. Its age at the second.
    fn look(&self, random: &mut Random, when: &str) -> u32 {
        self.places[random.below(PLACES)].look_up(|page| {
            let generation = page.generation.load(SeqCst);
            page.look(generation, when);
            random.dawdle();
            let nested = random.one_in(3).then(raw::enter);
            random.dawdle();
            if !raw::is_inside() {
                fail(format_args!("{}: inside a read section that the library knows nothing of", page.name()));
            }
            nested.into_iter().for_each(raw::exit);
            page.look(generation, when);
            let age = page.age.load(SeqCst);
            if age > 1 {
                fail(format_args!(
                    "{}: {when}, {} grace periods have passed since it was unpublished",
                    page.name(),
                    age - 1
                ));
            }
            age
        })
    }
}

impl Mix for Readers {
    fn used(&self, turn: &mut Turn) {
        for _ in 0..1 + turn.random.below(16) {
            let age = self.look(&mut turn.random, "seen in a read section");
            turn.count(if age == 0 { Count::Young } else { Count::Old }, 1);
            turn.count(Count::Operations, 1);
        }
        turn.wander();
        if raw::is_inside() {
            fail(format_args!("outside of every read section, and the library says inside"));
        }
    }

    fn ended(&self, turn: &mut Turn) {
        let place = &self.places[turn.random.below(PLACES)];
        let Some(ending) = place.end() else { return };
        let page = place.page();
        place.publish(page::new(KIND));
        page.age.store(1, SeqCst);
        drop(ending);
        {
            let _at = turn.desk.doing(&"pserialize_perform", page);
            while turn.random.one_in(4) {
                let patience = Patience::at_most(Duration::from_micros(turn.random.below(2000) as u64));
                match raw::try_perform(patience) {
                    Ok(Ok(())) => break,
                    _ => turn.count(Count::GaveUp, 1),
                }
            }
            // SAFETY: null is allowed.
            unsafe { raw::perform(std::ptr::null()) };
        }
        page.age.store(2, SeqCst);
        turn.count(Count::Ends, 1);
        let mut pipe = self.pipe.lock().unwrap_or_else(|e| e.into_inner());
        pipe.push_back(page);
        for old in pipe.iter() {
            old.age.fetch_add(1, SeqCst);
        }
        while pipe.front().is_some_and(|old| old.age.load(SeqCst) >= LAST_AGE) {
            pipe.pop_front().into_iter().for_each(Page::retire);
        }
    }

    fn in_handler(&self, random: &mut Random) {
        self.look(random, "seen in a handler's read section");
    }

    fn in_child(&self) {
        self.look(&mut Random::of(0, 0, 0), "seen in a forked child");
        if !matches!(raw::try_perform(Patience::at_most(Duration::from_secs(5))), Ok(Ok(()))) {
            fail(format_args!("a perform in a forked child waits for threads that are not there"));
        }
    }

    fn give_back(&self) {}

    fn settle(&self) {
        if !matches!(raw::try_perform(Patience::at_most(Duration::from_secs(5))), Ok(Ok(()))) {
            fail(format_args!("nobody reads any more, and a perform waits"));
        }
    }
}
