#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# tsan.sh: the unit tests, the safe faces and stresses on the atomics back end under ThreadSanitizer, with a standard library
# that is instrumented too and no suppressions; and planted bugs, which must be reported. ThreadSanitizer does not
# understand fences: here they order looks at atomics alone, which it never reports. Exit status 77: something is missing.
set -uo pipefail
cd "$(dirname "$0")/.."
skip() { echo "tsan.sh: skipped: $1"; exit 77; }
command -v cargo >/dev/null || skip "cargo is missing; https://rustup.rs has it"
[ "$(uname -sm)" = 'Linux x86_64' ] || skip "made for Linux on x86-64"
sysroot=$(RUSTUP_AUTO_INSTALL=0 rustc +nightly --print sysroot 2>/dev/null) || skip "needs a nightly toolchain: rustup toolchain install nightly"
[ -f "$sysroot/lib/rustlib/src/rust/library/Cargo.lock" ] ||
    skip "the standard library's source is missing: rustup component add rust-src --toolchain nightly"
began=$SECONDS
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/tsan} RUST_BACKTRACE=0 TSAN_OPTIONS='halt_on_error=1 exitcode=66'
out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT

tests() {
    local cfg=$1
    shift
    RUSTFLAGS="--cfg psref_tsan $cfg -Zsanitizer=thread" cargo +nightly test -q -Zbuild-std \
        --target x86_64-unknown-linux-gnu -p psref --no-default-features "$@" -- --nocapture >"$out" 2>&1
}

if ! tests '' --lib --test face --test face_counts --test stress --test stress_counts --test stress_objpool --test oracle \
    --test retire --test stats; then
    cat "$out"
    exit 1
fi
grep -E '^\.*[0-9]+ (holds|passes|sections|objects)|^test result' "$out" | sed 's/^\.*//'

# Each kind of hold in the build where its end orders nothing: 'TEST FILE' 'TEST' 'WHAT'.
caught=0
planted() {
    if tests '--cfg psref_planted' --test "$1" "$2"; then
        echo "tsan.sh: $3 that orders nothing went by unnoticed"
        exit 1
    fi
    grep -q 'WARNING: ThreadSanitizer: data race' "$out" || { cat "$out"; exit 1; }
    echo "$3 that orders nothing: reported as a data race"
    caught=$((caught + 1))
}
planted stress '' 'the release of a passive reference'
planted stress_counts nobody_reads_what_a_count_guarded 'the release of a count'
planted stress_counts nobody_reads_what_was_behind_a_gate 'the exit from a gate'
planted stress_counts nobody_reads_what_was_out_of_reach_before_a_perform 'the end of a read section'
planted stress_objpool '' 'the push to a depot'
echo "tsan: clean without suppressions, $caught planted bugs caught, $((SECONDS - began)) s"
