// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which NUMA node a CPU belongs to, and what lies next to it.
//!
//! [`Topology::load`] asks hwloc (cargo feature `hwloc`), else the kernel's files, else takes the machine for one node.
//! Where the kernel shows only one, hwloc is not asked: its answer would be the same, but when it starts it opens all
//! its plug-ins, and with them whatever these are linked with (X11, OpenCL). So loading costs 0.1 ms on one node, about
//! 1 ms on more, and 3 to 40 ms where there are more and hwloc's plug-ins are installed. Looking up is an index into a
//! table.
//!
//! Load it once, lazily, where sleeping is allowed.
//!
//! The answers are advice about placement. They are as old as the load (a CPU that comes online later has no node), and
//! nothing may depend on them for more than speed. To know the CPUs themselves, count to the highest possible id, not
//! to what is found here.
//!
//! T1. A possible CPU has one home or none. None is normal: hwloc and the kernel's nodes know only CPUs that are
//!     online.
//! T2. [`Topology::nodes_near`] names nodes with memory only; a node without memory still counts for distances.

#[cfg(feature = "hwloc")]
mod hwloc;
mod sysfs;

use crate::sort;
use std::path::Path;

/// Who described the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// hwloc, through hwlocality.
    Hwloc,
    /// `/sys/devices/system/node`: it shows only one node, or hwloc is not built in, failed, or described another
    /// machine.
    Sysfs,
    /// Nobody: the machine counts as one node, whose number is not known.
    Single,
}

/// The CPUs, their NUMA nodes, and how far these are from each other.
///
/// ```
/// use psref::topology::Topology;
///
/// let topology = Topology::load(2);
/// for cpu in 0..2 {
///     println!("CPU {cpu}: node {:?}, then {:?}", topology.node_of(cpu), topology.nodes_near(cpu));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Topology {
    source: Source,
    /// By CPU: its home, an index of `homes`.
    home_of: Box<[Option<usize>]>,
    homes: Box<[Home]>,
}

/// What the CPUs of one node have in common, with memory or without.
#[derive(Clone, Debug)]
struct Home {
    /// Nodes with memory, nearest first.
    nodes: Box<[u32]>,
    /// By home: its place when all are ordered by distance from this one, which is itself 0.
    rank: Box<[usize]>,
}

/// One node, as `hwloc` and `sysfs` report it.
#[derive(Debug)]
struct Node {
    id: u32,
    has_memory: bool,
    cpus: Vec<usize>,
    /// To each node, in the order of the report. Empty: not known.
    distances: Vec<u64>,
}

impl Topology {
    /// Describes this machine, whose possible CPUs are `0..cpus`.
    ///
    /// Never fails. Sleeps, allocates, reads files and the environment (`HWLOC_*`); leaves the caller's affinity alone.
    /// Not for signal handlers.
    pub fn load(cpus: usize) -> Topology {
        if cfg!(miri) {
            return Topology::new(Source::Single, cpus, &[]);
        }
        let root = Path::new(sysfs::ROOT);
        #[cfg(feature = "hwloc")]
        if !sysfs::shows_one_node(root)
            && let Some(nodes) = hwloc::nodes(cpus)
        {
            return Topology::new(Source::Hwloc, cpus, &nodes);
        }
        Topology::from_sysfs(cpus, root)
    }

    fn from_sysfs(cpus: usize, root: &Path) -> Topology {
        match sysfs::nodes(root) {
            Some(nodes) => Topology::new(Source::Sysfs, cpus, &nodes),
            None => Topology::new(Source::Single, cpus, &[]),
        }
    }

    fn new(source: Source, cpus: usize, nodes: &[Node]) -> Topology {
        let mut home_of = vec![None; cpus].into_boxed_slice();
        for (home, node) in nodes.iter().enumerate() {
            for &cpu in node.cpus.iter().filter(|&&cpu| cpu < cpus) {
                home_of[cpu] = Some(home);
            }
        }
        let homes = (0..nodes.len()).map(|own| Home::new(own, nodes)).collect();
        Topology { source, home_of, homes }
    }

    /// Who described the machine.
    pub fn source(&self) -> Source {
        self.source
    }

    /// How many possible CPUs it knows: their ids are below this.
    pub fn cpus(&self) -> usize {
        self.home_of.len()
    }

    /// The nodes with memory, by the kernel's numbers, nearest to `cpu` first: its own node, if that has memory, then
    /// by distance.
    ///
    /// Empty where nothing is known: the CPU was absent or offline, is not a possible one, or nobody described the
    /// machine. A node may be one that this process is not allowed to use. Safe in signal handlers.
    pub fn nodes_near(&self, cpu: usize) -> &[u32] {
        self.home(cpu).map_or(&[], |home| &home.nodes)
    }

    /// The node nearest to `cpu` that has memory: the first of [`nodes_near`](Topology::nodes_near).
    pub fn node_of(&self, cpu: usize) -> Option<u32> {
        self.nodes_near(cpu).first().copied()
    }

    /// All other possible CPUs, node by node, nearest to `cpu`'s node first. Within a node counting starts behind
    /// `cpu`, so that different CPUs look at different neighbours first. CPUs without a node come last.
    ///
    /// Computed at each call: n log n. Allocates, so not for signal handlers.
    pub fn cpus_near(&self, cpu: usize) -> Vec<usize> {
        let cpus = self.home_of.len();
        let own = cpu.min(cpus);
        let mut others: Vec<usize> = (own + 1..cpus).chain(0..own).collect();
        if let Some(home) = self.home(cpu) {
            let place = |other: usize| if other > own { other - own } else { other + cpus - own };
            let rank = |other: usize| self.home_of[other].map_or(usize::MAX, |other| home.rank[other]);
            sort::by_key(&mut others, |&other| (rank(other), place(other)));
        }
        others
    }

    fn home(&self, cpu: usize) -> Option<&Home> {
        Some(&self.homes[(*self.home_of.get(cpu)?)?])
    }
}

impl Home {
    fn new(own: usize, nodes: &[Node]) -> Home {
        let distance = |to: usize| nodes[own].distances.get(to).copied().unwrap_or(0);
        let mut order: Vec<usize> = (0..nodes.len()).collect();
        // Of nodes equally far the next one comes first, not the lowest: else all would lean on the same neighbour.
        sort::by_key(&mut order, |&node| (node != own, distance(node), nodes[node].id < nodes[own].id, nodes[node].id));
        let mut rank = vec![0; nodes.len()];
        for (place, &node) in order.iter().enumerate() {
            rank[node] = place;
        }
        let with_memory = order.iter().map(|&node| &nodes[node]).filter(|node| node.has_memory);
        Home { nodes: with_memory.map(|node| node.id).collect(), rank: rank.into() }
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::sysfs::tests::Fixture;
    use super::*;

    /// Four nodes of two CPUs each, in a ring.
    fn ring() -> Fixture {
        let nodes = [
            (0, "0-1", "10 20 30 20"),
            (1, "2-3", "20 10 20 30"),
            (2, "4-5", "30 20 10 20"),
            (3, "6-7", "20 30 20 10"),
        ];
        Fixture::new("0-3", "0-3", &nodes)
    }

    #[test]
    fn loading_never_fails_for_any_number_of_cpus() {
        for cpus in [0, 1, 2, 8192] {
            let topology = Topology::load(cpus);
            assert_eq!(topology.nodes_near(cpus), []);
            assert_eq!(topology.cpus_near(0).len(), cpus.saturating_sub(1));
        }
    }

    #[test]
    #[cfg(feature = "hwloc")]
    fn hwloc_is_not_asked_about_a_machine_of_one_node() {
        if sysfs::shows_one_node(Path::new(sysfs::ROOT)) {
            assert_eq!(Topology::load(1).source(), Source::Sysfs);
        }
    }

    #[test]
    fn the_own_node_comes_first_and_of_equal_neighbours_the_next() {
        let topology = ring().load(8);
        assert_eq!(topology.nodes_near(0), [0, 1, 3, 2]);
        assert_eq!(topology.nodes_near(3), [1, 2, 0, 3]);
        assert_eq!(topology.nodes_near(7), [3, 0, 2, 1]);
    }

    #[test]
    fn the_own_node_comes_first_even_if_the_firmware_says_otherwise() {
        let nodes = [(0, "0", "20 10"), (1, "1", "10 20")];
        assert_eq!(Fixture::new("0-1", "0-1", &nodes).load(2).nodes_near(0), [0, 1]);
    }

    #[test]
    fn cpus_of_the_own_node_are_nearest_then_node_by_node() {
        let topology = ring().load(8);
        assert_eq!(topology.cpus_near(2), [3, 4, 5, 0, 1, 6, 7]);
        assert_eq!(topology.cpus_near(7), [6, 0, 1, 4, 5, 2, 3]);
    }

    #[test]
    fn cpus_near_a_memory_less_node_go_by_that_node_s_own_distances() {
        let nodes = [(0, "0", "10 30 20"), (1, "1", "30 10 15"), (2, "2", "20 15 10")];
        let topology = Fixture::new("0-2", "0,2", &nodes).load(3);
        assert_eq!(topology.cpus_near(1), [2, 0]);
        assert_eq!(topology.cpus_near(0), [2, 1]);
    }

    #[test]
    fn cpus_without_a_node_come_last_and_see_the_others_in_turn() {
        let topology = Fixture::new("0-1", "0-1", &[(0, "0,3", "10 20"), (1, "4", "20 10")]).load(5);
        assert_eq!(topology.cpus_near(0), [3, 4, 1, 2]);
        assert_eq!(topology.cpus_near(2), [3, 4, 0, 1]);
        assert_eq!(topology.cpus_near(usize::MAX), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn one_node_that_nobody_described_has_no_number() {
        let topology = Topology::new(Source::Single, 2, &[]);
        assert_eq!(topology.node_of(0), None);
        assert_eq!(topology.cpus_near(1), [0]);
    }
}
