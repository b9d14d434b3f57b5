// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passive references: classes, targets, holds by four threads, every kind of drain, and reports.

use crate::crew::{At, Crew, HELPERS, Place, one_of};
use crate::limit::Limit;
use arbitrary::Arbitrary;
use libc::{EAGAIN, ENOENT, c_int};
use psref_ffi::base::psref_set_strict;
use psref_ffi::lwp::{psref_curlwp_bind, psref_curlwp_bindx};
use psref_ffi::psref::*;
use std::ffi::CString;

/// One of those that psref(9) allows.
const IPL_SOFTNET: c_int = 3;

#[derive(Arbitrary, Debug)]
pub struct Case {
    /// psref(9)'s rules are demanded, and the model keeps them.
    strict: bool,
    ops: Vec<Op>,
}

#[derive(Arbitrary, Debug)]
enum Op {
    NewClass {
        name: Vec<u8>,
        ipl: c_int,
    },
    EndClass {
        class: u8,
    },
    New {
        class: u8,
    },
    Acquire {
        target: u8,
        by: u8,
    },
    /// More than a block has slots.
    AcquireMany {
        target: u8,
        by: u8,
        n: u8,
    },
    Copy {
        hold: u8,
        by: u8,
    },
    Release {
        hold: u8,
        by: u8,
    },
    ReleaseAll {
        target: u8,
    },
    Held {
        target: u8,
        by: u8,
    },
    Drain {
        target: u8,
    },
    DrainTimed {
        target: u8,
        limit: Limit,
    },
    Poll {
        target: u8,
    },
    Fd {
        target: u8,
    },
    Destroy {
        target: u8,
    },
    DestroyMany {
        class: u8,
        which: u8,
    },
    Holders {
        target: u8,
        room: u8,
    },
    Report {
        class: u8,
    },
}

struct Class {
    at: At<psref_class>,
    number: u64,
}

struct Target {
    at: Place<psref_target>,
    class: At<psref_class>,
    number: u64,
    draining: bool,
    fds: Vec<c_int>,
}

struct Hold {
    at: Place<psref>,
    of: u64,
    by: usize,
}

struct Model {
    strict: bool,
    crew: Crew,
    born: u64,
    classes: Vec<Class>,
    targets: Vec<Target>,
    holds: Vec<Hold>,
    bound: Vec<c_int>,
}

pub fn play(case: Case) {
    let mut model = Model::new(case.strict);
    case.ops.into_iter().take(150).for_each(|op| model.step(op));
    model.end();
}

impl Model {
    fn new(strict: bool) -> Model {
        let crew = Crew::new();
        psref_set_strict(strict);
        let bound =
            if strict { (0..=HELPERS).map(|who| crew.run(who, || psref_curlwp_bind())).collect() } else { vec![] };
        let mut model = Model { strict, crew, born: 0, classes: vec![], targets: vec![], holds: vec![], bound };
        model.new_class(b"first", IPL_SOFTNET);
        model
    }

    fn kept(&self, target: usize) -> bool {
        self.count(self.targets[target].number) > 0
    }

    fn count(&self, number: u64) -> usize {
        self.holds.iter().filter(|hold| hold.of == number).count()
    }

    fn step(&mut self, op: Op) {
        let (classes, targets, holds) = (self.classes.len(), self.targets.len(), self.holds.len());
        let class = |number| one_of(number, classes);
        let target = |number| one_of(number, targets);
        let hold = |number| one_of(number, holds);
        match op {
            Op::NewClass { name, ipl } if classes < 3 => self.new_class(&name, ipl),
            Op::EndClass { class: of } if classes > 1 => class(of).into_iter().for_each(|at| self.end_class(at)),
            Op::New { class: of } if targets < 8 => class(of).into_iter().for_each(|at| self.new_target(at)),
            Op::Acquire { target: of, by } => target(of).into_iter().for_each(|at| self.acquire(at, by, 1)),
            Op::AcquireMany { target: of, by, n } if holds < 200 => {
                target(of).into_iter().for_each(|at| self.acquire(at, by, n));
            }
            Op::Copy { hold: of, by } if holds < 200 => hold(of).into_iter().for_each(|at| self.copy(at, by)),
            Op::Release { hold: of, by } => hold(of).into_iter().for_each(|at| self.release(at, by)),
            Op::ReleaseAll { target: of } => target(of).into_iter().for_each(|at| self.release_all(at)),
            Op::Held { target: of, by } => target(of).into_iter().for_each(|at| self.held(at, by)),
            Op::Drain { target: of } => target(of).into_iter().for_each(|at| self.drain(at)),
            Op::DrainTimed { target: of, limit } => target(of).into_iter().for_each(|at| self.drain_timed(at, limit)),
            Op::Poll { target: of } => target(of).into_iter().for_each(|at| self.poll(at)),
            Op::Fd { target: of } => target(of).into_iter().for_each(|at| self.fd(at)),
            Op::Destroy { target: of } => target(of).into_iter().for_each(|at| self.destroy(at)),
            Op::DestroyMany { class: of, which } => class(of).into_iter().for_each(|at| self.destroy_many(at, which)),
            Op::Holders { target: of, room } => target(of).into_iter().for_each(|at| self.holders(at, room)),
            Op::Report { class: of } => class(of).into_iter().for_each(|at| self.report(at)),
            _ => {}
        }
        let Model { crew, holds, .. } = self;
        crew.may_end(|number| holds.iter().any(|hold| hold.of == number));
    }

    fn new_class(&mut self, name: &[u8], ipl: c_int) {
        let name: Vec<u8> = name.iter().copied().filter(|&byte| byte != 0).collect();
        let name = CString::new(name).expect("no zero in it");
        // SAFETY: a terminated string.
        let at = unsafe { psref_class_create(name.as_ptr(), ipl) };
        assert!(!at.is_null(), "there is memory");
        self.born += 1;
        self.classes.push(Class { at: At::new(at), number: self.born });
    }

    fn end_class(&mut self, class: usize) {
        let at = self.classes[class].at;
        if self.targets.iter().any(|target| target.class.get() == at.get() && self.count(target.number) > 0) {
            return;
        }
        while let Some(target) = self.targets.iter().position(|target| target.class.get() == at.get()) {
            self.destroy(target);
        }
        let class = self.classes.swap_remove(class);
        assert!(class.number <= self.born);
        // SAFETY: its targets are destroyed.
        unsafe { psref_class_destroy(at.get()) }
    }

    fn new_target(&mut self, class: usize) {
        let class = self.classes[class].at;
        self.born += 1;
        // SAFETY: pointers and numbers.
        let at = unsafe { Place::<psref_target>::zeroed() };
        // SAFETY: ours alone.
        unsafe { psref_target_init(at.at().get(), class.get()) };
        self.targets.push(Target { at, class, number: self.born, draining: false, fds: vec![] });
    }

    fn acquire(&mut self, target: usize, by: u8, n: u8) {
        let by = self.crew.who(by);
        let Target { ref at, class, number, draining, .. } = self.targets[target];
        let at = at.at();
        for _ in 0..n {
            // SAFETY: pointers.
            let hold = unsafe { Place::<psref>::zeroed() };
            let to = hold.at();
            // SAFETY: the target is alive, and the hold's memory stays where it is.
            let answer = self.crew.run(by, move || unsafe { psref_acquire(to.get(), at.get(), class.get()) });
            assert_eq!(answer, if draining { ENOENT } else { 0 }, "acquire");
            if draining {
                return;
            }
            self.holds.push(Hold { at: hold, of: number, by });
        }
    }

    /// Strict classes demand that the holder does it.
    fn for_hold(&self, hold: usize, by: u8) -> usize {
        if self.strict { self.holds[hold].by } else { self.crew.who(by) }
    }

    fn class_of(&self, number: u64) -> At<psref_class> {
        self.targets.iter().find(|target| target.number == number).expect("what is held is there").class
    }

    fn copy(&mut self, hold: usize, by: u8) {
        let by = self.for_hold(hold, by);
        let (from, of) = (self.holds[hold].at.at(), self.holds[hold].of);
        let class = self.class_of(of);
        // SAFETY: pointers.
        let copy = unsafe { Place::<psref>::zeroed() };
        let to = copy.at();
        // SAFETY: held, and nobody else releases it meanwhile.
        self.crew.run(by, move || unsafe { psref_copy(to.get(), from.get(), class.get()) });
        self.holds.push(Hold { at: copy, of, by });
    }

    fn release(&mut self, hold: usize, by: u8) {
        let by = self.for_hold(hold, by);
        let Hold { at, of, .. } = self.holds.swap_remove(hold);
        let class = self.class_of(of);
        let target = self.targets.iter().find(|target| target.number == of).expect("what is held is there").at.at();
        let from = at.at();
        // SAFETY: held, and released once.
        self.crew.run(by, move || unsafe { psref_release(from.get(), target.get(), class.get()) });
        if self.count(of) == 0 {
            self.crew.must_end(of, 0);
        }
    }

    fn release_all(&mut self, target: usize) {
        let number = self.targets[target].number;
        while let Some(hold) = self.holds.iter().position(|hold| hold.of == number) {
            self.release(hold, 0);
        }
    }

    fn held(&mut self, target: usize, by: u8) {
        let by = self.crew.who(by);
        let Target { ref at, class, number, .. } = self.targets[target];
        let at = at.at();
        // SAFETY: the target is alive.
        let says = self.crew.run(by, move || unsafe { psref_held(at.get(), class.get()) });
        assert_eq!(says, self.holds.iter().any(|hold| hold.of == number && hold.by == by), "held");
    }

    /// A thread that may wait for it: in strict classes holders release by themselves.
    fn waiter(&self) -> Option<usize> {
        self.crew.idle().find(|&who| !(self.strict && self.holds.iter().any(|hold| hold.by == who)))
    }

    fn drain(&mut self, target: usize) {
        let kept = self.kept(target);
        let Target { ref at, class, number, .. } = self.targets[target];
        let at = at.at();
        let Some(helper) = self.waiter() else { return };
        let before = self.targets[target].draining;
        self.targets[target].draining = true;
        self.crew.wait(helper, number, move || {
            // SAFETY: the target lives until the wait is over.
            unsafe { psref_target_drain(at.get(), class.get()) };
            0
        });
        if !kept {
            self.crew.must_end(number, 0);
        } else if !before {
            self.until_draining(at, class);
        }
    }

    /// An acquire elsewhere may succeed until the drain's first step.
    fn until_draining(&self, target: At<psref_target>, class: At<psref_class>) {
        // SAFETY: pointers.
        let hold = unsafe { Place::<psref>::zeroed() };
        // SAFETY: the target is alive; what was acquired is released.
        unsafe {
            while psref_acquire(hold.at().get(), target.get(), class.get()) == 0 {
                psref_release(hold.at().get(), target.get(), class.get());
                std::thread::yield_now();
            }
        }
    }

    fn drain_timed(&mut self, target: usize, limit: Limit) {
        let Some(expected) = limit.answer(self.kept(target)) else { return };
        let Target { ref at, class, .. } = self.targets[target];
        let time = limit.timespec();
        let limit = time.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the target is alive; the limit is null or a limit.
        let answer = unsafe { psref_target_drain_timed(at.at().get(), class.get(), limit) };
        assert_eq!(answer, expected, "drain_timed");
        self.targets[target].draining |= answer != libc::EINVAL;
    }

    fn poll(&mut self, target: usize) {
        let Target { ref at, class, .. } = self.targets[target];
        // SAFETY: the target is alive.
        let answer = unsafe { psref_target_drain_poll(at.at().get(), class.get()) };
        assert_eq!(answer, if self.kept(target) { EAGAIN } else { 0 }, "drain_poll");
        self.targets[target].draining = true;
    }

    fn fd(&mut self, target: usize) {
        if self.targets[target].fds.len() > 2 {
            return;
        }
        let Target { ref at, class, .. } = self.targets[target];
        // SAFETY: the target is alive until it has drained.
        let fd = unsafe { psref_target_drain_fd(at.at().get(), class.get()) };
        assert!(fd >= 0, "drain_fd: {}", std::io::Error::last_os_error());
        self.targets[target].fds.push(fd);
        self.targets[target].draining = true;
        self.look_at_fds(target);
    }

    /// What nobody holds is told of.
    fn look_at_fds(&self, target: usize) {
        for &fd in self.targets[target].fds.iter().filter(|_| !self.kept(target)) {
            let mut look = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
            // SAFETY: one structure.
            assert_eq!(
                unsafe { libc::poll(&raw mut look, 1, 0) },
                1,
                "a descriptor tells when nobody holds the target"
            );
        }
    }

    fn gone(&mut self, target: usize) -> Target {
        self.look_at_fds(target);
        let target = self.targets.swap_remove(target);
        for &fd in &target.fds {
            // SAFETY: ours.
            assert_eq!(unsafe { libc::close(fd) }, 0);
        }
        target
    }

    fn destroy(&mut self, target: usize) {
        if self.kept(target) {
            return;
        }
        let target = self.gone(target);
        // SAFETY: nobody acquires it any more.
        unsafe { psref_target_destroy(target.at.at().get(), target.class.get()) }
    }

    fn destroy_many(&mut self, class: usize, which: u8) {
        let class = self.classes[class].at;
        let mut gone = vec![];
        for i in (0..self.targets.len()).rev() {
            if which & (1 << (i % 8)) != 0 && self.targets[i].class.get() == class.get() && !self.kept(i) {
                gone.push(self.gone(i));
            }
        }
        let targets: Vec<*mut psref_target> = gone.iter().map(|target| target.at.at().get()).collect();
        // SAFETY: each is there once, and nobody acquires them any more.
        unsafe { psref_target_destroy_many(targets.as_ptr(), targets.len(), class.get()) }
    }

    fn holders(&mut self, target: usize, room: u8) {
        let Target { ref at, class, number, .. } = self.targets[target];
        let nobody = psref_holder {
            psh_tid: -1,
            psh_cpu: -1,
            psh_name: [0; 24],
            psh_acquired_at: std::ptr::null(),
            psh_since: 0,
        };
        let mut buf: Vec<psref_holder> = (0..room).map(|_| psref_holder { ..nobody }).collect();
        // SAFETY: there is room for as many.
        let all = unsafe { psref_holders(at.at().get(), class.get(), buf.as_mut_ptr(), buf.len()) };
        assert_eq!(all, self.count(number), "holders");
        for holder in &buf[..all.min(buf.len())] {
            assert!(holder.psh_tid > 0 && holder.psh_name[23] == 0, "a holder that lives and has a name");
            assert_eq!(self.strict, holder.psh_since != 0, "strict classes know since when");
        }
        assert!(buf.iter().skip(all).all(|holder| holder.psh_tid == -1), "more holders written than there are");
    }

    fn report(&mut self, class: usize) {
        let class = self.classes[class].at;
        let (mut text, mut length) = (std::ptr::null_mut(), 0);
        // SAFETY: the stream is ours, and its text is freed after it was closed.
        unsafe {
            let stream = libc::open_memstream(&raw mut text, &raw mut length);
            psref_class_report(class.get(), stream);
            libc::fclose(stream);
            libc::free(text.cast());
        }
        let of_it = |hold: &&Hold| self.class_of(hold.of).get() == class.get();
        let lines = self.holds.iter().filter(of_it).count().min(16);
        assert!(length > 20 * lines, "a line for each hold, sixteen at most");
    }

    fn end(mut self) {
        while !self.holds.is_empty() {
            self.release(self.holds.len() - 1, 0);
        }
        assert_eq!(self.crew.waits_left(), 0, "waits left");
        while !self.targets.is_empty() {
            self.destroy(0);
        }
        while let Some(class) = self.classes.pop() {
            // SAFETY: its targets are destroyed.
            unsafe { psref_class_destroy(class.at.get()) }
        }
        for (who, bound) in std::mem::take(&mut self.bound).into_iter().enumerate() {
            self.crew.run(who, move || psref_curlwp_bindx(bound));
        }
    }
}
