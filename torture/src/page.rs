// SPDX-License-Identifier: MIT OR Apache-2.0
//! Objects, one page each: after their end the page is made inaccessible and stays so until thousands of others have had their
//! turn. Whoever reads too late faults at once, and the report names object and generation.

use crate::failure::fail;
use crate::system;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering::*};

/// An object. It lives as long as its owner says; its page is never unmapped.
#[repr(C)]
pub struct Page {
    magic: AtomicU64,
    pub generation: AtomicU64,
    /// 1 once the end was waited for: nobody who holds it may ever see that.
    dead: AtomicU32,
    /// Grace periods since it was unpublished, plus 1; 0 while it is published.
    pub age: AtomicU32,
    /// How many hold it, of those who tell: whoever ends it must find 0.
    pub holders: AtomicI64,
    /// How many look at it in read sections, of those who tell.
    pub readers: AtomicI64,
    rest_of_line: [u64; 3],
    /// What the primitive keeps in it, all zero at first.
    pub body: [AtomicU64; 8],
}

const MAGIC: u64 = 0x7473_6566_2d6f_626a;
const BYTES: usize = 4096;
/// So many others have their turn before a page is used again.
const PAGES: usize = 1 << 15;

const FREE: u8 = 0;
const LIVE: u8 = 1;
const QUARANTINED: u8 = 2;

#[derive(Default)]
struct Entry {
    state: AtomicU8,
    kind: AtomicU8,
    generation: AtomicU64,
    ended_by: AtomicU32,
    ended_at: AtomicU64,
}

struct Arena {
    base: usize,
    next: AtomicUsize,
    entries: Vec<Entry>,
}

static ARENA: OnceLock<Arena> = OnceLock::new();

fn arena() -> &'static Arena {
    ARENA.get_or_init(|| Arena {
        base: system::reserve(PAGES * BYTES).expose_provenance(),
        next: AtomicUsize::new(0),
        entries: (0..PAGES).map(|_| Entry::default()).collect(),
    })
}

/// What objects are of.
pub const KINDS: [&str; 6] = ["psref target", "localcount", "element", "device", "object", "retired object"];

/// A new object of a kind.
pub fn new(kind: u8) -> &'static Page {
    let arena = arena();
    loop {
        let i = arena.next.fetch_add(1, Relaxed) % PAGES;
        let entry = &arena.entries[i];
        let free = entry.state.load(Relaxed);
        if free == LIVE || entry.state.compare_exchange(free, LIVE, AcqRel, Relaxed).is_err() {
            continue;
        }
        let at = std::ptr::with_exposed_provenance_mut::<u8>(arena.base + i * BYTES);
        entry.kind.store(kind, Relaxed);
        let generation = entry.generation.fetch_add(1, Relaxed) + 1;
        // SAFETY: the arena's, and nobody's: it was free or in quarantine.
        let page: &'static Page = unsafe {
            system::open(at, BYTES, true);
            &*at.cast()
        };
        page.generation.store(generation, Relaxed);
        page.magic.store(MAGIC, Release);
        return page;
    }
}

impl Page {
    fn index(&self) -> usize {
        (std::ptr::from_ref(self).addr() - arena().base) / BYTES
    }

    /// What the primitive keeps in it.
    pub fn body<T>(&self) -> *mut T {
        assert!(size_of::<T>() <= size_of_val(&self.body));
        self.body.as_ptr().cast_mut().cast()
    }

    /// By a holder: it must be the one that was acquired, and alive.
    pub fn look(&self, generation: u64, when: &str) {
        let (magic, now, dead) = (self.magic.load(Relaxed), self.generation.load(Relaxed), self.dead.load(Relaxed));
        if magic != MAGIC || now != generation || dead != 0 {
            fail(format_args!(
                "{}: {when}, its end was waited for (magic {magic:#x}, generation {now}, expected {generation}, dead {dead})",
                self.name()
            ));
        }
    }

    /// By whoever waited for its end: nobody holds it any more.
    pub fn bury(&self, waited: &str) {
        self.dead.store(1, SeqCst);
        let holders = self.holders.load(SeqCst);
        if holders != 0 {
            fail(format_args!("{}: {waited} has returned, and {holders} hold it", self.name()));
        }
    }

    /// By whoever waited for its readers: nobody looks at it in a read section any more.
    pub fn nobody_reads(&self, waited: &str) {
        let readers = self.readers.load(SeqCst);
        if readers != 0 {
            fail(format_args!("{}: {waited} has waited, and {readers} look at it in read sections", self.name()));
        }
    }

    /// Another object at once, at the same address, of one that was buried and is its caller's alone.
    pub fn renew(&self) {
        self.body.iter().for_each(|word| word.store(0, Relaxed));
        self.age.store(0, Relaxed);
        let generation = arena().entries[self.index()].generation.fetch_add(1, Relaxed) + 1;
        self.generation.store(generation, SeqCst);
        self.dead.store(0, SeqCst);
    }

    /// Gives it to the quarantine: from now on a look at it is a fault.
    pub fn retire(&self) {
        let entry = &arena().entries[self.index()];
        entry.ended_by.store(system::tid().cast_unsigned(), Relaxed);
        entry.ended_at.store(system::now(), Relaxed);
        // SAFETY: the arena's page; nobody uses it any more, which is what the faults are there to refute.
        unsafe { system::open(std::ptr::from_ref(self).cast_mut().cast(), BYTES, false) };
        entry.state.store(QUARANTINED, Release);
    }

    /// Number, generation and kind.
    pub fn name(&self) -> Name {
        Name(std::ptr::from_ref(self).addr())
    }
}

/// What an address belongs to.
pub struct Name(pub usize);

impl std::fmt::Display for Name {
    /// In signal handlers too.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(arena) = ARENA.get() else { return write!(f, "no object") };
        let Some(entry) = self.0.checked_sub(arena.base).and_then(|distance| arena.entries.get(distance / BYTES))
        else {
            return write!(f, "{:#x} (no object)", self.0);
        };
        let number = (self.0 - arena.base) / BYTES;
        let kind = KINDS[usize::from(entry.kind.load(Relaxed)) % KINDS.len()];
        write!(f, "{kind} {number}, generation {}", entry.generation.load(Relaxed))?;
        match entry.state.load(Relaxed) {
            FREE => write!(f, " (never used)"),
            LIVE => Ok(()),
            _ => write!(
                f,
                " (ended {} ms ago by thread {})",
                system::now().saturating_sub(entry.ended_at.load(Relaxed)),
                entry.ended_by.load(Relaxed)
            ),
        }
    }
}
