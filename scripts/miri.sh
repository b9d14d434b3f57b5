#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# miri.sh [SEEDS]: the unit tests, the safe face and a small stress on the atomics back end under Miri: undefined behaviour,
# data races, weak memory, leaks. The unit tests and two cases of the oracle once, the rest with that many seeds (16), half a
# minute each; and a planted bug, which must be reported. Exit status 77: something is missing.
set -uo pipefail
cd "$(dirname "$0")/.."
skip() { echo "miri.sh: skipped: $1"; exit 77; }
command -v cargo >/dev/null || skip "cargo is missing; https://rustup.rs has it"
RUSTUP_AUTO_INSTALL=0 cargo +nightly miri --version >/dev/null 2>&1 ||
    skip "Miri is missing: rustup component add miri rust-src --toolchain nightly"
seeds=${1:-16} began=$SECONDS
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/miri} RUST_BACKTRACE=0
out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT

# Slots keep addresses as numbers, so provenance is exposed on purpose. The clock and the environment are the host's.
flags='-Zmiri-disable-isolation -Zmiri-permissive-provenance'
tests() {
    local seed=$1
    shift
    MIRIFLAGS="$flags -Zmiri-seed=$seed" cargo +nightly miri test -q -p psref --no-default-features "$@" >"$out" 2>&1
}
run() {
    local from=$SECONDS
    if ! tests "$@"; then
        cat "$out"
        echo "miri.sh: failed: seed $*"
        exit 1
    fi
    echo "seed $*: $(awk '/^test result: ok/ { passed += $4; ignored += $8 } END { print passed " passed, " ignored " ignored" }' "$out"), $((SECONDS - from)) s"
}

run 0 --lib --test oracle
for ((seed = 0; seed < seeds; seed++)); do run $seed --test face --test stress; done
for ((seed = 0; ; seed++)); do
    [ $seed -lt 4 ] || { echo "miri.sh: a release that orders nothing went by unnoticed with 4 seeds"; exit 1; }
    RUSTFLAGS='--cfg psref_planted' tests $seed --test stress && continue
    grep -q 'Undefined Behavior: Data race detected' "$out" && break
    cat "$out"
    exit 1
done
echo "seed $seed: a release that orders nothing: reported as a data race"
echo "miri: unit tests and oracle with 1 seed, face and stress with $seeds, 1 planted bug caught, $((SECONDS - began)) s"
