// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where objects are published, to be looked up in read sections: a table as a kernel has it, of a few entries.

use crate::page::Page;
use psref::pserialize::raw as sections;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*};

/// One entry.
pub struct Place {
    page: AtomicPtr<Page>,
    /// Held by whoever ends what is here and puts another in its place.
    ending: AtomicBool,
    /// Others who wait for the same end: the object is there until they are gone.
    joined: AtomicUsize,
}

/// The right to end what is in a place.
pub struct Ending<'a>(&'a Place);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ending.store(false, Release);
    }
}

/// The right to wait for an end that another has begun.
pub struct Joined<'a>(&'a Place);

impl Drop for Joined<'_> {
    fn drop(&mut self) {
        self.0.joined.fetch_sub(1, SeqCst);
    }
}

impl Place {
    pub fn new(page: &'static Page) -> Place {
        let place = Place { page: AtomicPtr::default(), ending: AtomicBool::new(false), joined: AtomicUsize::new(0) };
        place.publish(page);
        place
    }

    /// What is published, for `take`, which runs in the read section that keeps it.
    pub fn look_up<T>(&self, take: impl FnOnce(&'static Page) -> T) -> T {
        let depth = sections::enter();
        // SAFETY: published objects are ended after a perform alone.
        let answer = take(unsafe { &*self.page.load(Acquire) });
        sections::exit(depth);
        answer
    }

    /// What is published, for whoever ends it or nobody can end it under.
    pub fn page(&self) -> &'static Page {
        // SAFETY: the caller's right.
        unsafe { &*self.page.load(Acquire) }
    }

    /// Puts another in its place; answers what was there.
    pub fn publish(&self, page: &'static Page) -> *mut Page {
        self.page.swap(std::ptr::from_ref(page).cast_mut(), SeqCst)
    }

    /// The right to end, if nobody has it.
    pub fn end(&self) -> Option<Ending<'_>> {
        // Not then_some: an Ending that is made and dropped would take the right from who has it.
        (!self.ending.swap(true, SeqCst)).then(|| Ending(self))
    }

    /// Beside one who ends what is here now.
    pub fn join(&self) -> (Joined<'_>, bool) {
        self.joined.fetch_add(1, SeqCst);
        (Joined(self), self.ending.load(SeqCst))
    }

    /// Nobody waits for the same end any more. The caller has published another.
    pub fn wait_for_joined(&self) {
        while self.joined.load(SeqCst) != 0 {
            std::thread::yield_now();
        }
    }
}
