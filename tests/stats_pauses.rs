// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of pools that go, and whose memory others get, while somebody reads: no row is of two pools.
#![cfg(feature = "inject")]

mod common;

use common::hooks;
use psref::inject::{self, Bug};
use psref::{ObjPool, stats};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// A row that is no pool's, if one is shown in that time while pools of two shapes come and go.
fn impossible_row(time: Duration) -> Option<(usize, usize)> {
    let over = AtomicBool::new(false);
    let end = Instant::now() + time;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                drop(ObjPool::new(8, |i| i as u64).unwrap());
                drop(ObjPool::new(100, |i| [i as u64; 4]).unwrap());
            }
        });
        let mut seen = None;
        while seen.is_none() && Instant::now() < end {
            let pools = stats::take().pools;
            let mut rows = pools.iter().map(|pool| (pool.objects, pool.object_size));
            seen = rows.find(|row| ![(8, 8), (100, 32)].contains(row));
            assert!(pools.iter().all(|pool| pool.out == 0 || seen.is_some()), "{pools:?}");
        }
        over.store(true, SeqCst);
        seen
    })
}

#[test]
fn a_row_is_of_one_pool() {
    let _hooks = hooks();
    inject::set_delay(200_000);
    assert_eq!(impossible_row(Duration::from_secs(2)), None);
}

#[test]
fn a_row_of_two_pools_is_noticed() {
    let _hooks = hooks();
    inject::set_delay(200_000);
    inject::plant(&[Bug::StaleListing]);
    assert_ne!(impossible_row(Duration::from_secs(60)), None);
}
