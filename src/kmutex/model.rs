// SPDX-License-Identifier: MIT OR Apache-2.0
//! mutex(9) and condvar(9) in models: loom's own, with the interlock's rules and nothing of the structures' insides. The
//! protocol of `src/kmutex/mod.rs` is none of its concern; what is modelled is who sleeps and wakes under the interlock.

pub(crate) use crate::sys::futex::Woken;
use crate::sys::plant::{self, Bug};
use loom::sync::{Condvar, Mutex, MutexGuard};
use loom::thread::{self, ThreadId};
use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

/// As in the native build.
pub struct Kmutex {
    lock: Mutex<()>,
    /// The owner's; not dropped where a model ends early.
    held: RefCell<Option<ManuallyDrop<MutexGuard<'static, ()>>>>,
    owner: Cell<Option<ThreadId>>,
}

// SAFETY: all threads of a model run on one of the system's, and none stops while it is at the cells.
unsafe impl Send for Kmutex {}
// SAFETY: as above.
unsafe impl Sync for Kmutex {}

/// As in the native build.
pub struct Kcondvar {
    moved: Condvar,
}

impl Kmutex {
    pub(crate) fn new() -> Self {
        Kmutex { lock: Mutex::new(()), held: RefCell::new(None), owner: Cell::new(None) }
    }

    pub(crate) fn enter(&self) {
        assert!(!self.is_owned(), "locking against myself");
        self.own(self.lock.lock().unwrap());
    }

    fn own(&self, guard: MutexGuard<'_, ()>) {
        // SAFETY: dropped in `disown`, by a call that borrows the mutex.
        let guard = unsafe { std::mem::transmute::<MutexGuard<'_, ()>, MutexGuard<'static, ()>>(guard) };
        *self.held.borrow_mut() = Some(ManuallyDrop::new(guard));
        self.owner.set(Some(thread::current().id()));
    }

    fn disown(&self) -> MutexGuard<'_, ()> {
        assert!(self.is_owned(), "not held by the caller");
        self.owner.set(None);
        ManuallyDrop::into_inner(self.held.borrow_mut().take().unwrap())
    }

    pub(crate) fn exit(&self) {
        drop(self.disown());
    }

    pub(crate) fn is_owned(&self) -> bool {
        self.owner.get() == Some(thread::current().id())
    }
}

impl Kcondvar {
    pub(crate) fn new() -> Self {
        Kcondvar { moved: Condvar::new() }
    }

    /// Time stands still in models: a deadline has passed, or never comes.
    pub(crate) fn wait(&self, mutex: &Kmutex, deadline: Option<u64>) -> Woken {
        let guard = mutex.disown();
        if deadline.is_some_and(|end| end <= crate::sys::clock::now()) {
            drop(guard);
            mutex.enter();
            return Woken::TimedOut;
        }
        mutex.own(self.moved.wait(guard).unwrap());
        Woken::LookAgain
    }

    pub(crate) fn broadcast(&self) {
        if plant::planted(Bug::WakesOne) { self.moved.notify_one() } else { self.moved.notify_all() }
    }
}
