// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was retired in a program without the library's thread: whoever waits sees to it, and hands over when it gives up.

use psref::{Class, Patience, Target, retire};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[test]
fn whoever_gives_up_hands_over_to_another_who_waits() {
    // SAFETY: the only test of this program. Who waits for ever shall not look again by himself.
    unsafe { std::env::set_var("PSREF_DRAIN_WARN", "3600") };
    assert_eq!(retire::poll(), 0); // no thread from here on
    let class = Class::new("handed over").unwrap();
    for turn in 0..200 {
        let target = Target::new(&class, ());
        let guard = target.acquire().unwrap();
        target.retire(drop).unwrap();
        let (tell, told) = channel();
        std::thread::scope(|scope| {
            for limit in [Some(turn * 20), Some(turn * 5), None] {
                let tell = tell.clone();
                scope.spawn(move || match limit {
                    Some(limit) => drop(retire::barrier_within(Patience::at_most(Duration::from_micros(limit)))),
                    None => {
                        retire::barrier();
                        tell.send(()).unwrap();
                    }
                });
            }
            let began = Instant::now();
            while began.elapsed() < Duration::from_micros(turn * 30) {
                std::hint::spin_loop();
            }
            assert!(told.try_recv().is_err(), "held, and the barrier has returned");
            drop(guard);
            if told.recv_timeout(Duration::from_secs(30)).is_err() {
                eprintln!("turn {turn}: nobody sees to what was retired");
                std::process::abort(); // the scope would wait for ever
            }
        });
    }
}
