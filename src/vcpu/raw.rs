// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of NetBSD's: what the C names are.
#![doc(hidden)]

use super::state::{self, Vcpu};
use crate::diag::fatal;
use crate::lwp;
use crate::sys::cpus;

/// `kpreempt_disable`.
pub fn kpreempt_disable() {
    super::disable();
}

/// `kpreempt_enable`.
pub fn kpreempt_enable() {
    super::enable("kpreempt_enable");
}

/// `curcpu`: the virtual CPU that the thread has, else the one it says it is bound to, else its CPU's at this moment.
pub fn curcpu() -> &'static Vcpu {
    state::all().at(lwp::bound_to().unwrap_or_else(cpus::current) as usize)
}

/// `cpu_index`. What is no virtual CPU is a fatal diagnostic.
pub fn cpu_index(cpu: *const Vcpu) -> u32 {
    number_of("cpu_index", cpu) as u32
}

/// The number of a virtual CPU that C names; what is none is a fatal diagnostic in the name of `who`.
pub(crate) fn number_of(who: &str, cpu: *const Vcpu) -> usize {
    state::all().number_of(cpu).unwrap_or_else(|| {
        fatal(format_args!("{who}: {cpu:p} is no CPU; expected what curcpu() or cpu_lookup() answered"));
    })
}

/// `cpu_lookup`.
pub fn cpu_lookup(index: u32) -> Option<&'static Vcpu> {
    let all = state::all();
    ((index as usize) < all.count()).then(|| all.at(index as usize))
}

/// `ncpu`: how many numbers CPUs can have.
pub fn ncpu() -> u32 {
    state::all().count() as u32
}
