// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pop where the case is not plain. No lock, no malloc; signal handlers come here, also such as interrupt pop, push, and
//! recall itself (R13).
//!
//! ```text
//! own magazine being recalled     -> help: take one there                          (else the CPU would stay slow)
//! own depot, then the others', near ones first: a batch; one is the answer, the rest goes to the own magazine
//! magazines of all CPUs, near ones first, that show objects: recall
//! NULL
//! ```

use super::depot;
use super::near::Near;
use super::state::{Counter, Pool};
use crate::percpu::magazine::{self, LARGEST, Recalled};
use crate::percpu::runtime;
use crate::sys::errno;
use crate::{thread, xcall};

/// The CPU whose depot is nearest: the one the thread runs on, or any where that is not known.
pub(super) fn cpu_here() -> usize {
    let cpus = runtime::get().cpus();
    magazine::cpu().filter(|&cpu| cpu < cpus).unwrap_or_else(|| thread::number() as usize / 2 % cpus)
}

/// Takes one object by whatever way there is.
#[cold]
pub(crate) fn one(pool: &Pool) -> Option<usize> {
    let mut object = [0];
    (pop(pool, &mut object) == 1).then_some(object[0])
}

/// Takes up to `out.len()` objects: from the own magazine what is there, the rest one way or the other.
pub(crate) fn pop(pool: &Pool, out: &mut [usize]) -> usize {
    let _errno = errno::Preserve::new();
    let mut n = 0;
    while n < out.len() {
        if pool.limit != 0 {
            n += pool.magazines.pop(&mut out[n..]).unwrap_or(0);
        }
        if n < out.len() {
            let Some(object) = slowly(pool) else {
                if n == 0 {
                    pool.tell(cpu_here(), Counter::Failures);
                }
                break;
            };
            out[n] = object;
            n += 1;
        }
    }
    if let Some(states) = &pool.states {
        out[..n].iter().filter_map(|&at| pool.layout.number(at)).for_each(|object| states.take(object));
    }
    n
}

fn slowly(pool: &Pool) -> Option<usize> {
    let cpu = cpu_here();
    pool.tell(cpu, Counter::Misses);
    let recall = |from: usize| match pool.magazines.recall(from, xcall::restart_sections) {
        Recalled::Object(object) => {
            pool.tell(cpu, Counter::Recalls);
            Some(object)
        }
        Recalled::Nothing => None,
    };
    if pool.magazines.is_recalled(cpu)
        && let Some(object) = recall(cpu)
    {
        return Some(object);
    }
    for from in Near::to(cpu) {
        let head = pool.magazines.depot(from);
        if !depot::is_empty(head)
            && let Some(object) = batch(pool, cpu, head)
        {
            return Some(object);
        }
    }
    for from in Near::to(cpu) {
        if pool.magazines.shows_objects(from)
            && let Some(object) = recall(from)
        {
            return Some(object);
        }
    }
    // What came to a depot behind the look at it: once more, so that no object stays unseen that lay anywhere all the time.
    for from in Near::to(cpu) {
        if let Some(object) = batch(pool, cpu, pool.magazines.depot(from)) {
            return Some(object);
        }
    }
    None
}

/// A batch from a depot: one is the answer, the others go where the next pops look first.
fn batch(pool: &Pool, cpu: usize, head: &crate::sys::sync::AtomicU64) -> Option<usize> {
    let mut taken = [0; LARGEST / 2];
    let want = if pool.limit == 0 { 1 } else { (pool.magazines.capacity() / 2).clamp(1, taken.len()) };
    let n = pool.depots.pop(head, &mut taken[..want]);
    let (&first, rest) = taken[..n].split_first()?;
    pool.tell(cpu, Counter::DepotPops);
    pool.tell_of(cpu, Counter::Withdrawn, n);
    if !rest.is_empty() {
        let mut addresses = [0; LARGEST / 2];
        let addresses = &mut addresses[..rest.len()];
        // The deepest first: the next pop gets what was next on the stack.
        rest.iter().rev().zip(addresses.iter_mut()).for_each(|(&object, at)| *at = pool.layout.address(object));
        let kept = pool.magazines.push(addresses).unwrap_or(0);
        super::push::to_depots(pool, &addresses[kept..]);
    }
    Some(pool.layout.address(first))
}
