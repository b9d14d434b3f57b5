// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face: passes borrow the gate, so it cannot go away under them.

use super::raw::{self, DeviceState, GateState};
use crate::park::{GaveUp, Patience};
use crate::sys::errno::Errno;
use std::fmt;
use std::time::Duration;

/// A gate in front of something that is going to be taken away: drivers pass it all the time, the owner closes and seals it once.
///
/// Source: David Young's device gates, proposed on tech-kern in 2009.
///
/// ```
/// let gate = std::sync::Arc::new(psref::Gate::new()?);
/// let inside = gate.enter();
/// let closed = gate.close("detach").unwrap();
/// let late = std::thread::spawn({
///     let gate = gate.clone();
///     move || gate.acquire(psref::Patience::FOREVER).unwrap_err() // waits at the closed gate
/// });
/// drop(inside);
/// closed.seal(); // turns the late-comer away, waits for whoever is inside
/// assert_eq!(late.join().unwrap(), psref::Refusal::Sealed);
/// # Ok::<(), psref::Errno>(())
/// ```
#[doc(alias = "device_gate_attach")]
pub struct Gate {
    device: DeviceState,
}

impl Gate {
    /// Makes an open gate. May sleep.
    ///
    /// # Errors
    /// ENOMEM: no memory for the cells.
    pub fn new() -> Result<Gate, Errno> {
        let mut device = DeviceState::detached();
        // SAFETY: ours alone; moving it later is harmless, for the library keeps no address of it between calls.
        unsafe { raw::attach(&raw mut device)? };
        Ok(Gate { device })
    }

    /// Passes, also where the gate is closed or sealed: for handlers, which can neither wait nor fail. May be called in signal
    /// handlers; never sleeps.
    #[doc(alias = "device_gate_enter")]
    pub fn enter(&self) -> Pass<'_> {
        // SAFETY: the borrow keeps the gate.
        unsafe { raw::enter(&raw const self.device) };
        Pass { gate: self }
    }

    /// Passes an open gate; waits at a closed one as long as `patience` says, until it is sealed.
    ///
    /// # Errors
    /// [`Refusal::Sealed`], or what ended the patience.
    #[doc(alias = "device_gate_acquire")]
    pub fn acquire(&self, patience: Patience) -> Result<Pass<'_>, Refusal> {
        // SAFETY: the borrow keeps the gate, which is attached until it is dropped: no misuse is left.
        match unsafe { raw::try_acquire(&raw const self.device, patience) }.expect("attached") {
            Ok(()) => Ok(Pass { gate: self }),
            Err(None) => Err(Refusal::Sealed),
            Err(Some(gave_up)) => Err(Refusal::GaveUp(gave_up)),
        }
    }

    /// Closes the gate; `what` shows in reports. From now on `acquire` waits, `enter` passes still. May sleep.
    ///
    /// # Errors
    /// [`Refusal::Sealed`]: another has closed it; this waited until that one sealed it. [`Refusal::NoMemory`].
    #[doc(alias = "device_gate_close")]
    pub fn close(&self, what: &str) -> Result<Closed<'_>, Refusal> {
        // SAFETY: the borrow keeps the gate; guards count exactly once, so no misuse is left.
        match unsafe { raw::try_close(&raw const self.device, what.as_bytes()) }.expect("attached") {
            Ok(state) => Ok(Closed { gate: self, state }),
            Err(None) => Err(Refusal::Sealed),
            Err(Some(e)) => Err(Refusal::NoMemory(e)),
        }
    }

    /// Goes on waiting for whoever is inside after a [`Closed::seal_within`] that gave up.
    ///
    /// # Errors
    /// [`GaveUp`].
    ///
    /// # Panics
    /// On a gate that was not sealed.
    pub fn wait_within(&self, patience: Patience) -> Result<(), GaveUp> {
        // SAFETY: the borrow keeps the gate.
        unsafe { raw::try_wait(&raw const self.device, patience) }.unwrap_or_else(|misuse| panic!("Gate: {misuse}"))
    }
}

impl Drop for Gate {
    /// Nobody is inside: passes borrow the gate. One that was forgotten (`mem::forget`) will never leave, and is forgotten here too.
    #[doc(alias = "device_gate_detach")]
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { raw::abandon(&raw const self.device) }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

/// Somebody inside; dropping it is leaving, on whatever thread.
#[doc(alias = "device_gate_exit")]
#[must_use = "dropping it is leaving"]
pub struct Pass<'a> {
    gate: &'a Gate,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        // SAFETY: inside, and leaves once.
        unsafe { raw::exit(&raw const self.gate.device) }
    }
}

impl fmt::Debug for Pass<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pass")
    }
}

/// A closed gate, which its closer seals. Dropping it seals too, without waiting for those inside.
#[must_use = "dropping it seals the gate"]
pub struct Closed<'a> {
    gate: &'a Gate,
    state: &'static GateState,
}

impl Closed<'_> {
    /// Turns away who waits and waits for everybody inside. May sleep, and for ever where the caller itself is inside.
    #[doc(alias = "device_gate_seal")]
    pub fn seal(self) {
        let _ = self.seal_within(Patience::FOREVER);
    }

    /// The same with an end to the patience.
    ///
    /// # Errors
    /// [`GaveUp`]: somebody is inside still; the gate is sealed, and [`Gate::wait_within`] goes on waiting.
    pub fn seal_within(self, patience: Patience) -> Result<(), GaveUp> {
        let this = std::mem::ManuallyDrop::new(self);
        this.finish(patience)
    }

    fn finish(&self, patience: Patience) -> Result<(), GaveUp> {
        // SAFETY: the borrow keeps the gate; the one `Closed` of it seals once: no misuse is left.
        unsafe { raw::try_seal(&raw const self.gate.device, self.state, patience) }.expect("closed, and sealed once")
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        let _ = self.finish(Patience::at_most(Duration::ZERO));
    }
}

impl fmt::Debug for Closed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed")
    }
}

/// Why the gate was not passed or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is sealed: ENXIO.
    Sealed,
    /// The patience ended.
    GaveUp(GaveUp),
    /// No memory to close it with.
    NoMemory(Errno),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Sealed => f.write_str("the gate is sealed"),
            Refusal::GaveUp(gave_up) => fmt::Display::fmt(gave_up, f),
            Refusal::NoMemory(e) => write!(f, "no memory (errno {})", e.0),
        }
    }
}

impl std::error::Error for Refusal {}
