// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the exported fast paths of counts are expanded from. Not for users.

use super::count::Counted;
pub use crate::sys::STRIPE_SHIFT;
use std::mem::offset_of;

pub const COUNT_GUARD: usize = offset_of!(Counted, guard);
pub const COUNT_CELLS: usize = offset_of!(Counted, cells);
