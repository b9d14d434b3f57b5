// SPDX-License-Identifier: MIT OR Apache-2.0
//! Read sections by four threads, performs that wait for them, and a list that sections read and a writer changes.

use crate::crew::{At, Crew, HELPERS, Place, one_of};
use arbitrary::Arbitrary;
use libc::c_int;
use psref_ffi::pserialize::*;
use std::ffi::c_void;

#[derive(Arbitrary, Debug)]
pub struct Case {
    ops: Vec<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    Enter {
        by: u8,
        deep: u8,
    },
    Exit {
        by: u8,
        deep: u8,
    },
    Inside {
        by: u8,
    },
    Perform {
        null: bool,
    },
    NewHandle,
    InsertHead,
    InsertBefore {
        at: u8,
    },
    InsertAfter {
        at: u8,
    },
    Remove {
        at: u8,
    },
    /// A reader finds an element, which stays as it is until its section ends.
    Stand {
        at: u8,
        by: u8,
    },
    Read {
        by: u8,
    },
    Walk,
}

/// `struct element` of pslist.c.
#[repr(C)]
struct Element {
    value: c_int,
    link: [*mut c_void; 2],
}

unsafe extern "C" {
    fn fuzz_list_init(head: *mut c_void);
    fn fuzz_list_destroy(head: *mut c_void);
    fn fuzz_element_init(e: *mut Element, value: c_int);
    fn fuzz_element_destroy(e: *mut Element);
    fn fuzz_insert_head(head: *mut c_void, e: *mut Element);
    fn fuzz_insert_before(at: *mut Element, e: *mut Element);
    fn fuzz_insert_after(at: *mut Element, e: *mut Element);
    fn fuzz_remove(e: *mut Element);
    fn fuzz_read(head: *mut c_void, values: *mut c_int, n: c_int) -> c_int;
    fn fuzz_walk(head: *mut c_void, values: *mut c_int, n: c_int) -> c_int;
    fn fuzz_next(e: *mut Element) -> c_int;
}

/// An open outermost section and those inside it.
#[derive(Default)]
struct Section {
    number: u64,
    entered: Vec<c_int>,
    stands: Option<At<Element>>,
}

/// A perform that waits, and the sections that were open when it was called.
struct Perform {
    number: u64,
    old: Vec<u64>,
}

struct Model {
    crew: Crew,
    handle: At<pserialize>,
    sections: [Section; HELPERS + 1],
    performs: Vec<Perform>,
    born: u64,
    head: Place<*mut c_void>,
    list: Vec<(Place<Element>, c_int)>,
    /// Removed, freed once nobody can stand on them.
    removed: Vec<Place<Element>>,
}

pub fn play(case: Case) {
    let mut model = Model::new();
    case.ops.into_iter().take(200).for_each(|op| model.step(op));
    model.end();
}

impl Model {
    fn new() -> Model {
        // SAFETY: a pointer.
        let head = unsafe { Place::<*mut c_void>::zeroed() };
        // SAFETY: ours alone.
        unsafe { fuzz_list_init(head.at().get().cast()) };
        let (sections, handle) = (std::array::from_fn(|_| Section::default()), At::new(pserialize_create()));
        assert!(!handle.get().is_null());
        Model { crew: Crew::new(), handle, sections, performs: vec![], born: 0, head, list: vec![], removed: vec![] }
    }

    fn open(&self) -> Vec<u64> {
        self.sections.iter().filter(|section| !section.entered.is_empty()).map(|section| section.number).collect()
    }

    fn step(&mut self, op: Op) {
        let elements = self.list.len();
        match op {
            Op::Enter { by, deep } => self.enter(by, deep),
            Op::Exit { by, deep } => self.exit(by, deep),
            Op::Inside { by } => self.inside(by),
            Op::Perform { null } => self.perform(null),
            Op::NewHandle if self.performs.is_empty() => self.new_handle(),
            Op::InsertHead if elements < 30 => self.insert(0, |head, e| {
                // SAFETY: a list, and an element that is on none.
                unsafe { fuzz_insert_head(head, e) }
            }),
            Op::InsertBefore { at } if elements < 30 => {
                let Some(at) = one_of(at, elements) else { return };
                let neighbour = self.list[at].0.at();
                // SAFETY: an element on a list, and one that is on none.
                self.insert(at, |_, e| unsafe { fuzz_insert_before(neighbour.get(), e) });
            }
            Op::InsertAfter { at } if elements < 30 => {
                let Some(at) = one_of(at, elements) else { return };
                let neighbour = self.list[at].0.at();
                // SAFETY: an element on a list, and one that is on none.
                self.insert(at + 1, |_, e| unsafe { fuzz_insert_after(neighbour.get(), e) });
            }
            Op::Remove { at } => one_of(at, elements).into_iter().for_each(|at| self.remove(at)),
            Op::Stand { at, by } => one_of(at, elements).into_iter().for_each(|at| self.stand(at, by)),
            Op::Read { by } => self.read(by),
            Op::Walk => self.same(fuzz_walk),
            _ => {}
        }
        self.performs_end();
    }

    fn enter(&mut self, by: u8, deep: u8) {
        let who = self.crew.who(by);
        if self.sections[who].entered.is_empty() {
            self.born += 1;
            self.sections[who].number = self.born;
        }
        let times = 1 + deep % 4;
        let entered: Vec<c_int> = self.crew.run(who, move || (0..times).map(|_| pserialize_read_enter()).collect());
        self.sections[who].entered.extend(entered);
    }

    fn exit(&mut self, by: u8, deep: u8) {
        let who = self.crew.who(by);
        let section = &mut self.sections[who];
        let left = section.entered.len().saturating_sub(1 + usize::from(deep));
        if left == 0
            && let Some(stands) = section.stands.take()
            && !section.entered.is_empty()
        {
            self.crew.run(who, move || look(stands));
        }
        let mut mine = self.sections[who].entered.split_off(left);
        self.crew.run(who, move || {
            while let Some(s) = mine.pop() {
                pserialize_read_exit(s);
            }
        });
    }

    fn inside(&self, by: u8) {
        let who = self.crew.who(by);
        let says = self.crew.run(who, || (pserialize_in_read_section(), pserialize_not_in_read_section()));
        let is = !self.sections[who].entered.is_empty();
        assert_eq!(says, (is, !is), "in_read_section");
    }

    fn perform(&mut self, null: bool) {
        let Some(helper) = self.crew.idle().find(|&who| self.sections[who].entered.is_empty()) else { return };
        self.born += 1;
        self.performs.push(Perform { number: self.born, old: self.open() });
        let handle = if null { At::new(std::ptr::null_mut()) } else { self.handle };
        self.crew.wait(helper, self.born, move || {
            // SAFETY: null, or a handle that lives until the wait is over.
            unsafe { pserialize_perform(handle.get()) };
            0
        });
    }

    /// Performs end when the sections that are older are over; when all are, they must. Then what was removed goes.
    fn performs_end(&mut self) {
        let open = self.open();
        let Model { crew, performs, .. } = self;
        crew.may_end(|number| {
            performs.iter().any(|one| one.number == number && one.old.iter().any(|old| open.contains(old)))
        });
        if open.is_empty() {
            self.performs.drain(..).for_each(|one| crew.must_end(one.number, 0));
            for element in self.removed.drain(..) {
                // SAFETY: removed, and nobody reads.
                unsafe { fuzz_element_destroy(element.at().get()) }
            }
        }
        self.performs.retain(|one| self.crew.is_waited_on(one.number));
    }

    fn new_handle(&mut self) {
        // SAFETY: nobody performs by it.
        unsafe { pserialize_destroy(self.handle.get()) };
        self.handle = At::new(pserialize_create());
        assert!(!self.handle.get().is_null());
    }

    fn insert(&mut self, place: usize, put: impl FnOnce(*mut c_void, *mut Element)) {
        self.born += 1;
        // SAFETY: a number and pointers.
        let (element, value) = (unsafe { Place::<Element>::zeroed() }, self.born as c_int);
        // SAFETY: ours alone.
        unsafe { fuzz_element_init(element.at().get(), value) };
        put(self.head.at().get().cast(), element.at().get());
        self.list.insert(place, (element, value));
    }

    fn remove(&mut self, at: usize) {
        let (element, _) = self.list.remove(at);
        // SAFETY: an element on the list.
        unsafe { fuzz_remove(element.at().get()) };
        self.removed.push(element);
    }

    fn stand(&mut self, at: usize, by: u8) {
        let section = &mut self.sections[self.crew.who(by)];
        if !section.entered.is_empty() {
            section.stands = Some(self.list[at].0.at());
        }
    }

    fn read(&self, by: u8) {
        let who = self.crew.who(by);
        let section = &self.sections[who];
        if let Some(stands) = section.stands.filter(|_| !section.entered.is_empty()) {
            self.crew.run(who, move || look(stands));
        }
        self.same(fuzz_read);
    }

    fn same(&self, walk: unsafe extern "C" fn(*mut c_void, *mut c_int, c_int) -> c_int) {
        let mut values = [0; 32];
        // SAFETY: there is room for as many.
        let n = unsafe { walk(self.head.at().get().cast(), values.as_mut_ptr(), 32) };
        assert!(self.list.iter().map(|&(_, value)| value).eq(values[..n as usize].iter().copied()), "the list");
    }

    fn end(mut self) {
        for who in 0..=HELPERS {
            while !self.crew.waits(who) && !self.sections[who].entered.is_empty() {
                self.exit(who as u8, u8::MAX);
            }
        }
        self.performs_end();
        assert_eq!(self.crew.waits_left(), 0, "waits left");
        while !self.list.is_empty() {
            self.remove(0);
        }
        self.performs_end();
        // SAFETY: empty, and nobody uses them.
        unsafe {
            fuzz_list_destroy(self.head.at().get().cast());
            pserialize_destroy(self.handle.get());
        }
    }
}

/// What a reader that stands at an element sees of it, removed or not.
fn look(element: At<Element>) {
    // SAFETY: freed after the section alone.
    unsafe {
        assert!((*element.get()).value > 0, "an element that a section stands on");
        let _ = fuzz_next(element.get());
    }
}
