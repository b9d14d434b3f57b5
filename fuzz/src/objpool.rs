// SPDX-License-Identifier: MIT OR Apache-2.0
//! Object pools: pops and pushes, single and in bulk, by four threads that wander over the CPUs; what is no object; every end.

use crate::crew::{At, Crew, Place, one_of};
use arbitrary::Arbitrary;
use libc::{EAGAIN, EINVAL, c_int, c_uint, c_void};
use psref_ffi::base::psref_set_strict;
use psref_ffi::objpool::*;
use std::collections::BTreeSet;

#[derive(Arbitrary, Debug)]
pub struct Case {
    strict: bool,
    size: Size,
    gfp: c_uint,
    /// Which call of the initialiser fails, if any.
    fails_at: Option<u8>,
    ops: Vec<Op>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Size {
    Small { objects: u8, bytes: u8 },
    Large { objects: u16, bytes: u16 },
    Any { objects: c_int, bytes: c_int },
}

#[derive(Arbitrary, Debug)]
enum Op {
    Pop {
        by: u8,
        n: u8,
    },
    Push {
        by: u8,
        n: u8,
        which: u8,
    },
    PopBulk {
        by: u8,
        n: u8,
    },
    PushBulk {
        by: u8,
        n: u8,
        which: u8,
    },
    /// One of them is no object.
    PushBulkWrong {
        by: u8,
        n: u8,
        place: u8,
        wrong: Wrong,
    },
    PushWrong {
        by: u8,
        wrong: Wrong,
    },
    Drop {
        by: u8,
        which: u8,
    },
    DropWrong {
        wrong: Wrong,
    },
    Stats {
        cpu: c_int,
    },
    Move {
        by: u8,
        cpu: u8,
    },
}

/// What is no object of the pool.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Wrong {
    Null,
    /// So many bytes past an object's beginning.
    Inside(u8, u8),
    Head,
    Any(usize),
}

struct Model {
    crew: Crew,
    head: Place<objpool_head>,
    objects: usize,
    size: usize,
    /// How many are in the pool.
    free: usize,
    hands: Vec<usize>,
    held: BTreeSet<usize>,
    /// All that were ever seen: addresses of objects.
    seen: BTreeSet<usize>,
    dropped: usize,
    released: Box<u32>,
    each: Box<Each>,
}

/// What the initialiser was called with.
struct Each {
    calls: usize,
    fails_at: Option<usize>,
    ended: *mut u32,
}

unsafe extern "C" fn each(object: *mut c_void, context: *mut c_void) -> c_int {
    // SAFETY: the context is an `Each`, of which nobody else knows meanwhile.
    let each = unsafe { &mut *context.cast::<Each>() };
    assert!(!object.is_null());
    each.calls += 1;
    if each.fails_at == Some(each.calls) { -77 } else { 0 }
}

unsafe extern "C" fn release(_: *mut objpool_head, context: *mut c_void) -> c_int {
    // SAFETY: as above; its counter outlives the pool.
    unsafe { *(*context.cast::<Each>()).ended += 1 };
    0
}

pub fn play(case: Case) {
    psref_set_strict(case.strict);
    let Some(mut model) = Model::new(&case) else { return };
    case.ops.into_iter().take(250).for_each(|op| model.step(op));
    model.end();
}

impl Model {
    /// None: no pool came of it, as should be.
    fn new(case: &Case) -> Option<Model> {
        let (objects, bytes) = match case.size {
            Size::Small { objects, bytes } => (c_int::from(objects), c_int::from(bytes)),
            Size::Large { objects, bytes } => (c_int::from(objects % 4096), c_int::from(bytes % 2048)),
            Size::Any { objects, bytes } => (objects, bytes),
        };
        let right = (1..=1 << 24).contains(&objects) && (1..=65536).contains(&bytes);
        if right && i64::from(objects) * i64::from(bytes) > 1 << 24 {
            return None; // right, and larger than a quick test needs
        }
        let crew = Crew::new();
        let mut released = Box::new(0);
        let fails_at = case.fails_at.map(usize::from);
        let mut context = Box::new(Each { calls: 0, fails_at, ended: &raw mut *released });
        // SAFETY: pointers and numbers.
        let head = unsafe { Place::<objpool_head>::zeroed() };
        let (at, to) = (head.at().get(), (&raw mut *context).cast());
        // SAFETY: ours alone; the functions take this context.
        let answer = unsafe { objpool_init(at, objects, bytes, case.gfp, to, Some(each), Some(release)) };
        let fails = fails_at.is_some_and(|at| (1..=objects as usize).contains(&at));
        let expected = if !right {
            -EINVAL
        } else if fails {
            -77
        } else {
            0
        };
        assert_eq!(answer, expected, "init of {objects} objects of {bytes} bytes");
        if answer != 0 {
            // SAFETY: a pool that was not made is left alone.
            unsafe {
                objpool_fini(at);
                objpool_free(at);
            }
            assert_eq!(*released, 0, "the end of what was not made");
            return None;
        }
        let (objects, size) = (objects as usize, bytes as usize);
        assert_eq!(context.calls, objects, "the initialiser's calls");
        Some(Model {
            crew,
            head,
            objects,
            size,
            free: objects,
            hands: vec![],
            held: BTreeSet::new(),
            seen: BTreeSet::new(),
            dropped: 0,
            released,
            each: context,
        })
    }

    fn head(&self) -> At<objpool_head> {
        self.head.at()
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Pop { by, n } => self.pop(by, n),
            Op::Push { by, n, which } => self.push(by, n, which),
            Op::PopBulk { by, n } => self.pop_bulk(by, n),
            Op::PushBulk { by, n, which } => self.push_bulk(by, n, which),
            Op::PushBulkWrong { by, n, place, wrong } => self.push_bulk_wrong(by, n, place, wrong),
            Op::PushWrong { by, wrong } => self.push_wrong(by, wrong),
            Op::Drop { by, which } => self.drop_one(by, which),
            Op::DropWrong { wrong } => {
                let Some(wrong) = self.wrong(wrong) else { return };
                // SAFETY: no object: refused.
                assert_eq!(unsafe { objpool_drop(wrong as *mut c_void, self.head().get()) }, -EINVAL, "drop");
            }
            Op::Stats { cpu } => self.stats(cpu),
            Op::Move { by, cpu } => self.crew.run(self.crew.who(by), move || pin(usize::from(cpu))),
        }
    }

    fn got(&mut self, object: usize) {
        assert!(self.free > 0, "an object more than there are");
        assert!(self.held.insert(object), "an object that is in other hands");
        assert!(self.seen.insert(object) || self.seen.len() <= self.objects);
        self.free -= 1;
        // SAFETY: an object of this size, in our hands.
        unsafe { std::ptr::write_bytes(object as *mut u8, 0x5a, self.size) };
        self.hands.push(object);
    }

    fn pop(&mut self, by: u8, n: u8) {
        let (by, head) = (self.crew.who(by), self.head());
        for _ in 0..n % 80 {
            // SAFETY: a pool that was made.
            let object = self.crew.run(by, move || unsafe { objpool_pop(head.get()) } as usize);
            if object == 0 {
                assert_eq!(self.free, 0, "NULL where objects are free");
                return;
            }
            self.got(object);
        }
    }

    fn pop_bulk(&mut self, by: u8, n: u8) {
        let (by, head, n) = (self.crew.who(by), self.head(), usize::from(n));
        let objects = self.crew.run(by, move || {
            let mut objects = vec![0_usize; n];
            // SAFETY: there is room for as many.
            let got = unsafe { objpool_pop_bulk(head.get(), objects.as_mut_ptr().cast(), n) };
            objects.truncate(got);
            objects
        });
        assert_eq!(objects.len(), n.min(self.free), "pop_bulk");
        objects.into_iter().for_each(|object| self.got(object));
    }

    fn give(&mut self, which: u8) -> Option<usize> {
        let object = self.hands.swap_remove(one_of(which, self.hands.len())?);
        self.held.remove(&object);
        Some(object)
    }

    fn push(&mut self, by: u8, n: u8, which: u8) {
        let (by, head) = (self.crew.who(by), self.head());
        for _ in 0..n % 80 {
            let Some(object) = self.give(which) else { return };
            // SAFETY: popped, and not used any more.
            let answer = self.crew.run(by, move || unsafe { objpool_push(object as *mut c_void, head.get()) });
            assert_eq!(answer, 0, "push");
            self.free += 1;
        }
    }

    fn push_all(&self, by: u8, objects: Vec<usize>) -> c_int {
        let (by, head) = (self.crew.who(by), self.head());
        // SAFETY: popped, and not used any more; or refused.
        self.crew.run(by, move || unsafe { objpool_push_bulk(objects.as_ptr().cast(), objects.len(), head.get()) })
    }

    fn push_bulk(&mut self, by: u8, n: u8, which: u8) {
        let objects: Vec<usize> = (0..n).map_while(|_| self.give(which)).collect();
        self.free += objects.len();
        assert_eq!(self.push_all(by, objects), 0, "push_bulk");
    }

    /// A pointer that is no object of the pool.
    fn wrong(&self, wrong: Wrong) -> Option<usize> {
        match wrong {
            Wrong::Null => Some(0),
            Wrong::Head => Some(self.head().get() as usize),
            Wrong::Inside(object, bytes) => {
                let object = self.hands.get(one_of(object, self.hands.len())?)?;
                Some(object + 1 + usize::from(bytes) % (self.size.next_multiple_of(8) - 1))
            }
            // Where objects may lie for all that the model knows, only what is not aligned.
            Wrong::Any(at) => {
                let far = |&object: &usize| object.abs_diff(at) > 1 << 46;
                (at % 8 != 0 || at < 4096 || (!self.seen.is_empty() && self.seen.iter().all(far))).then_some(at)
            }
        }
    }

    fn push_wrong(&mut self, by: u8, wrong: Wrong) {
        let (Some(wrong), by, head) = (self.wrong(wrong), self.crew.who(by), self.head()) else { return };
        // SAFETY: no object: refused.
        let answer = self.crew.run(by, move || unsafe { objpool_push(wrong as *mut c_void, head.get()) });
        assert_eq!(answer, -EINVAL, "push of {wrong:#x}, which is no object");
    }

    fn push_bulk_wrong(&mut self, by: u8, n: u8, place: u8, wrong: Wrong) {
        let Some(wrong) = self.wrong(wrong) else { return };
        let mut objects: Vec<usize> = self.hands.iter().copied().take(n.into()).collect();
        objects.insert(usize::from(place) % (objects.len() + 1), wrong);
        assert_eq!(self.push_all(by, objects), -EINVAL, "push_bulk with one that is no object");
    }

    fn drop_one(&mut self, by: u8, which: u8) {
        // One stays, or the pool would not.
        if self.dropped + 1 >= self.objects {
            return;
        }
        let Some(object) = self.give(which) else { return };
        let (by, head) = (self.crew.who(by), self.head());
        // SAFETY: popped, and not used any more.
        let answer = self.crew.run(by, move || unsafe { objpool_drop(object as *mut c_void, head.get()) });
        assert_eq!(answer, -EAGAIN, "drop");
        self.dropped += 1;
    }

    fn stats(&self, cpu: c_int) {
        let mut stats = objpool_stats { misses: 0, failures: 0, depot_pops: 0, depot_pushes: 0, recalls: 0 };
        // SAFETY: a pool that was made.
        let (answer, possible) = unsafe {
            let head = self.head().get();
            (psref_ffi::objpool::objpool_stats(head, cpu, &raw mut stats), (*head).nr_possible_cpus)
        };
        assert_eq!(answer, if (-1..possible).contains(&cpu) { 0 } else { -EINVAL }, "stats of CPU {cpu}");
    }

    fn end(mut self) {
        let head = self.head().get();
        // Everything that is free comes out, wherever it lies.
        while self.free > 0 {
            self.pop_bulk(0, u8::MAX);
        }
        assert_eq!(self.hands.len() + self.dropped, self.objects, "objects at the end");
        // Each end in its turn, by what is in hands.
        let kept = self.hands.len() % 3;
        while self.hands.len() > kept {
            self.push(0, u8::MAX, 0);
        }
        if kept == 1 {
            // SAFETY: nobody uses the pool or its objects any more.
            unsafe { objpool_free(head) };
        } else {
            // SAFETY: nobody pops or pushes any more.
            unsafe { objpool_fini(head) };
        }
        let hands = std::mem::take(&mut self.hands);
        let left = hands.len();
        for (i, object) in hands.into_iter().enumerate().filter(|_| kept != 1) {
            let last = i + 1 == left;
            // SAFETY: popped, and not used any more.
            let answer = unsafe { objpool_drop(object as *mut c_void, head) };
            assert_eq!(answer, if last { 0 } else { -EAGAIN }, "drop after fini");
        }
        assert_eq!((*self.released, self.each.calls), (1, self.objects), "calls of the pool's functions");
        // SAFETY: a pool that has ended.
        assert!(unsafe { objpool_pop(head) }.is_null(), "a pop from a pool that has ended");
    }
}

/// The calling thread goes to one of the CPUs that it may run on.
fn pin(which: usize) {
    static CPUS: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    // SAFETY: sets of CPUs are numbers; zero is the calling thread.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        let cpus = CPUS.get_or_init(|| {
            let mut all: libc::cpu_set_t = std::mem::zeroed();
            libc::sched_getaffinity(0, size_of_val(&all), &raw mut all);
            (0..libc::CPU_SETSIZE as usize).filter(|&cpu| libc::CPU_ISSET(cpu, &all)).collect()
        });
        libc::CPU_SET(cpus[which % cpus.len()], &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}
