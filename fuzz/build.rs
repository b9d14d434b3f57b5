// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lists are inline functions of a C header.

fn main() {
    println!("cargo:rerun-if-changed=src/pslist.c");
    println!("cargo:rerun-if-changed=../include/psref/pslist.h");
    cc::Build::new().file("src/pslist.c").include("../include").warnings(true).compile("psref_fuzz_pslist");
}
