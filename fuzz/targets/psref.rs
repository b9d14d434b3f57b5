// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

libfuzzer_sys::fuzz_target!(|case: psref_fuzz::psref::Case| psref_fuzz::psref::play(case));
