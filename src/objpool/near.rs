// SPDX-License-Identifier: MIT OR Apache-2.0
//! All CPUs, near ones first, beginning with the own. The order is made once for each node and kept for ever: pops may not
//! allocate.

use crate::percpu::runtime;
use crate::sys::errno::{ENOMEM, Errno};
use std::sync::atomic::{AtomicPtr, Ordering};

struct Orders {
    /// By CPU: its order, and its place there.
    of_cpu: Box<[(u32, u32)]>,
    orders: Box<[Box<[u32]>]>,
}

// Not a `Once`: a child forked while another thread was inside would wait for it for ever.
static ORDERS: AtomicPtr<Orders> = AtomicPtr::new(std::ptr::null_mut());

/// Makes the orders. May sleep; before the first pop.
pub(super) fn prepare() -> Result<(), Errno> {
    if !ORDERS.load(Ordering::Acquire).is_null() {
        return Ok(());
    }
    let facts = runtime::get();
    // More than the orders take, a node and a CPU: what is called below ends the program where there is no memory.
    let enough = (4 << 10) + 64 * facts.cpus() * (1 + facts.topology().nodes_near(0).len());
    Vec::<u8>::new().try_reserve_exact(enough).map_err(|_| ENOMEM)?;
    let mut nodes: Vec<Option<u32>> = Vec::new();
    let mut orders: Vec<Box<[u32]>> = Vec::new();
    let mut of_cpu = Vec::with_capacity(facts.cpus());
    for cpu in 0..facts.cpus() {
        let node = facts.node_of(cpu);
        let order = nodes.iter().position(|&known| known == node).unwrap_or_else(|| {
            // `cpus_near` names the others: the first CPU of a node is as near to the rest of it as they are to each other.
            let others = facts.topology().cpus_near(cpu);
            let order: Vec<u32> = std::iter::once(cpu).chain(others).map(|cpu| cpu as u32).collect();
            nodes.push(node);
            orders.push(order.into_boxed_slice());
            orders.len() - 1
        });
        let place = orders[order].iter().position(|&other| other as usize == cpu).unwrap_or(0);
        of_cpu.push((order as u32, place as u32));
    }
    let ours = Box::into_raw(Box::new(Orders { of_cpu: of_cpu.into_boxed_slice(), orders: orders.into_boxed_slice() }));
    // Release and acquire: the orders before the pointer to them.
    if ORDERS.compare_exchange(std::ptr::null_mut(), ours, Ordering::AcqRel, Ordering::Acquire).is_err() {
        // SAFETY: nobody knows of ours.
        drop(unsafe { Box::from_raw(ours) });
    }
    Ok(())
}

/// An iteration over all CPUs.
pub(super) struct Near {
    order: &'static [u32],
    own: usize,
    next: usize,
}

impl Near {
    pub(super) fn to(cpu: usize) -> Near {
        // SAFETY: made before any pool, and never freed.
        let orders = unsafe { &*ORDERS.load(Ordering::Acquire) };
        let (order, place) = orders.of_cpu[cpu];
        Near { order: &orders.orders[order as usize], own: place as usize, next: 0 }
    }
}

impl Iterator for Near {
    type Item = usize;

    /// The own CPU first, then its order without it.
    fn next(&mut self) -> Option<usize> {
        let i = self.next;
        self.next += 1;
        let place = match i {
            0 => self.own,
            i if i <= self.own => i - 1,
            i => i,
        };
        self.order.get(place).map(|&cpu| cpu as usize)
    }
}
