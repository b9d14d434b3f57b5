// SPDX-License-Identifier: MIT OR Apache-2.0
//! The slow routines that the exported fast paths leave for. Not for users.
#![doc(hidden)]

use super::pass::{self, TurnedAway};
pub use super::state::{DeviceState, GateState};
use crate::park::Patience;
use std::ffi::c_int;

/// Bytes of a gate while it is closed.
#[cfg(not(loom))]
pub const GATE_BYTES: usize = crate::stable::Pool::<GateState>::BYTES;

/// Where the enter fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `device_gate_enter`.
pub unsafe extern "C" fn enter_slow(device: *const DeviceState) {
    // SAFETY: passed on.
    pass::or_die("device_gate_enter", unsafe { pass::enter(device) });
}

/// Where the exit fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `device_gate_exit`.
pub unsafe extern "C" fn exit_slow(device: *const DeviceState) {
    // SAFETY: passed on.
    pass::or_die("device_gate_exit", unsafe { pass::exit(device) });
}

/// Where the release fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `device_gate_release`.
pub unsafe extern "C" fn release_slow(device: *const DeviceState) {
    // SAFETY: passed on.
    pass::or_die("device_gate_release", unsafe { pass::exit(device) });
}

/// Where the acquire fast path goes whenever the case is not plain.
///
/// # Safety
/// As of `device_gate_acquire`.
pub unsafe extern "C" fn acquire_slow(device: *const DeviceState, interruptible: bool) -> c_int {
    let patience = if interruptible { Patience::FOREVER.or_signal() } else { Patience::FOREVER };
    // SAFETY: passed on.
    match pass::or_die("device_gate_acquire", unsafe { pass::acquire(device, patience) }) {
        Ok(()) => 0,
        Err(TurnedAway::Sealed) => libc::ENXIO,
        Err(TurnedAway::GaveUp(_)) => libc::EINTR,
    }
}
