// SPDX-License-Identifier: MIT OR Apache-2.0
//! Slots, cells, magazines and objects lie on their CPU's NUMA node: the kernel is asked where each page is. All of them are first
//! touched on one CPU, so without a preference all would lie on one node. On a machine of one node there is little to see:
//! scripts/verify-numa.sh runs this on emulated ones, tells how many nodes it must see, and plants a build that ignores nodes.

#[path = "common/mod.rs"]
mod common;
#[path = "common/counting.rs"]
mod counting;
#[path = "common/stock.rs"]
mod stock;

use common::Thing;
use counting::Count;
use psref::objpool::entry::POOL_MAGAZINE;
use psref::percpu::entry::{COUNT_CELLS, STRIPE_SHIFT};
use psref::psref::raw::Hold;
use std::collections::BTreeMap;
use std::fs::read_to_string;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use stock::Stock;

/// What is told as `0-3,8`.
fn numbers(list: &str) -> Vec<usize> {
    let mut all = vec![];
    for range in list.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        all.extend(first.parse::<usize>().unwrap()..=last.parse().unwrap());
    }
    all
}

/// Nodes by CPU, of nodes that have memory: as the kernel's files say, not the library.
fn nodes() -> BTreeMap<usize, usize> {
    let node = |name: &str| format!("/sys/devices/system/node/{name}");
    let Ok(with_memory) = read_to_string(node("has_memory")) else { return BTreeMap::new() };
    let mut nodes = BTreeMap::new();
    for n in numbers(&with_memory) {
        let cpus = numbers(&read_to_string(node(&format!("node{n}/cpulist"))).unwrap());
        nodes.extend(cpus.into_iter().map(|cpu| (cpu, n)));
    }
    nodes
}

/// The node that an address lies on. Touches it first.
#[allow(clippy::disallowed_methods, reason = "the C library has no such function")]
fn node_of(at: usize) -> Option<usize> {
    // SAFETY: an aligned word of the library's, or of an object that the test has; it stays as it is.
    unsafe { AtomicU64::from_ptr(at as *mut u64) }.fetch_add(0, SeqCst);
    let (page, mut node) = (at & !4095, -1_i32);
    // SAFETY: one address of ours, and one answer; no nodes to move to are given.
    let answer = unsafe {
        libc::syscall(libc::SYS_move_pages, 0, 1_usize, &raw const page, std::ptr::null::<i32>(), &raw mut node, 0)
    };
    (answer == 0).then(|| usize::try_from(node).unwrap_or_else(|_| panic!("move_pages: {node} at {at:#x}")))
}

fn word(at: usize) -> usize {
    // SAFETY: the test reads what the library's structures have at documented places.
    unsafe { (at as *const usize).read() }
}

/// How many of what lies where it should.
#[derive(Default)]
struct Seen(BTreeMap<&'static str, (usize, usize)>);

impl Seen {
    fn look(&mut self, what: &'static str, is: Option<usize>, should: usize) {
        if is != Some(should) && what != "objects" {
            println!("{what}: on node {is:?} instead of {should}");
        }
        let (right, all) = self.0.entry(what).or_default();
        *right += usize::from(is == Some(should));
        *all += 1;
    }
}

#[test]
#[cfg_attr(miri, ignore = "asks the kernel")]
fn everything_lies_on_the_node_of_its_cpu() {
    #[cfg(feature = "inject")]
    if std::env::var_os("PSREF_TEST_IGNORE_NODES").is_some() {
        psref::inject::plant(&[psref::inject::Bug::NodesIgnored]);
    }
    let nodes = nodes();
    let mine = common::cpus();
    let Some(&first) = mine.iter().find(|cpu| nodes.contains_key(cpu)) else {
        assert!(std::env::var_os("PSREF_TEST_NODES").is_none(), "no node has memory and CPUs that can run");
        eprintln!("skipped: the kernel tells of no nodes");
        return;
    };
    if node_of((&raw const first) as usize & !7).is_none() {
        eprintln!("skipped: move_pages is not allowed here");
        return;
    }
    common::pin(first);
    let mut seen = Seen::default();
    let sections = psref::backend() == psref::Backend::Rseq;

    // Two of each kind of per-CPU memory, of which one is young: it is opened when others are full.
    let (thing, count, stock) = (Thing::new(), Count::new(), Stock::new(100));
    let mut hold = Hold::EMPTY;
    assert!(thing.acquire(&mut hold));
    // SAFETY: a hold's word for its slot.
    let slot = unsafe { (&raw const hold).byte_add(psref::psref::entry::PSREF_SLOT).cast::<usize>().read() };
    let cells = word(count.at() as usize + COUNT_CELLS);
    // SAFETY: a head that was initialised.
    let magazines = unsafe { (*stock.head()).pool } as usize + POOL_MAGAZINE;
    for (&cpu, &node) in &nodes {
        // Where there are no sections holds lie in the last stripe, which is nobody's.
        if sections {
            seen.look("slots", node_of(slot - (first << STRIPE_SHIFT) + (cpu << STRIPE_SHIFT)), node);
            seen.look("magazines", node_of(magazines + (cpu << STRIPE_SHIFT)), node);
        }
        seen.look("cells", node_of(cells + (cpu << STRIPE_SHIFT)), node);
    }
    thing.release(&mut hold);

    objects(&nodes, &mut seen);
    assert!(seen.0.len() >= 2, "nothing was looked at");
    let several = nodes.values().collect::<std::collections::BTreeSet<_>>().len();
    if let Ok(told) = std::env::var("PSREF_TEST_NODES") {
        assert_eq!(several, told.parse::<usize>().unwrap(), "nodes that have memory and CPUs");
    }
    let text: Vec<_> = seen.0.iter().map(|(what, (right, all))| format!("{what} {right}/{all}")).collect();
    println!("{several} nodes, right: {}", text.join(", "));
    assert!(seen.0.values().all(|(right, all)| right == all), "on other nodes than their CPUs: {}", text.join(", "));
    thing.end();
}

/// Each CPU gets objects of its own node while there are any; all are touched before, by one CPU.
fn objects(nodes: &BTreeMap<usize, usize>, seen: &mut Seen) {
    const EACH: usize = 16;
    let possible = counting::stripes() - 1;
    for size in [64, 1500] {
        let stock = Stock::of_size(EACH * possible, size);
        let all = stock.pop_all();
        assert_eq!(all.len(), EACH * possible);
        let mut on_node = BTreeMap::<usize, usize>::new();
        for &object in &all {
            *on_node.entry(node_of(object as usize).expect("asked before")).or_default() += 1;
        }
        for (&node, cpus) in &nodes.iter().fold(BTreeMap::<_, usize>::new(), |mut sum, (_, node)| {
            *sum.entry(node).or_default() += 1;
            sum
        }) {
            // CPUs that are possible and absent have a share too, which may lie anywhere.
            let there = on_node.get(node).copied().unwrap_or(0);
            for i in 0..cpus * EACH {
                seen.look("objects", Some(usize::from(i < there)), 1);
            }
        }
        stock.push_bulk(&all);
    }
}
