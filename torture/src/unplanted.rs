// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds without the feature `inject` have no bugs but their own.

/// There is none.
pub fn plant(_: &str) {}
