// SPDX-License-Identifier: MIT OR Apache-2.0
//! The slow routines that the exported fast paths leave for. Not for users.
#![doc(hidden)]

use super::{perform, read};
use crate::diag::fatal;
use std::ffi::c_int;

/// Where the enter fast path goes whenever the case is not plain.
pub extern "C" fn enter_slow() -> c_int {
    read::enter().unwrap_or_else(|misuse| fatal(format_args!("pserialize_read_enter: {misuse}")));
    0
}

/// Where the exit fast path goes whenever the case is not plain.
pub extern "C" fn exit_slow(_: c_int) {
    read::exit().unwrap_or_else(|misuse| fatal(format_args!("pserialize_read_exit: {misuse}")));
}

/// Where the exit fast path goes when somebody waits; the section, which showed `word`, has ended.
pub extern "C" fn exit_wake(word: u64) {
    perform::wake(word);
}
