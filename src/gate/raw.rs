// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface in the shape of the proposal, on the caller's own structures: what the C names are, and what other faces are
//! built from. The plain functions end the program on misuse as C's do; the `try_` ones answer it.
#![doc(hidden)]

use super::close::NotClosed;
use super::pass::{TurnedAway, or_die};
pub use super::state::{DeviceState, GateState};
use super::{Misuse, Refusal, close, pass, state};
use crate::park::{GaveUp, Patience};
use crate::sys::errno::Errno;
use std::ffi::{CStr, c_char, c_int};

/// `device_gate_attach`.
///
/// # Safety
/// `device` is null or the caller's alone to write.
pub unsafe fn attach(device: *mut DeviceState) -> Result<(), Errno> {
    // SAFETY: passed on.
    or_die("device_gate_attach", unsafe { state::attach(device) })
}

/// `device_gate_detach`.
///
/// # Safety
/// `device` is null or readable; nobody uses it any more.
pub unsafe fn detach(device: *const DeviceState) {
    // SAFETY: passed on.
    or_die("device_gate_detach", unsafe { state::detach(device) });
}

/// `device_gate_close`: 0 and the gate, ENOMEM, or ENXIO once another's close was sealed.
///
/// # Safety
/// `device` is null or has a gate; `wmesg` is null or a terminated string; `gate` is null or the caller's to write.
pub unsafe fn close(device: *const DeviceState, wmesg: *const c_char, gate: *mut *const GateState) -> c_int {
    const NAME: &str = "device_gate_close";
    if gate.is_null() {
        or_die(NAME, Err(Misuse::Null("gate")))
    }
    // SAFETY: the caller's promise.
    let name = if wmesg.is_null() { &[] } else { unsafe { CStr::from_ptr(wmesg) }.to_bytes() };
    // SAFETY: passed on.
    match or_die(NAME, unsafe { close::close(device, name, Patience::FOREVER) }) {
        Ok(closed) => {
            // SAFETY: the caller's promise.
            unsafe { *gate = closed };
            0
        }
        Err(NotClosed::ByOther(_)) => libc::ENXIO, // the patience had no end
        Err(NotClosed::NoMemory(Errno(e))) => e,
    }
}

/// `device_gate_seal`.
///
/// # Safety
/// `device` is null or has a gate.
pub unsafe fn seal(device: *const DeviceState, gate: *const GateState) {
    // SAFETY: passed on.
    let _ = or_die("device_gate_seal", unsafe { close::seal(device, gate, Patience::FOREVER) });
}

/// Closes.
///
/// # Safety
/// `device` has a gate.
pub unsafe fn try_close(
    device: *const DeviceState,
    wmesg: &[u8],
    patience: Patience,
) -> Result<Result<&'static GateState, Refusal>, Misuse> {
    // SAFETY: passed on.
    Ok(unsafe { close::close(device, wmesg, patience)? }.map_err(|why| match why {
        NotClosed::ByOther(TurnedAway::Sealed) => Refusal::Sealed,
        NotClosed::ByOther(TurnedAway::GaveUp(gave_up)) => Refusal::GaveUp(gave_up),
        NotClosed::NoMemory(e) => Refusal::NoMemory(e),
    }))
}

/// Seals; the inner error says why the wait ended early.
///
/// # Safety
/// `device` has a gate.
pub unsafe fn try_seal(
    device: *const DeviceState,
    gate: *const GateState,
    patience: Patience,
) -> Result<Result<(), GaveUp>, Misuse> {
    // SAFETY: passed on.
    unsafe { close::seal(device, gate, patience) }
}

/// Seals the gate that is closed on the device, or goes on waiting where that was done.
///
/// # Safety
/// `device` has a gate.
pub unsafe fn try_seal_closed(device: *const DeviceState, patience: Patience) -> Result<Result<(), GaveUp>, Misuse> {
    // SAFETY: the caller's promise.
    let state = unsafe { state::device_of(device)? };
    let Some(gate) = state.gate()? else { return Err(Misuse::NotClosed { device: state.address() }) };
    // SAFETY: passed on.
    match unsafe { close::seal(device, gate, patience) } {
        Err(Misuse::SealedTwice { .. }) => close::wait_for_all(state, gate, patience),
        answer => answer,
    }
}

/// How many are inside or wait, give or take those that move meanwhile.
///
/// # Safety
/// `device` has a gate.
pub unsafe fn inside(device: *const DeviceState) -> Result<i64, Misuse> {
    // SAFETY: the caller's promise.
    let device = unsafe { state::device_of(device)? };
    let cells = device.cells()?;
    Ok(if device.gate()?.is_some() { cells.total() } else { device.counted.sum() }.max(0))
}

/// Goes on waiting after a seal that gave up.
///
/// # Safety
/// `device` has a sealed gate.
pub unsafe fn try_wait(device: *const DeviceState, patience: Patience) -> Result<Result<(), GaveUp>, Misuse> {
    // SAFETY: the caller's promise.
    let device = unsafe { state::device_of(device)? };
    match device.gate()? {
        Some(gate) if gate.is_sealed() => close::wait_for_all(device, gate, patience),
        _ => Err(Misuse::NotSealed { device: device.address() }),
    }
}

/// Passes or waits; the inner error: sealed (`None`), or why the wait ended early.
///
/// # Safety
/// `device` has a gate.
pub unsafe fn try_acquire(
    device: *const DeviceState,
    patience: Patience,
) -> Result<Result<(), Option<GaveUp>>, Misuse> {
    // SAFETY: passed on.
    Ok(unsafe { pass::acquire(device, patience)? }.map_err(|why| match why {
        TurnedAway::Sealed => None,
        TurnedAway::GaveUp(gave_up) => Some(gave_up),
    }))
}

/// Ends a gate without asking who is inside: for owners who know.
///
/// # Safety
/// `device` has a gate, and nobody uses it any more.
pub unsafe fn abandon(device: *const DeviceState) {
    // SAFETY: passed on.
    unsafe { state::abandon(device) }
}

macro_rules! fast {
    ($($(#[$doc:meta])* $name:ident / $called:ident = $n:literal, $text:literal, $slow:ident;)*) => {$(
        $(#[$doc])*
        /// The plain case is inlined.
        ///
        /// # Safety
        /// `device` has a gate; for an exit, the caller is inside.
        #[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
        #[inline]
        pub unsafe fn $name(device: *const DeviceState) {
            // SAFETY: the caller's promise.
            unsafe {
                if !(*device).counted.add_plainly::<$n>() {
                    $called(device);
                }
            }
        }

        /// The same as a function.
        ///
        /// # Safety
        /// `device` has a gate; for an exit, the caller is inside.
        #[cfg(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64"))]
        #[unsafe(naked)]
        pub unsafe extern "C" fn $called(_: *const DeviceState) {
            crate::__count_add_body!($text, "", crate::gate::entry::$slow)
        }

        #[cfg(not(all(not(any(loom, miri, psref_tsan)), target_arch = "x86_64")))]
        pub use super::entry::$slow as $name;
    )*};
}

fast! {
    /// `device_gate_enter` for Rust.
    enter / enter_called = 1, "1", enter_slow;
    /// `device_gate_exit` for Rust.
    exit / exit_called = -1, "-1", exit_slow;
}
