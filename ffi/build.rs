// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shared library that cargo itself builds must not be unloaded either: a thread's `rseq_cs` may point into it after its
//! last use.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
