#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# asan.sh: the Rust code and its tests under AddressSanitizer and LeakSanitizer: unit tests, faces, slow paths, oracles and
# stresses, sections included; and a value used after its end and one that is lost, which must be reported. The standard library
# is not instrumented: what it allocates is watched all the same. Exit status 77: something is missing.
set -uo pipefail
cd "$(dirname "$0")/.."
skip() { echo "asan.sh: skipped: $1"; exit 77; }
command -v cargo >/dev/null || skip "cargo is missing; https://rustup.rs has it"
[ "$(uname -sm)" = 'Linux x86_64' ] || skip "made for Linux on x86-64"
RUSTUP_AUTO_INSTALL=0 rustc +nightly --version >/dev/null 2>&1 || skip "needs a nightly toolchain: rustup toolchain install nightly"
began=$SECONDS
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/asan} RUST_BACKTRACE=0
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT

tests() {
    RUSTFLAGS=-Zsanitizer=address cargo +nightly test -q --target x86_64-unknown-linux-gnu -p psref "$@" >"$out" 2>&1
}
fail() { tail -n 100 "$out"; echo "asan.sh: $1"; exit 1; }

tests --lib --tests || fail "failed"
passed=$(awk '/^test result: ok/ { n += $4 } END { print n + 0 }' "$out")
PSREF_BACKEND=atomic tests --lib --tests || fail "failed on the atomics back end"
passed=$((passed + $(awk '/^test result: ok/ { n += $4 } END { print n + 0 }' "$out")))

tests --features inject --test sanitized -- --ignored what_ends_while_it_is_held_is_reported && fail "a use after the end went by unnoticed"
grep -q 'AddressSanitizer: heap-use-after-free' "$out" || fail "another end than expected of a use after the end"
echo "a value that is used after its end: reported"
tests --test sanitized -- --ignored what_is_never_ended_is_reported && fail "a loss went by unnoticed"
grep -q 'LeakSanitizer: detected memory leaks' "$out" || fail "another end than expected of a loss"
echo "a value that is lost: reported"
echo "asan: $passed tests clean on both back ends, 2 planted bugs caught, $((SECONDS - began)) s"
