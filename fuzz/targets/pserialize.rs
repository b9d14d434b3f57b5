// SPDX-License-Identifier: MIT OR Apache-2.0
#![no_main]

libfuzzer_sys::fuzz_target!(|case: psref_fuzz::pserialize::Case| psref_fuzz::pserialize::play(case));
