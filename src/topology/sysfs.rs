// SPDX-License-Identifier: MIT OR Apache-2.0
//! The NUMA nodes as the kernel's own files tell them: `/sys/devices/system/node`.
//!
//! What answers on one node, and where hwloc is not built in, fails, or describes another machine. It reads two files,
//! and two more for each node (about 10 µs a file), allocates, and may sleep.
//!
//! F1. A file that is missing or malformed never panics: without `online`, `has_memory` or a `cpulist` there is no
//!     answer at all; without a `distance` only that node's distances are lost.
//! F2. Nothing that a file says makes us allocate more than [`LIMIT`] numbers.

use super::Node;
use std::fs;
use std::path::Path;

/// Where the kernel shows its nodes.
pub(super) const ROOT: &str = "/sys/devices/system/node";

/// No list of CPUs or nodes goes further; the kernel's own limits are 8192 CPUs and 1024 nodes.
const LIMIT: usize = 1 << 16;

/// The numbers in one of the kernel's lists, such as `"0-3,8,10-11\n"`, in the order of the list.
///
/// An empty line is an empty list (the `cpulist` of a node without CPUs). `None`: not such a list, a range that runs
/// backwards, or a number of 65536 or more.
fn parse_list(text: &str) -> Option<Vec<usize>> {
    let text = text.trim_ascii();
    let mut numbers = Vec::new();
    if text.is_empty() {
        return Some(numbers);
    }
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (number(first)?, number(last)?);
        if first > last || last >= LIMIT || numbers.len() + (last - first) >= LIMIT {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// Digits only: `str::parse` would take a sign as well.
fn number(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Whether there is nothing to choose between.
#[cfg(feature = "hwloc")]
pub(super) fn shows_one_node(root: &Path) -> bool {
    list(&root.join("online")).is_some_and(|online| online.len() == 1)
}

fn list(file: &Path) -> Option<Vec<usize>> {
    parse_list(&fs::read_to_string(file).ok()?)
}

/// Every online node under `root` (in the library: [`ROOT`]), or `None` where that is no such directory.
pub(super) fn nodes(root: &Path) -> Option<Vec<Node>> {
    let online = list(&root.join("online"))?;
    let with_memory = list(&root.join("has_memory"))?;
    if online.is_empty() {
        return None;
    }
    let node = |&id: &usize| {
        let directory = root.join(format!("node{id}"));
        Some(Node {
            id: id as u32,
            has_memory: with_memory.contains(&id),
            cpus: list(&directory.join("cpulist"))?,
            distances: distances(&directory.join("distance"), online.len()),
        })
    };
    online.iter().map(node).collect()
}

/// A node's row of distances, to each online node in turn. Empty where the file is none.
fn distances(file: &Path, nodes: usize) -> Vec<u64> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let row: Option<Vec<u64>> = text.split_ascii_whitespace().map(|word| word.parse().ok()).collect();
    match row {
        Some(row) if row.len() == nodes => row,
        _ => Vec::new(),
    }
}

#[cfg(all(test, not(miri)))]
pub(super) mod tests {
    use super::*;
    use crate::topology::{Source, Topology};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// A made-up `/sys/devices/system/node` that lives as long as the test.
    pub(in crate::topology) struct Fixture(PathBuf);

    impl Fixture {
        /// `nodes`: (id, cpulist, distance).
        pub(in crate::topology) fn new(online: &str, has_memory: &str, nodes: &[(u32, &str, &str)]) -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed); // only has to differ
            let root = std::env::temp_dir().join(format!("psref-nodes-{}-{number}", std::process::id()));
            let fixture = Fixture(root);
            fixture.write("online", online);
            fixture.write("has_memory", has_memory);
            for (id, cpulist, distance) in nodes {
                fixture.write(&format!("node{id}/cpulist"), cpulist);
                fixture.write(&format!("node{id}/distance"), distance);
            }
            fixture
        }

        fn write(&self, file: &str, text: impl AsRef<[u8]>) {
            let path = self.0.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        pub(in crate::topology) fn load(&self, cpus: usize) -> Topology {
            Topology::from_sysfs(cpus, &self.0)
        }
    }

    impl Drop for Fixture {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn two_nodes() -> Fixture {
        Fixture::new("0-1\n", "0-1\n", &[(0, "0-1\n", "10 20\n"), (1, "2-3\n", "20 10\n")])
    }

    #[test]
    fn a_list_has_ranges_and_single_numbers() {
        assert_eq!(parse_list("0-3,8,10-11\n"), Some(vec![0, 1, 2, 3, 8, 10, 11]));
        assert_eq!(parse_list("7"), Some(vec![7]));
    }

    #[test]
    fn an_empty_line_is_an_empty_list() {
        assert_eq!(parse_list("\n"), Some(vec![]));
        assert_eq!(parse_list(""), Some(vec![]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["x", "1,", ",1", "1-", "-1", "+1", "1--2", "3-1", "1 2", "1-2-3", "0x1", "\0"] {
            assert_eq!(parse_list(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_list_of_absurd_length_is_refused() {
        assert_eq!(parse_list("0-4294967295"), None);
        assert_eq!(parse_list("0-99999999999999999999999"), None);
        assert_eq!(parse_list("0-65535").map(|numbers| numbers.len()), Some(65536));
        assert_eq!(parse_list("0-65535,0-65535"), None);
    }

    #[test]
    fn node_ids_may_be_sparse() {
        let nodes = [(0, "0-1", "10 20 30"), (8, "2-3", "20 10 15"), (252, "4-5", "30 15 10")];
        let topology = Fixture::new("0,8,252\n", "0,8,252\n", &nodes).load(6);
        assert_eq!(topology.source(), Source::Sysfs);
        assert_eq!(topology.nodes_near(3), [8, 252, 0]);
        assert_eq!(topology.node_of(5), Some(252));
    }

    #[test]
    fn a_cpu_of_a_memory_less_node_gets_the_nearest_node_with_memory() {
        let nodes = [(0, "0-1", "10 20 30"), (1, "2-3", "20 10 15"), (2, "4-5", "30 15 10")];
        let topology = Fixture::new("0-2\n", "0,2\n", &nodes).load(6);
        assert_eq!(topology.nodes_near(2), [2, 0]);
        assert_eq!(topology.nodes_near(0), [0, 2]);
    }

    #[test]
    fn a_node_without_cpus_is_a_neighbour_like_any_other() {
        let nodes = [(0, "0-1", "10 20 15"), (1, "2-3", "20 10 30"), (2, "\n", "15 30 10")];
        let topology = Fixture::new("0-2\n", "0-2\n", &nodes).load(4);
        assert_eq!(topology.nodes_near(1), [0, 2, 1]);
        assert_eq!(topology.nodes_near(2), [1, 0, 2]);
    }

    #[test]
    fn an_absent_cpu_has_no_node() {
        let topology = two_nodes().load(8);
        assert_eq!(topology.node_of(3), Some(1));
        assert_eq!(topology.nodes_near(4), []);
        assert_eq!(topology.nodes_near(7), []);
    }

    #[test]
    fn a_cpu_beyond_the_possible_ones_has_no_node() {
        let topology = two_nodes().load(2);
        assert_eq!(topology.nodes_near(2), []);
        assert_eq!(topology.nodes_near(usize::MAX), []);
    }

    #[test]
    fn without_distances_other_nodes_are_equally_far() {
        for distance in ["", "10", "10 20 30", "far near", "10 -1", "99999999999999999999 10"] {
            let fixture = two_nodes();
            fixture.write("node1/distance", distance);
            assert_eq!(fixture.load(4).nodes_near(2), [1, 0], "{distance:?}");
            assert_eq!(fixture.load(4).source(), Source::Sysfs);
        }
    }

    #[test]
    fn a_malformed_list_leaves_one_node() {
        for file in ["online", "has_memory", "node1/cpulist"] {
            for text in ["zero".as_bytes(), b"0-", b"\xff\xfe", b"1-0", b"0-4000000000"] {
                let fixture = two_nodes();
                fixture.write(file, text);
                assert_eq!(fixture.load(4).source(), Source::Single, "{file}: {text:?}");
                assert_eq!(fixture.load(4).nodes_near(0), []);
            }
        }
    }

    #[test]
    fn a_missing_file_leaves_one_node() {
        for file in ["online", "has_memory", "node1/cpulist"] {
            let fixture = two_nodes();
            fs::remove_file(fixture.0.join(file)).unwrap();
            assert_eq!(fixture.load(4).source(), Source::Single, "{file}");
        }
        assert_eq!(Topology::from_sysfs(4, Path::new("/nonexistent")).source(), Source::Single);
    }

    #[test]
    fn no_node_online_leaves_one_node() {
        assert_eq!(Fixture::new("\n", "\n", &[]).load(1).source(), Source::Single);
    }
}
