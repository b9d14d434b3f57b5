// SPDX-License-Identifier: MIT OR Apache-2.0
//! Closing and sealing.
//!
//! ```text
//! close:    guard = a fresh record; membarrier; total += sum of the cells       from now on nothing else changes (D5)
//!           gate.state = CLOSED                  the total counts everybody: a seal may look at it
//!           somebody was first: wait as a late-comer; ENXIO
//! seal:     gate.state = SEALED; wake all late-comers
//!           loop
//!               seen = moved                     before the look (R3)
//!               total == 0                       -> done
//!               sleep while moved == seen
//! ```

use super::misuse::Misuse;
use super::pass::{self, TurnedAway};
use super::state::{CLOSED, CLOSING, DeviceState, GATES, GateState, SEALED, device_of};
use crate::diag::report;
use crate::park::{GaveUp, Patience, outcome};
use crate::percpu::count::Cells;
use crate::sys::errno::Errno;
#[cfg(any(loom, feature = "inject"))]
use crate::sys::plant::{self, Bug};
use crate::sys::probe;
use crate::sys::sync::Ordering;
use crate::tally::{Ledger, Waits};
use crate::watchdog::Watchdog;
use crate::{thread, xcall};

/// Seals of all gates.
static SEALS: Ledger = Ledger::new();

/// Statistics of all gates: a device has no room for its own.
pub(crate) fn stats() -> Waits {
    SEALS.read()
}

/// Why a gate was not closed by this call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotClosed {
    /// Another has closed it; what ended the wait for its seal.
    ByOther(TurnedAway),
    /// No memory for a record; the gate is as it was.
    NoMemory(Errno),
}

/// Closes the gate of a device: from now on threads wait at it, until it is sealed. Handlers pass. Where another has closed it,
/// waits for its seal as long as `patience` says.
///
/// # Safety
/// `device` is null, or has a gate and is readable until this returns.
pub(crate) unsafe fn close(
    device: *const DeviceState,
    wmesg: &[u8],
    patience: Patience,
) -> Result<Result<&'static GateState, NotClosed>, Misuse> {
    crate::strict::assert_sleepable("device_gate_close");
    // SAFETY: the caller's promise.
    let device = unsafe { device_of(device)? };
    let cells = device.cells()?;
    if let Some(gate) = device.gate()? {
        return Ok(Err(NotClosed::ByOther(pass::wait_as_late_comer(gate, cells, patience))));
    }
    let gate = match GATES.take() {
        Ok(gate) => gate,
        Err(e) => return Ok(Err(NotClosed::NoMemory(e))),
    };
    gate.set_name(wmesg);
    gate.state.store(CLOSING, Ordering::SeqCst);
    #[cfg(loom)]
    if plant::planted(Bug::ShownClosedEarly) {
        gate.state.store(CLOSED, Ordering::SeqCst);
    }
    let ours = std::ptr::from_ref(gate).expose_provenance();
    // SeqCst: the record before its address, and the first half of fence C (see `Counted::close`).
    if device.counted.guard.compare_exchange(0, ours, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        // SAFETY: taken above, nobody knows of it.
        unsafe { GATES.give(gate) };
        let gate = device.gate()?.expect("a gate that is not open never opens again (D2)");
        return Ok(Err(NotClosed::ByOther(pass::wait_as_late_comer(gate, cells, patience))));
    }
    #[cfg(feature = "inject")]
    let early = plant::planted(Bug::SumsFirst).then(|| {
        let sum = device.counted.close();
        crate::sys::inject::pause();
        sum
    });
    xcall::restart_sections();
    #[cfg(feature = "inject")]
    let sum = early.unwrap_or_else(|| device.counted.close());
    #[cfg(not(feature = "inject"))]
    let sum = device.counted.close();
    let total = cells.add_to_total(sum);
    // After the sum: whoever seals what it finds closed must not find a total of 0 that lacks the cells.
    gate.state.store(CLOSED, Ordering::SeqCst);
    if total < 0 {
        return Err(Misuse::Negative { device: device.address(), total });
    }
    Ok(Ok(gate))
}

/// Turns away who waits at a closed gate and waits for everybody inside, as long as `patience` says. After `Err(GaveUp)` it is
/// sealed, and [`wait_for_all`] goes on waiting.
///
/// # Safety
/// `device` is null, or has a gate and is readable until this returns.
pub(crate) unsafe fn seal(
    device: *const DeviceState,
    gate: *const GateState,
    patience: Patience,
) -> Result<Result<(), GaveUp>, Misuse> {
    crate::strict::assert_sleepable("device_gate_seal");
    // SAFETY: the caller's promise.
    let state = unsafe { device_of(device)? };
    let on_it = state.gate()?;
    let ours = on_it.filter(|on_it| std::ptr::eq(*on_it, gate)).ok_or(Misuse::NotItsGate {
        device: state.address(),
        seen: gate.addr(),
        expected: on_it.map_or(0, |gate| std::ptr::from_ref(gate).addr()),
    })?;
    match ours.state.compare_exchange(CLOSED, SEALED, Ordering::SeqCst, Ordering::SeqCst) {
        Ok(_) => {}
        Err(CLOSING) => return Err(Misuse::NotClosed { device: state.address() }),
        Err(_) => return Err(Misuse::SealedTwice { device: state.address() }),
    }
    #[cfg(any(loom, feature = "inject"))]
    if plant::planted(Bug::SilentSeal) {
        return wait_for_all(state, ours, patience);
    }
    ours.turned.advance_and_wake_all();
    wait_for_all(state, ours, patience)
}

/// Waits for everybody inside a sealed gate.
pub(super) fn wait_for_all(
    device: &DeviceState,
    gate: &GateState,
    patience: Patience,
) -> Result<Result<(), GaveUp>, Misuse> {
    let cells = device.cells()?;
    SEALS.begin(1);
    probe::seal_start(device.address());
    let answer = wait_for_total(device, gate, cells, patience);
    if let Ok(answer) = answer {
        probe::seal_end(device.address(), outcome(answer));
    }
    answer
}

fn wait_for_total(
    device: &DeviceState,
    gate: &GateState,
    cells: Cells,
    patience: Patience,
) -> Result<Result<(), GaveUp>, Misuse> {
    let mut watchdog = Watchdog::new();
    let answer = loop {
        let seen = cells.moved().word();
        match cells.total() {
            0 => break Ok(()),
            total if total < 0 => return Err(Misuse::Negative { device: device.address(), total }),
            _ => {}
        }
        if let Some(seconds) = watchdog.due() {
            tell(device, gate, cells, seconds);
        }
        if let Err(gave_up) = patience.wait(cells.moved(), seen, watchdog.next()) {
            break Err(gave_up);
        }
    };
    if let Some(ns) = watchdog.waited() {
        SEALS.waited(ns, answer.is_err());
    }
    Ok(answer)
}

#[cold]
fn tell(device: &DeviceState, gate: &GateState, cells: Cells, seconds: u64) {
    let name = gate.name();
    let text = &name[..name.iter().position(|&byte| byte == 0).unwrap_or(name.len())];
    let text = text.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    report(format_args!(
        "seal of device {:#x} (\"{}\") has waited {seconds} s for {} inside{}",
        device.address(),
        text,
        cells.total(),
        if thread::is_forked() { "; this process was forked: threads that did not come along never leave" } else { "" }
    ));
}
