// SPDX-License-Identifier: MIT OR Apache-2.0
//! The safe face: passes borrow the gate, so it cannot go away under them.

use super::Misuse;
use super::raw::{self, DeviceState};
use crate::park::{GaveUp, Patience};
use crate::sys::errno::Errno;
use std::fmt;
use std::sync::Arc;
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
    #[inline]
    pub fn enter(&self) -> Pass<'_> {
        // SAFETY: the borrow keeps the gate.
        unsafe { raw::enter(&raw const self.device) };
        Pass { gate: self }
    }

    /// The same for a shared gate: the pass keeps it.
    pub fn enter_owned(self: &Arc<Self>) -> OwnedPass {
        std::mem::forget(self.enter());
        OwnedPass(Arc::clone(self))
    }

    /// [`acquire`](Gate::acquire) for a shared gate: the pass keeps it.
    ///
    /// # Errors
    /// As of `acquire`.
    pub fn acquire_owned(self: &Arc<Self>, patience: Patience) -> Result<OwnedPass, Refusal> {
        std::mem::forget(self.acquire(patience)?);
        Ok(OwnedPass(Arc::clone(self)))
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
        self.close_within(what, Patience::FOREVER)
    }

    /// The same, waiting for another's seal no longer than `patience` says.
    ///
    /// # Errors
    /// As of [`close`](Gate::close), or [`Refusal::GaveUp`].
    pub fn close_within(&self, what: &str, patience: Patience) -> Result<Closed<'_>, Refusal> {
        // SAFETY: the borrow keeps the gate; guards count exactly once, so no misuse is left.
        let closed = unsafe { raw::try_close(&raw const self.device, what.as_bytes(), patience) }.expect("attached");
        closed.map(|_| Closed { gate: self })
    }

    /// Seals a gate that was [left closed](Closed::leave_closed), as [`Closed::seal_within`] does; after one that gave up, goes on
    /// waiting.
    ///
    /// # Errors
    /// The outer one: the gate is open, or its close is not over. The inner one: [`GaveUp`].
    pub fn seal_within(&self, patience: Patience) -> Result<Result<(), GaveUp>, Misuse> {
        // SAFETY: the borrow keeps the gate.
        unsafe { raw::try_seal_closed(&raw const self.device, patience) }
    }

    /// How many are inside or wait at the closed gate, give or take those that move meanwhile: for reports.
    pub fn inside(&self) -> i64 {
        // SAFETY: the borrow keeps the gate.
        unsafe { raw::inside(&raw const self.device) }.expect("attached")
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
    #[inline]
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

/// A [`Pass`] that keeps the gate itself.
#[must_use = "dropping it is leaving"]
pub struct OwnedPass(Arc<Gate>);

impl Drop for OwnedPass {
    fn drop(&mut self) {
        // SAFETY: inside, for the pass that this was made of was forgotten; leaves once.
        unsafe { raw::exit(&raw const self.0.device) }
    }
}

impl fmt::Debug for OwnedPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedPass")
    }
}

/// A closed gate, which its closer seals. Dropping it seals too, without waiting for those inside.
#[must_use = "dropping it seals the gate"]
pub struct Closed<'a> {
    gate: &'a Gate,
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

    /// Leaves the gate closed beyond this value, for [`Gate::seal_within`] to seal. A gate dropped so turns nobody away: nobody is
    /// there.
    pub fn leave_closed(self) {
        std::mem::forget(self);
    }

    fn finish(&self, patience: Patience) -> Result<(), GaveUp> {
        // Not as the one who seals: `Gate::seal_within` may have been first.
        self.gate.seal_within(patience).expect("closed")
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
