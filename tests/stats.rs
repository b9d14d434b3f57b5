// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics through the safe face. Other tests of this program run meanwhile: each looks at what it has made.

mod common;

use psref::stats::{self, ClassStats, PoolStats};
use psref::{Class, Gate, LocalCount, ObjPool, Patience, Pserialize, Target, retire};
use std::time::{Duration, Instant};

fn of(name: &str) -> ClassStats {
    let found = stats::take().classes.into_iter().find(|class| class.name == name);
    found.unwrap_or_else(|| panic!("no class {name:?}"))
}

fn pool_of(objects: usize) -> PoolStats {
    let found = stats::take().pools.into_iter().find(|pool| pool.objects == objects);
    found.unwrap_or_else(|| panic!("no pool of {objects} objects"))
}

fn no_time() -> Patience {
    Patience::at_most(Duration::ZERO)
}

#[test]
fn a_class_shows_its_holds_and_drains_and_then_is_gone() {
    let class = Class::new("shown").unwrap();
    let (one, other) = (Target::new(&class, 1), Target::new(&class, 2));
    let guards = (one.acquire().unwrap(), other.acquire().unwrap());
    assert_eq!((of("shown").holds, of("shown").drains.begun), (2, 0));
    one.drain_within(no_time()).unwrap_err();
    let drains = of("shown").drains;
    assert_eq!((drains.begun, drains.waited, drains.gave_up), (1, 1, 1));
    assert_eq!(drains.spans.iter().sum::<u64>(), 1);
    assert_eq!(drains.histogram().count(), 1);
    drop(guards);
    Target::drop_many([one, other]);
    let drains = of("shown").drains;
    assert_eq!((of("shown").holds, drains.begun, drains.waited), (0, 3, 1));
    drop(class);
    assert!(stats::take().classes.iter().all(|class| class.name != "shown"));
}

#[test]
#[cfg_attr(miri, ignore = "descriptors")]
fn a_drain_by_descriptor_waits_until_somebody_finds_it_done() {
    let class = Class::new("watched").unwrap();
    let (held, free, left) = (Target::new(&class, 1), Target::new(&class, 2), Target::new(&class, 3));
    let guards = (held.acquire().unwrap(), left.acquire().unwrap());
    let fds = [&held, &free, &left].map(|target| target.drain_fd().unwrap());
    let began = Instant::now(); // once the drains have begun: each lasts at least as long as what follows
    let drains = of("watched").drains;
    assert_eq!((drains.begun, drains.waited), (3, 0), "nothing has ended yet");
    assert!(free.poll_drained() && !held.poll_drained());
    assert_eq!(of("watched").drains.waited, 0);
    common::until("2 ms", || began.elapsed() >= Duration::from_millis(2));
    drop(guards.0);
    assert!(held.poll_drained());
    let drains = of("watched").drains;
    assert_eq!((drains.begun, drains.waited, drains.gave_up), (3, 1, 0));
    assert!(drains.longest_ns >= 2_000_000 && drains.ns == drains.longest_ns);
    // Another drain ends it too, and is one itself.
    left.drain_within(no_time()).unwrap_err();
    drop(guards.1);
    left.drain();
    let drains = of("watched").drains;
    assert_eq!((drains.begun, drains.waited, drains.gave_up), (5, 3, 1));
    drop(fds);
}

#[test]
fn a_seal_that_goes_on_is_one_more() {
    let (gate, before) = (Gate::new().unwrap(), stats::take().seals);
    let pass = gate.enter();
    gate.close("more").unwrap().seal_within(no_time()).unwrap_err();
    gate.wait_within(no_time()).unwrap_err();
    gate.wait_within(no_time()).unwrap_err();
    drop(pass);
    gate.wait_within(no_time()).unwrap();
    let after = stats::take().seals;
    let more = [after.begun - before.begun, after.waited - before.waited, after.gave_up - before.gave_up];
    assert_eq!(more, [4, 3, 3]);
}

#[test]
#[cfg_attr(miri, ignore = "pins itself to a CPU")]
fn a_class_made_anew_begins_at_nothing() {
    common::pin(common::cpus()[0]); // every CPU has room for 32
    for _ in 0..20 {
        let class = Class::new("anew").unwrap();
        let seen = of("anew");
        assert_eq!((seen.holds, seen.slow_acquires, seen.drains.begun, seen.retired), (0, 0, 0, 0));
        let target = Target::new(&class, ());
        let _many: Vec<_> = (0..100).map(|_| target.acquire().unwrap()).collect();
        assert!(of("anew").slow_acquires >= 100 - 32);
        drop(_many);
    }
}

#[test]
fn what_is_retired_shows_until_its_end() {
    let class = Class::new("retired").unwrap();
    let target = Target::new(&class, ());
    let guard = target.acquire().unwrap();
    let ended = stats::take().retire.ended;
    target.retire(drop).unwrap();
    assert_eq!(of("retired").retired, 1);
    assert!(stats::take().retire.outstanding >= 1);
    common::until("a look at it", || stats::take().retire.held == 1);
    // Nobody else retires here: barriers ask for batches of nothing.
    let batches = stats::take().retire.batches;
    for _ in 0..3 {
        retire::barrier_within(Patience::at_most(Duration::from_millis(20))).unwrap_err();
    }
    assert_eq!(stats::take().retire.batches, batches);
    drop(guard);
    retire::barrier();
    assert_eq!(of("retired").retired, 0);
    assert!(stats::take().retire.ended > ended);
}

#[test]
fn a_pool_shows_what_is_out() {
    let pool = ObjPool::new(77, |i| i).unwrap();
    let out: Vec<_> = (0..50).map(|_| pool.pop().unwrap()).collect();
    let seen = pool_of(77);
    assert_eq!((seen.out, seen.object_size, seen.failures), (50, 8, 0));
    drop(out);
    assert_eq!(pool_of(77).out, 0);
    drop(pool);
    assert!(stats::take().pools.iter().all(|pool| pool.objects != 77));
}

#[test]
fn counts_and_performs_show_together() {
    let before = stats::take();
    let count = LocalCount::new(()).unwrap();
    count.drain();
    Pserialize::new().unwrap().perform();
    let after = stats::take();
    assert!(after.localcounts.drains.begun > before.localcounts.drains.begun);
    assert!(after.pserialize.performs.begun > before.pserialize.performs.begun);
    assert!(after.pserialize.grace_periods > before.pserialize.grace_periods);
    assert!(after.cross_calls >= before.cross_calls + 2);
}

#[test]
fn text_and_json_say_the_same() {
    let class = Class::new("said \"so\"").unwrap();
    let target = Target::new(&class, ());
    let _guard = target.acquire().unwrap();
    let stats = stats::take();
    assert!(stats.to_string().contains("class \"said \\\"so\\\"\": 1 hold(s)"));
    let json = stats.to_json();
    assert!(json.contains("{\"name\":\"said \\\"so\\\"\",\"strict\":false,\"holds\":1,"), "{json}");
    assert!(!json.contains('\n') && json.starts_with("{\"version\":") && json.ends_with("}}"));
    assert!(format!("{stats}").starts_with("psref "));
}
