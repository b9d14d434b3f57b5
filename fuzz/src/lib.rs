// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the fuzz targets play: random calls of the C functions of one family, with random arguments, beside a model that says
//! what each must answer. One thread does most; helpers hold, release and wait on its behalf, one step at a time.
//!
//! What ends the program, misuse, is no part of it: c-tests/*_misuse.c reads those messages. Every case ends with nothing held,
//! so the next one begins as the first did.

pub mod crew;
pub mod gate;
pub mod limit;
pub mod localcount;
pub mod objpool;
mod planted;
pub mod pserialize;
pub mod psref;
pub mod retire;

#[path = "../../tests/common/interlock.rs"]
mod interlock;
#[path = "../../tests/common/worker.rs"]
mod worker;
