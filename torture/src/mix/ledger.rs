// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was retired and what became of it: an entry a thing, so that a function that is called twice, early or never is seen, and
//! so are those who use the thing when its function is called. Functions put their thing back for reuse here.

use crate::failure::fail;
use crate::page::{self, Page};
use psref::psref::raw::{self, ClassState};
use psref::retire::raw as retire;
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, OnceLock};

/// Things of this mix that are waiting for their end at once, at most.
const ENTRIES: usize = 1 << 13;
const KIND: u8 = 5;

/// How a thing is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `psref_target_retire`.
    Target,
    /// `pserialize_call`, of what is only ever seen in read sections.
    Seen,
    /// `pserialize_call`, and in its function `psref_target_retire`.
    Both,
}

/// A thing that was retired; used again for another once its function has run.
#[derive(Default)]
pub struct Entry {
    /// Odd from before it is retired until its function is called.
    life: AtomicU64,
    page: AtomicPtr<Page>,
    generation: AtomicU64,
    /// Null: nobody can hold it.
    class: AtomicPtr<ClassState>,
    /// The first of two functions has run.
    seen: AtomicBool,
}

/// One end, to be looked at after a barrier.
pub struct Receipt {
    entry: &'static Entry,
    life: u64,
}

#[derive(Default)]
struct Store {
    entries: VecDeque<&'static Entry>,
    /// Poisoned ones, to be used again soon: at an address that was retired a moment ago.
    pages: VecDeque<&'static Page>,
    /// What the second of two functions could not be queued for.
    refused: Vec<&'static Entry>,
}

/// In a forked child: locks may be taken for ever, and who is counted may not have come along.
pub static IN_CHILD: AtomicBool = AtomicBool::new(false);
static RETIRED: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

fn store() -> MutexGuard<'static, Store> {
    static STORE: OnceLock<Mutex<Store>> = OnceLock::new();
    let made = STORE.get_or_init(|| {
        let entries: &'static [Entry] = Vec::leak((0..ENTRIES).map(|_| Entry::default()).collect());
        Mutex::new(Store { entries: entries.iter().collect(), ..Store::default() })
    });
    made.lock().unwrap_or_else(|e| e.into_inner())
}

/// An object that nobody knows of yet, of a class if it can be held.
pub fn new_page(class: Option<&'static ClassState>) -> &'static Page {
    // A few stay, so that whoever is late finds poison for a moment.
    let again = {
        let mut store = store();
        if store.pages.len() > 8 { store.pages.pop_front() } else { None }
    };
    let page = again.inspect(|page| page.renew()).unwrap_or_else(|| page::new(KIND));
    if let Some(class) = class {
        // SAFETY: zeroed and nobody else's.
        unsafe { raw::target_init(page.body(), class) };
    }
    page
}

/// An entry for the end of something that is published still; `None`: too much waits for its end.
pub fn entry() -> Option<&'static Entry> {
    store().entries.pop_front()
}

/// What is left to be retired, of those that were refused in a function.
pub fn refused() -> Option<&'static Entry> {
    store().refused.pop()
}

fn queue(way: Way, entry: &'static Entry) -> c_int {
    let argument = std::ptr::from_ref(entry).cast_mut().cast::<c_void>();
    // SAFETY: unpublished; its page and its class live until the function was called, which any thread may do.
    unsafe {
        match way {
            Way::Target => {
                let page = &*entry.page.load(SeqCst);
                retire::target_retire(page.body(), entry.class.load(SeqCst), Some(target_ended), argument)
            }
            Way::Seen => retire::call(Some(element_ended), argument),
            Way::Both => retire::call(Some(seen_by_nobody), argument),
        }
    }
}

impl Entry {
    /// The page, which was unpublished, is to be ended: the next is [`Entry::retire`].
    pub fn fill(&self, page: &'static Page, class: Option<&'static ClassState>) {
        self.page.store(std::ptr::from_ref(page).cast_mut(), SeqCst);
        self.generation.store(page.generation.load(SeqCst), SeqCst);
        self.class.store(class.map_or(std::ptr::null_mut(), |class| std::ptr::from_ref(class).cast_mut()), SeqCst);
        self.seen.store(false, SeqCst);
        RETIRED.fetch_add(1, SeqCst);
        // Before it is queued: its function may be called at once.
        if !self.life.fetch_add(1, SeqCst).is_multiple_of(2) {
            fail(format_args!("{}: its entry stands for another that was retired", page.name()));
        }
    }

    /// Retires it; false: refused, and everything is as it was.
    pub fn retire(&'static self, way: Way) -> bool {
        match queue(way, self) {
            0 => true,
            libc::EAGAIN | libc::ENOMEM => false,
            error => fail(format_args!("{way:?}: error {error} of an end that may only fail by EAGAIN and ENOMEM")),
        }
    }

    pub fn receipt(&'static self) -> Receipt {
        Receipt { entry: self, life: self.life.load(SeqCst) }
    }

    /// Its function was called.
    fn called(&'static self, what: &str) {
        let life = self.life.load(SeqCst);
        // SAFETY: pages are never unmapped.
        let page = unsafe { &*self.page.load(SeqCst) };
        if life.is_multiple_of(2) || self.life.compare_exchange(life, life + 1, SeqCst, SeqCst).is_err() {
            fail(format_args!("{}: the function of {what} was called, and not for the first time", page.name()));
        }
        if IN_CHILD.load(SeqCst) {
            return;
        }
        let generation = self.generation.load(SeqCst);
        page.look(generation, what);
        page.bury(what);
        page.nobody_reads(what);
        ENDED.fetch_add(1, SeqCst);
        let soon = !generation.is_multiple_of(4);
        if !soon {
            page.retire();
        }
        let mut store = store();
        if soon {
            store.pages.push_back(page);
        }
        store.entries.push_back(self);
    }
}

impl Receipt {
    /// After a barrier.
    pub fn must_have_ended(&self) {
        if self.entry.life.load(SeqCst) == self.life {
            // SAFETY: pages are never unmapped.
            let page = unsafe { &*self.entry.page.load(SeqCst) };
            fail(format_args!("{}: retired before a barrier, which has returned before its function", page.name()));
        }
    }
}

fn entry_of(argument: *mut c_void) -> &'static Entry {
    // SAFETY: `queue` was given a leaked one.
    unsafe { &*argument.cast::<Entry>() }
}

extern "C" fn target_ended(argument: *mut c_void) {
    entry_of(argument).called("psref_target_retire");
}

extern "C" fn element_ended(argument: *mut c_void) {
    entry_of(argument).called("pserialize_call");
}

/// The readers of a target are gone, its holders need not be.
extern "C" fn seen_by_nobody(argument: *mut c_void) {
    let entry = entry_of(argument);
    // SAFETY: pages are never unmapped.
    let page = unsafe { &*entry.page.load(SeqCst) };
    if entry.life.load(SeqCst).is_multiple_of(2) || entry.seen.swap(true, SeqCst) {
        fail(format_args!("{}: the function of pserialize_call was called, and not for the first time", page.name()));
    }
    let in_child = IN_CHILD.load(SeqCst);
    if !in_child {
        page.look(entry.generation.load(SeqCst), "its readers were waited for");
        page.nobody_reads("pserialize_call");
    }
    if !entry.retire(Way::Target) && !in_child {
        store().refused.push(entry);
    }
}

/// Everybody has left, and barriers have waited for everything: each function ran once.
pub fn settle() {
    let (retired, ended, store) = (RETIRED.load(SeqCst), ENDED.load(SeqCst), store());
    if retired != ended || store.entries.len() != ENTRIES || !store.refused.is_empty() {
        fail(format_args!(
            "{retired} were retired and the functions of {ended} called; of {ENTRIES} entries {} have come back",
            store.entries.len()
        ));
    }
}
