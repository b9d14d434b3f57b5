// SPDX-License-Identifier: MIT OR Apache-2.0
//! Cross-calls and software interrupts for ported kernel code: functions that run on each CPU, or on one, with that virtual CPU
//! taken, by threads of the library's own. They are started when they are first asked for and stay. Whoever wants but a barrier
//! has a cheaper one in `pserialize`.
//!
//! X1. A helper serves the virtual CPU of its own CPU and those of CPUs that the process may not use; each has one helper of
//!     either kind: one for what may sleep, one for what runs as a software interrupt, so that neither waits for the other. It
//!     blocks all signals and takes no lock but what the functions that it runs take.
//! X2. Of either kind one call is under way, as in NetBSD; who comes meanwhile waits. Its function and arguments stand before the
//!     first `pending`, and until the last is taken out.
//! X3. Who waits for a helper's answer has read `turned` before it looked (R3), a helper `moved` before it looks for work.
//! X4. A helper counts itself in `running` of a software interrupt and then looks whether it lives; who ends it says so and then
//!     looks at `running`. So no handler runs when `disestablish` returns.
//! X5. Read sections that were open when a cross-call was made have ended before its function runs anywhere: a grace period
//!     stands before. Sections without preemption, because their virtual CPU is taken.
//!
//! Source of the interface: NetBSD's xcall(9), softint(9).

mod call;
mod fork;
mod helper;
pub mod raw;
mod softint;

pub use raw::Function;
pub use softint::Softint;
