// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all models share: exploring one, with and without planted bugs, and what is held in them.

use super::plant::{Bug, plant};
use loom::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// Two find every planted bug but one: a copy that was missed takes three. `LOOM_MAX_PREEMPTIONS` says otherwise.
const PREEMPTIONS: usize = 3;

/// `PSREF_TEST_SHORT=1`: this many where no bug is planted, which takes a thirtieth of the time.
const SHORT: usize = 2;

fn explore(bugs: &'static [Bug], preemptions: usize, model: fn()) -> usize {
    plant(bugs);
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.max_branches = 10_000;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        super::sync_loom::ready();
        model();
    });
    executions.load(Ordering::Relaxed)
}

/// Every execution of the model is right.
pub(crate) fn holds(name: &str, model: fn()) {
    let began = Instant::now();
    let preemptions = if std::env::var_os("PSREF_TEST_SHORT").is_some() { SHORT } else { PREEMPTIONS };
    let executions = explore(&[], preemptions, model);
    println!("{name}: {executions} executions, {:.1} s", began.elapsed().as_secs_f64());
}

/// How loom tells what went wrong.
pub(crate) const RACE: &str = "Causality violation";
pub(crate) const ASLEEP: &str = "deadlock";

pub(crate) type Twin = (&'static [Bug], &'static str);

/// With each set of bugs some execution of the model is wrong, in the way that the set must show.
pub(crate) fn notices(name: &str, model: fn(), twins: &[Twin]) {
    explore(&[], PREEMPTIONS, || ()); // the first model sets loom's own hook
    for &(bugs, expected) in twins {
        let began = Instant::now();
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| ())); // the panic is the result
        let outcome = catch_unwind(AssertUnwindSafe(|| explore(bugs, PREEMPTIONS, model)));
        std::panic::set_hook(hook);
        plant(&[]);
        let said = match outcome {
            Ok(executions) => panic!("{name}: {executions} executions, and {bugs:?} was not noticed"),
            Err(said) => said.downcast_ref::<String>().cloned().or(said.downcast_ref::<&str>().map(|s| s.to_string())),
        };
        let said = said.unwrap_or_default();
        assert!(said.contains(expected), "{name}: {bugs:?} ended with {said:?}, expected {expected:?}");
        println!("{name}: {bugs:?} noticed ({expected}), {:.1} s", began.elapsed().as_secs_f64());
    }
}

/// What is held: loom reports whoever is at it unordered.
pub(crate) struct Object(UnsafeCell<u32>);

// SAFETY: whether it is used in order is what loom watches.
unsafe impl Send for Object {}
// SAFETY: as above.
unsafe impl Sync for Object {}

impl Object {
    pub(crate) fn new() -> Self {
        Object(UnsafeCell::new(1))
    }

    /// What a holder does with it.
    pub(crate) fn look(&self) {
        // SAFETY: a reading of a word; loom sees who else is at it.
        assert_eq!(self.0.with(|object| unsafe { *object }), 1, "held, and the object is gone");
    }

    /// Its end, for which its owner has waited.
    pub(crate) fn end(&self) {
        // SAFETY: a writing of a word; loom sees who else is at it.
        self.0.with_mut(|object| unsafe { *object = 0xdead });
    }
}
