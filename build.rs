// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lets programs link where libudev's development files are missing.
//!
//! hwlocality links hwloc by `pkg-config --static`, which names hwloc's private libraries too: udev, for devices that
//! we never ask for. Nothing of it is called from here, but every final link would fail with "unable to find library
//! -ludev". So where the linker finds no libudev we offer an empty one. cargo passes the search path on to every final
//! link that contains this crate: tests, programs, shared libraries.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_HWLOC").is_none() {
        return;
    }
    if let Some(real) = ["libudev.so", "libudev.a"].into_iter().find_map(found_by_linker) {
        // Should it be removed one day, we are needed again.
        println!("cargo:rerun-if-changed={}", real.display());
        return;
    }
    let directory = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&directory).join("libudev.a"), "!<arch>\n").expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search=native={directory}");
}

/// The compiler that links prints the path of a library that it would take, and the bare name of one that it cannot
/// find.
fn found_by_linker(library: &str) -> Option<PathBuf> {
    // RUSTC_LINKER is set by cargo where the target's linker is configured. CC may hold arguments, or a wrapper.
    let linker = ["RUSTC_LINKER", "CC"].into_iter().find_map(|name| {
        println!("cargo:rerun-if-env-changed={name}");
        env::var(name).ok().filter(|value| !value.trim().is_empty())
    });
    let linker = linker.as_deref().unwrap_or("cc");
    let mut words = linker.split_whitespace();
    let output = Command::new(words.next()?).args(words).arg(format!("-print-file-name={library}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}
