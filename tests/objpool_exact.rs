// SPDX-License-Identifier: MIT OR Apache-2.0
//! What an empty answer means and what a full one costs: `NULL` only where no object lies anywhere, wherever the others of its
//! pool lie; membarriers only where a magazine shows objects, one for all that are in it.
#![cfg(feature = "inject")]

mod common;
#[path = "common/stock.rs"]
mod stock;

use common::{backend_is_rseq, hooks, until};
use psref::inject::{self, Site};
use stock::{Hands, Object, Stock};

const OBJECTS: usize = 64;

/// Something done by a thread of its own on one CPU; nobody else runs meanwhile.
fn on<R: Send>(cpu: usize, f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let there = scope.spawn(move || {
            common::pin(cpu);
            f()
        });
        there.join().unwrap()
    })
}

fn push_all(stock: &Stock, objects: &[Object]) {
    objects.iter().for_each(|&object| stock.push(object));
}

fn push_slowly(stock: &Stock, objects: &[Object]) {
    for &object in objects {
        // SAFETY: popped before.
        assert_eq!(unsafe { psref::objpool::raw::push_slowly(object, stock.head()) }, 0);
    }
}

/// Pushes past every magazine: to the depots of the objects' homes.
fn push_to_depots(stock: &Stock, objects: &[Object]) {
    inject::limit_cpus(Some(0));
    push_slowly(stock, objects);
    inject::limit_cpus(None);
}

/// Two CPUs, one of which may be the other on a small machine.
fn two_cpus() -> [usize; 2] {
    let cpus = common::cpus();
    [cpus[0], *cpus.last().unwrap()]
}

/// An empty pool, and its objects.
fn emptied() -> (Stock, Hands) {
    let stock = Stock::new(OBJECTS);
    let all = stock.pop_all();
    assert_eq!(all.len(), OBJECTS);
    (stock, Hands(all))
}

#[test]
fn objects_in_magazines_and_depots_are_all_found_from_every_cpu() {
    let _hooks = hooks();
    let [here, there] = two_cpus();
    for pusher in [here, there] {
        for popper in [here, there] {
            for in_magazine in [0, 1, 7] {
                for in_depots in [0, 1, OBJECTS / 2] {
                    let (stock, Hands(all)) = emptied();
                    push_to_depots(&stock, &all[..in_depots]);
                    let hands = Hands(all[in_depots..in_depots + in_magazine].to_vec());
                    on(pusher, || push_all(&stock, &{ hands }.0));
                    let Hands(got) = on(popper, || Hands(stock.pop_all()));
                    assert_eq!(got.len(), in_magazine + in_depots, "pushed on CPU {pusher}, popped on {popper}");
                }
            }
        }
    }
}

#[test]
fn bulk_pops_find_them_too() {
    let _hooks = hooks();
    let [here, there] = two_cpus();
    for n in [1, 3, OBJECTS / 2, OBJECTS, 2 * OBJECTS] {
        let (stock, Hands(all)) = emptied();
        push_to_depots(&stock, &all[..OBJECTS / 2]);
        let hands = Hands(all[OBJECTS / 2..].to_vec());
        on(there, || stock.push_bulk(&{ hands }.0));
        let got = on(here, || stock.pop_bulk(n).len());
        assert_eq!(got, n.min(OBJECTS));
    }
}

/// Somebody recalled a magazine, took an object or two of it, and did no more.
#[test]
fn what_a_recall_left_behind_is_found_from_every_cpu() {
    let _hooks = hooks();
    let [here, there] = two_cpus();
    if here == there || !backend_is_rseq() {
        return;
    }
    for popper in [here, there] {
        for pushed_later in [0, 4] {
            let (stock, Hands(all)) = emptied();
            let hands = Hands(all[..6].to_vec());
            on(there, || push_all(&stock, &{ hands }.0));
            let before = inject::barriers();
            assert!(on(here, || stock.pop().is_some() && stock.pop().is_some()));
            assert!(inject::barriers() > before, "nothing was recalled: the test shows nothing");
            // Whoever pushes where the magazine is open for everybody pushes past it.
            let hands = Hands(all[6..6 + pushed_later].to_vec());
            on(there, || push_all(&stock, &{ hands }.0));
            assert_eq!(on(popper, || stock.pop_all().len()), 4 + pushed_later);
        }
    }
}

/// Threads stopped inside their sections keep nobody from what lies in their magazines.
#[test]
fn a_thread_stopped_in_a_section_hides_nothing() {
    let _hooks = hooks();
    let [cpu, elsewhere] = two_cpus();
    if cpu == elsewhere || !backend_is_rseq() {
        return;
    }
    for site in [Site::PopGuarded, Site::PopCommit, Site::PushGuarded, Site::PushCommit] {
        for _ in 0..20 {
            let (stock, Hands(all)) = emptied();
            let (hands, last) = (Hands(all[..7].to_vec()), Hands(vec![all[7]]));
            let stock = &stock;
            let ready = &std::sync::Barrier::new(2);
            common::pin(elsewhere);
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let (hands, last) = ({ hands }, { last });
                    common::pin(cpu);
                    push_all(stock, &hands.0);
                    ready.wait();
                    ready.wait();
                    match site {
                        Site::PopGuarded | Site::PopCommit => drop(stock.pop()),
                        _ => push_all(stock, &last.0),
                    }
                });
                ready.wait();
                let before = inject::waiting_at_gate();
                inject::shut_gate(site);
                ready.wait();
                until("the thread to come to the gate", || inject::waiting_at_gate() > before);
                // The first one restarts the thread, which takes one itself perhaps.
                let got = (0..7).take_while(|_| stock.pop_slowly().is_some()).count();
                inject::open_gate();
                assert!(got >= 6, "{site:?}: {got} of 7 were found");
            });
        }
    }
}

#[test]
fn an_empty_pool_answers_without_a_membarrier() {
    let _hooks = hooks();
    let [here, there] = two_cpus();
    let (stock, Hands(all)) = emptied();
    // Recalled magazines that were emptied are opened again by whoever comes next: also without.
    let hands = Hands(all[..5].to_vec());
    on(there, || push_all(&stock, &{ hands }.0));
    assert_eq!(on(here, || stock.pop_all().len()), 5);
    let (before, failures) = (inject::barriers(), stock.statistics().failures);
    for cpu in [here, there, here] {
        on(cpu, || {
            for _ in 0..100 {
                assert!(stock.pop().is_none());
                assert!(stock.pop_bulk(3).is_empty());
            }
        });
    }
    assert_eq!(inject::barriers(), before);
    assert!(stock.statistics().failures >= failures + 300);
}

#[test]
fn a_magazine_is_recalled_once_for_all_that_is_in_it() {
    let _hooks = hooks();
    let [here, there] = two_cpus();
    if here == there || !backend_is_rseq() {
        return;
    }
    let (stock, Hands(all)) = emptied();
    let objects = &all[..7];
    for turn in 0..5 {
        let hands = Hands(objects.to_vec());
        on(there, || push_all(&stock, &{ hands }.0));
        let (before, recalled) = (inject::barriers(), stock.statistics().recalls);
        assert!(on(here, || stock.pop().is_some()), "turn {turn}");
        let once = inject::barriers();
        assert!(once > before, "turn {turn}: nothing was recalled");
        assert_eq!(on(here, || stock.pop_all().len()), 6, "turn {turn}");
        assert_eq!(inject::barriers(), once, "turn {turn}: recalled again");
        assert_eq!(stock.statistics().recalls, recalled + 7, "turn {turn}");
        // Whoever comes next opens it, and then pushes go there again.
        assert!(on(there, || stock.pop().is_none()), "turn {turn}");
        let hands = Hands(objects.to_vec());
        on(there, || {
            let pushes = stock.statistics().depot_pushes;
            push_all(&stock, &{ hands }.0);
            assert_eq!(stock.statistics().depot_pushes, pushes, "turn {turn}: not open again");
            assert_eq!(stock.pop_all().len(), 7, "turn {turn}");
        });
    }
}

/// Else a CPU whose depot is never empty would have no magazine any more.
#[test]
fn a_recalled_magazine_opens_although_there_are_depots() {
    let _hooks = hooks();
    let [here, there] = two_cpus();
    if here == there || !backend_is_rseq() {
        return;
    }
    let (stock, Hands(all)) = emptied();
    let hands = Hands(all[..6].to_vec());
    on(there, || push_all(&stock, &{ hands }.0));
    assert!(on(here, || stock.pop().is_some()));
    push_to_depots(&stock, &all[6..]);
    on(there, || {
        let few: Vec<_> = (0..7).map_while(|_| stock.pop()).collect();
        assert_eq!(few.len(), 7);
        let before = stock.statistics().depot_pushes;
        stock.push(few[0]);
        assert_eq!(stock.statistics().depot_pushes, before, "the magazine is still closed");
    });
}

#[test]
fn as_long_as_a_depot_has_objects_no_magazine_is_recalled() {
    let _hooks = hooks();
    let [here, there] = two_cpus();
    let (stock, Hands(all)) = emptied();
    let hands = Hands(all[..5].to_vec());
    on(there, || push_all(&stock, &{ hands }.0));
    push_to_depots(&stock, &all[5..]);
    let before = inject::barriers();
    for _ in 5..OBJECTS {
        assert!(on(here, || stock.pop().is_some()));
    }
    assert_eq!(inject::barriers(), before);
    assert_eq!(stock.statistics().recalls, 0);
}

/// A CPU past the end of the stripes has no magazine, and is served by the depots.
#[test]
fn where_a_cpu_has_no_magazine_nothing_is_lost() {
    let _hooks = hooks();
    for objects in [1, 7, 300] {
        let stock = Stock::new(objects);
        inject::limit_cpus(Some(0));
        for _ in 0..3 {
            let mut all: Vec<Object> = std::iter::from_fn(|| stock.pop_slowly()).take(objects + 1).collect();
            assert_eq!(all.len(), objects);
            all.sort();
            all.dedup();
            assert_eq!(all.len(), objects);
            push_slowly(&stock, &all);
            let bulk = stock.pop_bulk(objects + 1);
            assert_eq!(bulk.len(), objects);
            stock.push_bulk(&bulk);
        }
        inject::limit_cpus(None);
        assert_eq!(stock.pop_all().len(), objects);
    }
}

#[test]
fn a_pool_without_memory_is_enomem_and_leaks_nothing() {
    let _hooks = hooks();
    let mapped = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    drop(Stock::new(10));
    inject::refuse_memory(true);
    assert_eq!(Stock::try_new(10).err(), Some(-libc::ENOMEM));
    let before = mapped();
    for objects in (1..2000).chain([1 << 20, 1 << 24]) {
        assert_eq!(Stock::try_new(objects).err(), Some(-libc::ENOMEM));
    }
    assert_eq!(mapped(), before);
    inject::refuse_memory(false);
    assert_eq!(Stock::new(10).pop_all().len(), 10);
}
