// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which thread runs on which CPU.

use crate::{Error, Placement};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::collections::BTreeMap;

/// The CPUs that this process may use, in the order of their numbers.
pub(crate) fn allowed() -> Result<Vec<usize>, Error> {
    let set =
        sched_getaffinity(None).map_err(|e| Error::system("the kernel does not tell which CPUs may be used", e))?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
}

/// The CPUs in the order in which threads take them; none: no thread is pinned.
pub(crate) fn order(placement: Placement, allowed: &[usize]) -> Vec<usize> {
    let topology = psref::topology();
    arrange(placement, allowed, |cpu| topology.node_of(cpu), |cpu| topology.cpus_near(cpu))
}

fn arrange(
    placement: Placement,
    allowed: &[usize],
    node_of: impl Fn(usize) -> Option<u32>,
    others_near: impl Fn(usize) -> Vec<usize>,
) -> Vec<usize> {
    match placement {
        Placement::Free => Vec::new(),
        Placement::Compact => {
            let mut order = allowed.first().map_or(Vec::new(), |&first| [vec![first], others_near(first)].concat());
            order.retain(|cpu| allowed.contains(cpu));
            // Those that have no node are near to nothing.
            order.extend(allowed.iter().filter(|cpu| !order.contains(cpu)).copied().collect::<Vec<_>>());
            order
        }
        Placement::Spread => {
            let mut nodes = BTreeMap::<_, Vec<usize>>::new();
            for &cpu in allowed {
                nodes.entry(node_of(cpu)).or_default().push(cpu);
            }
            let longest = nodes.values().map(Vec::len).max().unwrap_or(0);
            (0..longest).flat_map(|i| nodes.values().filter_map(move |cpus| cpus.get(i).copied())).collect()
        }
    }
}

/// Keeps the calling thread on one CPU.
pub(crate) fn pin(cpu: usize) -> Result<(), Error> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|e| Error::system(format_args!("no thread may run on CPU {cpu}"), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Node 0 has the even CPUs, node 1 the odd ones; CPU 6 has none.
    fn arranged(placement: Placement) -> Vec<usize> {
        let node_of = |cpu: usize| (cpu != 6).then_some((cpu % 2) as u32);
        let near = |cpu: usize| vec![cpu ^ 2, 8, 1, 3, 5];
        arrange(placement, &[0, 1, 2, 3, 6], node_of, near)
    }

    #[test]
    fn compact_fills_what_is_near_first_and_forgets_nobody() {
        assert_eq!(arranged(Placement::Compact), [0, 2, 1, 3, 6]);
    }

    #[test]
    fn spread_takes_nodes_in_turn() {
        assert_eq!(arranged(Placement::Spread), [6, 0, 1, 2, 3]);
    }

    #[test]
    fn free_pins_nobody() {
        assert!(arranged(Placement::Free).is_empty());
    }

    #[test]
    fn a_pinned_thread_may_run_on_its_cpu_alone() {
        std::thread::spawn(|| {
            let last = *allowed().unwrap().last().unwrap();
            pin(last).unwrap();
            assert_eq!(allowed().unwrap(), [last]);
        })
        .join()
        .unwrap();
    }
}
