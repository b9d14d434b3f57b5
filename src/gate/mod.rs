// SPDX-License-Identifier: MIT OR Apache-2.0
//! Device gates: everybody passes by two per-CPU additions, until the owner closes the gate, unhooks the device, and seals it: then
//! whoever waits at the gate is turned away, and the owner waits for whoever is inside. 8 bytes a CPU a device.
//!
//! Against a local count (localcount): interrupt handlers, which can neither wait nor fail, pass a closed gate; threads wait at
//! it, and can be interrupted there.
//!
//! D1. The device's first word is the guard of its cells (N1): every pass is in one cell or, once the gate is closed, in the total.
//! D2. A gate closes once. It goes open -> closed -> sealed -> detached and never back.
//! D3. Every operation, enter and exit too, is a guarded addition; where the gate is not open the total counts, and whoever makes
//!     it 0 wakes the sealer (R19).
//! D4. A late-comer is in the total before it looks at the gate's state and sleeps, and leaves it after its last touch of anything
//!     but type-stable memory (R20).
//! D5. After the close has returned the total and nothing else changes, so sealing needs no membarrier.
//!
//! Source of the interface: David Young's proposal on tech-kern of 2009, "kicking everybody out of the softc". What was wrong with
//! it is right here: a close cannot slip between a thread's look at the gate and its entering (D3); the sum is one of frozen cells
//! (N3); no wake-up is lost at the seal (D3); who waits sleeps.

mod close;
pub mod entry;
mod face;
#[cfg(all(test, loom))]
mod loom_tests;
mod misuse;
mod pass;
pub mod raw;
mod state;

#[cfg(not(loom))]
pub(crate) use close::stats;
pub use face::{Closed, Gate, OwnedPass, Pass, Refusal};
pub use misuse::Misuse;
