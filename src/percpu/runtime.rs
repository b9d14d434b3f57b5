// SPDX-License-Identifier: MIT OR Apache-2.0
//! What this process runs on: its back end, its possible CPUs, their nodes. Found out once, at the first call that may
//! sleep, and never revised. Two threads that come first at once both find out; one answer stands.

use crate::sys::backend::{self, Backend, Wish};
use crate::sys::errno::{ENOMEM, Errno};
use crate::sys::{cpus, tls};
use crate::topology::Topology;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The facts.
pub(crate) struct Runtime {
    backend: Backend,
    why_not_rseq: Option<&'static str>,
    cpus: usize,
    topology: Topology,
    nodes: Box<[Option<u32>]>,
}

// Not a `Once`: a child forked while another thread was inside would wait for it for ever.
static FACTS: AtomicPtr<Runtime> = AtomicPtr::new(std::ptr::null_mut());

/// The facts, found out if need be. May sleep the first time.
pub(crate) fn get() -> &'static Runtime {
    let facts = FACTS.load(Ordering::Acquire);
    if facts.is_null() {
        return find_out();
    }
    // SAFETY: published once, never freed.
    unsafe { &*facts }
}

/// The back end if it has been chosen already. Never sleeps.
pub(crate) fn chosen() -> Option<Backend> {
    let facts = FACTS.load(Ordering::Acquire);
    // SAFETY: null, or published and never freed.
    unsafe { facts.as_ref() }.map(Runtime::backend)
}

/// The same for callers that can answer an error: without memory to find out with, ENOMEM.
pub(crate) fn try_get() -> Result<&'static Runtime, Errno> {
    /// More than finding out takes. The libraries it calls end the program where they get none, so it is asked for before.
    const ENOUGH: usize = 256 << 10;
    if FACTS.load(Ordering::Acquire).is_null() {
        Vec::<u8>::new().try_reserve_exact(ENOUGH).map_err(|_| ENOMEM)?;
    }
    Ok(get())
}

#[cold]
fn find_out() -> &'static Runtime {
    let mine = Box::into_raw(Box::new(Runtime::probe()));
    // Release and acquire: the facts before the pointer to them.
    let facts = match FACTS.compare_exchange(std::ptr::null_mut(), mine, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: published, never freed.
        Ok(_) => unsafe { &*mine },
        Err(theirs) => {
            // SAFETY: nobody knows of ours; theirs is published.
            unsafe {
                drop(Box::from_raw(mine));
                &*theirs
            }
        }
    };
    // By the facts that stand: of two who come first one may have no rseq. Until then sections take the slow path.
    if facts.backend == Backend::Rseq {
        tls::arm(u32::try_from(facts.cpus).unwrap_or(u32::MAX));
    }
    facts
}

impl Runtime {
    fn probe() -> Runtime {
        let (backend, why_not_rseq) = choose();
        let cpus = cpus::possible();
        let topology = Topology::load(cpus);
        let nodes = (0..cpus).map(|cpu| topology.node_of(cpu)).collect();
        Runtime { backend, why_not_rseq, cpus, topology, nodes }
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// Why the sections are not used, where they are not.
    pub(crate) fn why_not_rseq(&self) -> Option<&'static str> {
        self.why_not_rseq
    }

    /// Highest possible CPU id plus one.
    pub(crate) fn cpus(&self) -> usize {
        self.cpus
    }

    /// One for every possible CPU, and the last for threads that have no section.
    pub(crate) fn stripes(&self) -> usize {
        self.cpus + 1
    }

    pub(crate) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The node of a CPU, nearest with memory.
    pub(crate) fn node_of(&self, cpu: usize) -> Option<u32> {
        self.nodes[cpu]
    }

    /// Whether placing anything could make a difference.
    pub(crate) fn is_numa(&self) -> bool {
        let mut known = self.nodes.iter().flatten();
        let first = known.next();
        known.any(|node| Some(node) != first)
    }
}

fn choose() -> (Backend, Option<&'static str>) {
    let wish = backend::wish().unwrap_or_else(|word| {
        crate::diag::fatal(format_args!("PSREF_BACKEND is \"{word}\", expected auto, rseq or atomic"))
    });
    match wish {
        Wish::Only(Backend::Atomic) => (Backend::Atomic, Some("PSREF_BACKEND asks for atomic")),
        Wish::Auto => match backend::rseq_works() {
            Ok(()) => (Backend::Rseq, None),
            Err(why) => (Backend::Atomic, Some(why)),
        },
        Wish::Only(Backend::Rseq) => match backend::rseq_works() {
            Ok(()) => (Backend::Rseq, None),
            Err(why) => crate::diag::fatal(format_args!("PSREF_BACKEND is rseq, which does not work here: {why}")),
        },
    }
}
