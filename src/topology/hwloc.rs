// SPDX-License-Identifier: MIT OR Apache-2.0
//! The NUMA nodes as hwloc sees them: the only file that names hwlocality.
//!
//! hwloc knows what the kernel's files do not tell, or tell wrongly (quirks of firmware, nodes that are a GPU's), but
//! it is made to find everything. So we ask for as little as it can do: nodes and processors, no caches, no devices.
//!
//! H1. The affinity of the calling thread is never touched: hwloc's x86 component, which visits every CPU, is left out.
//! H2. The environment is read (by hwloc), never written: setenv is not thread safe.
//! H3. A topology that is not this system's (`HWLOC_SYNTHETIC`, `HWLOC_XMLFILE`) is no answer.

use super::Node;
use crate::sort;
use hwlocality::Topology;
use hwlocality::object::TopologyObject;
use hwlocality::object::attributes::ObjectAttributes;
use hwlocality::object::types::ObjectType;
use hwlocality::topology::builder::{BuildFlags, TopologyBuilder, TypeFilter};
use std::collections::{HashMap, HashSet};

/// Every node that hwloc knows with its CPUs below `cpus`, or `None` where it fails or knows another machine.
pub(super) fn nodes(cpus: usize) -> Option<Vec<Node>> {
    let topology = modest(Topology::builder())?.build().ok()?;
    if !topology.is_this_system() {
        return None; // H3
    }
    read(&topology, cpus)
}

/// Asks for the nodes of the whole machine (what this process may not use today, it may tomorrow) and for little else.
fn modest(builder: TopologyBuilder) -> Option<TopologyBuilder> {
    let builder = builder
        .with_flags(BuildFlags::INCLUDE_DISALLOWED)
        .ok()?
        .with_common_type_filter(TypeFilter::KeepNone)
        .ok()?
        // Looks needless. But a node has the CPUs of the object it hangs on: without groups, of the whole machine.
        .with_type_filter(ObjectType::Group, TypeFilter::KeepStructure)
        .ok()?;
    // H1. Only hwloc for x86 has that component, and it refuses to leave out what it has not.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let builder = builder.without_component("x86").ok()?;
    Some(builder)
}

fn read(topology: &Topology, cpus: usize) -> Option<Vec<Node>> {
    let objects = topology.objects_with_type(ObjectType::NUMANode);
    let mut nodes: Vec<Node> = objects.filter_map(|object| node(object, cpus)).collect();
    leave_each_cpu_to_one_node(&mut nodes);
    add_distances(topology, &mut nodes);
    (!nodes.is_empty()).then_some(nodes)
}

/// What the kernel calls the object.
fn id(object: &TopologyObject) -> Option<u32> {
    object.os_index()?.try_into().ok()
}

fn node(object: &TopologyObject, cpus: usize) -> Option<Node> {
    let has_memory = match object.attributes() {
        Some(ObjectAttributes::NUMANode(numa)) => numa.local_memory().is_some(),
        _ => false,
    };
    // hwloc's sets may be infinite.
    let cpus = object.cpuset().map(|set| set.iter_set().map(usize::from).take_while(|&cpu| cpu < cpus).collect());
    Some(Node { id: id(object)?, has_memory, cpus: cpus.unwrap_or_default(), distances: Vec::new() })
}

/// hwloc has no node without CPUs: memory without any is given the CPUs of the nearest node, or all. A CPU's own node
/// is the one with the fewest CPUs, and among such the first (firmware and kernel count the nodes with CPUs first).
fn leave_each_cpu_to_one_node(nodes: &mut [Node]) {
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    sort::by_key(&mut order, |&node| (nodes[node].cpus.len(), nodes[node].id));
    let mut taken = HashSet::new();
    for node in order {
        nodes[node].cpus.retain(|&cpu| taken.insert(cpu));
    }
}

/// Fills in the matrix that the firmware gave, if it gave one.
fn add_distances(topology: &Topology, nodes: &mut [Node]) {
    let count = nodes.len();
    let place: HashMap<u32, usize> = nodes.iter().enumerate().map(|(place, node)| (node.id, place)).collect();
    let place = |object: Option<&TopologyObject>| place.get(&id(object?)?).copied();
    // hwloc's name for ACPI's SLIT, and what other firmware has in its stead.
    let Ok(matrices) = topology.distances_with_name("NUMALatency") else { return };
    let Some(matrix) = matrices.first() else { return };
    for node in &mut *nodes {
        node.distances = vec![u64::MAX; count];
    }
    for ((from, to), distance) in matrix.object_distances() {
        if let (Some(from), Some(to)) = (place(from), place(to)) {
            nodes[from].distances[to] = distance;
        }
    }
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::topology::{Topology as Ours, sysfs};
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};

    const CPUS: usize = 4096;

    fn affinity(thread: &Path) -> String {
        let status = std::fs::read_to_string(thread.join("status")).unwrap();
        status.lines().find(|line| line.starts_with("Cpus_allowed:")).unwrap().to_owned()
    }

    fn node(id: u32, cpus: impl IntoIterator<Item = usize>) -> Node {
        Node { id, has_memory: true, cpus: cpus.into_iter().collect(), distances: Vec::new() }
    }

    #[test]
    fn loading_never_changes_the_affinity_of_the_caller() {
        // Not even for a moment, so another thread watches.
        let caller = Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap());
        let before = affinity(&caller);
        let (started, done) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut changes = 0;
                while !done.load(Ordering::Relaxed) {
                    changes += usize::from(affinity(&caller) != before);
                    started.store(true, Ordering::Relaxed);
                }
                changes
            });
            while !started.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
            for _ in 0..20 {
                nodes(CPUS);
            }
            done.store(true, Ordering::Relaxed);
            assert_eq!(watcher.join().unwrap(), 0, "times that another affinity than {before:?} was seen");
        });
        assert_eq!(affinity(&caller), before);
    }

    #[test]
    fn hwloc_and_sysfs_agree_about_this_machine() {
        let hwloc = nodes(CPUS).filter(|_| std::env::var_os("HWLOC_THISSYSTEM").is_none());
        let (Some(hwloc), Some(sysfs)) = (hwloc, sysfs::nodes(Path::new(sysfs::ROOT))) else { return };
        let hwloc = Ours::new(crate::topology::Source::Hwloc, CPUS, &hwloc);
        let sysfs = Ours::new(crate::topology::Source::Sysfs, CPUS, &sysfs);
        for cpu in 0..CPUS {
            assert_eq!(hwloc.nodes_near(cpu), sysfs.nodes_near(cpu), "CPU {cpu}");
        }
    }

    #[test]
    fn every_node_has_its_own_cpus() {
        let builder = Topology::builder().from_synthetic("node:3 pu:2").unwrap();
        let nodes = read(&modest(builder).unwrap().build().unwrap(), CPUS).unwrap();
        let cpus: Vec<&[usize]> = nodes.iter().map(|node| &node.cpus[..]).collect();
        assert_eq!(cpus, [[0, 1], [2, 3], [4, 5]]);
    }

    #[test]
    fn memory_without_cpus_takes_no_cpu_from_the_node_it_was_lent_by() {
        let mut nodes = [node(0, 0..2), node(1, 2..4), node(2, 2..4), node(3, 0..4)];
        leave_each_cpu_to_one_node(&mut nodes);
        let cpus: Vec<&[usize]> = nodes.iter().map(|node| &node.cpus[..]).collect();
        assert_eq!(cpus, [&[0, 1][..], &[2, 3], &[], &[]]);
    }
}
