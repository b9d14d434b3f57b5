// SPDX-License-Identifier: MIT OR Apache-2.0
//! Push where the case is not plain. No lock, no malloc: signal handlers come here (R13).
//!
//! ```text
//! no object of the pool           -> refused
//! own magazine full               -> half of it goes to the depots of the objects' homes; again
//! no magazine for this thread now -> the object's home depot; where it is being recalled, help with that
//! ```

use super::Misuse;
use super::pop::cpu_here;
use super::state::{Counter, Pool};
use crate::percpu::magazine::{LARGEST, Recalled};
use crate::sys::errno;
use crate::xcall;

/// Gives objects back; refused, none of them is.
pub(crate) fn push(pool: &Pool, objects: &[usize]) -> Result<(), Misuse> {
    let _errno = errno::Preserve::new();
    // All are looked at before the first is given.
    if objects.iter().any(|&at| pool.layout.number(at).is_none()) {
        return Err(Misuse::Foreign);
    }
    if let Some(states) = &pool.states
        && let Some(&object) =
            objects.iter().find(|&&at| pool.layout.number(at).is_some_and(|number| !states.give(number, false)))
    {
        return Err(Misuse::Twice { object });
    }
    let mut rest = objects;
    while !rest.is_empty() && pool.limit != 0 {
        match pool.magazines.push(rest) {
            None => {
                help_recall(pool);
                break;
            }
            Some(0) => {
                let mut out = [0; LARGEST / 2];
                let half = (pool.magazines.capacity() / 2).clamp(1, out.len());
                let Some(n) = pool.magazines.pop(&mut out[..half]) else { break };
                to_depots(pool, &out[..n]);
            }
            Some(n) => rest = &rest[n..],
        }
    }
    to_depots(pool, rest);
    Ok(())
}

/// A CPU whose threads only push would have its magazine closed for as long as others find objects elsewhere: each such push
/// moves the recall on by an object.
fn help_recall(pool: &Pool) {
    let cpu = cpu_here();
    if pool.magazines.is_recalled(cpu)
        && let Recalled::Object(object) = pool.magazines.recall(cpu, xcall::restart_sections)
    {
        pool.tell(cpu, Counter::Recalls);
        to_depots(pool, &[object]);
    }
}

/// Each object to its home's depot, those of one home together and in their order. However mixed they are, a home's depot, which
/// its CPU may be at too, is changed once.
pub(super) fn to_depots(pool: &Pool, objects: &[usize]) {
    if objects.is_empty() {
        return;
    }
    let cpu = cpu_here();
    pool.tell(cpu, Counter::DepotPushes);
    pool.tell_of(cpu, Counter::Deposited, objects.len());
    let (mut numbers, mut together) = ([0; LARGEST], [0; LARGEST]);
    for objects in objects.chunks(numbers.len()) {
        let mut rest = &mut numbers[..objects.len()];
        for (number, &at) in rest.iter_mut().zip(objects) {
            *number = pool.layout.number(at).expect("only objects get into the pool");
        }
        while let Some(&first) = rest.first() {
            let (home, all) = pool.layout.home_of_all(first);
            let (mut here, mut elsewhere) = (0, 0);
            for i in 0..rest.len() {
                let object = rest[i];
                if all.contains(&object) {
                    together[here] = object;
                    here += 1;
                } else {
                    rest[elsewhere] = object;
                    elsewhere += 1;
                }
            }
            pool.depots.push(pool.magazines.depot(home), &together[..here]);
            rest = &mut rest[..elsewhere];
        }
    }
}
