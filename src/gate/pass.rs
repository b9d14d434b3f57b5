// SPDX-License-Identifier: MIT OR Apache-2.0
//! Passing the gate where the case is not plain. Enter and exit take no lock, never sleep and never fail: interrupt handlers
//! come here (R13).
//!
//! ```text
//! enter:    cells += 1, or with the guard set: total += 1
//! exit:     cells -= 1, or with the guard set: total -= 1; at 0 wake the sealer
//! acquire:  cells += 1, or with the guard set:
//!               total += 1                       first (R20)
//!               loop
//!                   seen = gate.turned           before the look (R3)
//!                   gate.state == SEALED         -> leave: ENXIO
//!                   sleep while gate.turned == seen; a signal, if interruptible -> leave: EINTR
//! leave:    total -= 1; at 0 wake the sealer
//! ```

use super::misuse::Misuse;
use super::state::{DeviceState, GateState, device_of};
use crate::diag::fatal;
use crate::park::{GaveUp, Patience};
use crate::percpu::count::Cells;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};

/// The C face's answer to a misuse.
pub(crate) fn or_die<T>(function: &str, answer: Result<T, Misuse>) -> T {
    answer.unwrap_or_else(|misuse| fatal(format_args!("{function}: {misuse}")))
}

/// Why a late-comer did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// The gate was sealed.
    Sealed,
    /// Its patience ended.
    GaveUp(GaveUp),
}

/// Enters; always counted.
///
/// # Safety
/// `device` is null, or has a gate and is readable until this returns (R1, R21).
pub(crate) unsafe fn enter(device: *const DeviceState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let device = unsafe { device_of(device)? };
    if device.counted.add(1).is_err() {
        device.gate()?;
        device.cells()?.add_to_total(1);
    }
    Ok(())
}

/// Exits, or releases.
///
/// # Safety
/// `device` is null, or the caller is inside.
pub(crate) unsafe fn exit(device: *const DeviceState) -> Result<(), Misuse> {
    // SAFETY: the caller's promise.
    let device = unsafe { device_of(device)? };
    let cells = device.cells()?; // before the caller is out: the device may be gone after that
    if device.counted.add(-1).is_err() {
        device.gate()?;
        cells.leave_total();
    }
    Ok(())
}

/// Passes an open gate, waits at a closed one as long as `patience` says.
///
/// # Safety
/// As of [`enter`].
pub(crate) unsafe fn acquire(device: *const DeviceState, patience: Patience) -> Result<Result<(), TurnedAway>, Misuse> {
    // SAFETY: the caller's promise.
    let device = unsafe { device_of(device)? };
    if device.counted.add(1).is_ok() {
        return Ok(Ok(()));
    }
    let gate = device.gate()?.expect("a gate that is not open never opens again (D2)");
    let cells = device.cells()?;
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::Uncounted) {
        return Ok(Err(wait(gate, patience)));
    }
    cells.add_to_total(1);
    // From here on nothing of the device is touched, but its gate's record and its total, which outlive it (D4).
    let why = wait(gate, patience);
    cells.leave_total();
    Ok(Err(why))
}

/// Waits at a closed gate until it is sealed. The caller is in the total.
pub(super) fn wait(gate: &GateState, patience: Patience) -> TurnedAway {
    loop {
        let seen = gate.turned.word();
        if gate.is_sealed() {
            return TurnedAway::Sealed;
        }
        #[cfg(any(loom, feature = "inject"))]
        plant::about_to_sleep();
        if let Err(gave_up) = patience.wait(&gate.turned, seen, u64::MAX) {
            return TurnedAway::GaveUp(gave_up);
        }
    }
}

/// The same for whoever wanted to close a gate that another has closed.
pub(super) fn wait_as_late_comer(gate: &GateState, cells: Cells, patience: Patience) -> TurnedAway {
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::Uncounted) {
        return wait(gate, patience);
    }
    cells.add_to_total(1);
    let why = wait(gate, patience);
    cells.leave_total();
    why
}
