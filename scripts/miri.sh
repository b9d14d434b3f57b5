#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# miri.sh [SEEDS]: the unit tests, the safe faces and small stresses on the atomics back end under Miri: undefined behaviour,
# data races, weak memory, leaks. The unit tests, two cases of the oracle, what is retired and statistics once, the rest with that many
# seeds (16), a minute each; and planted bugs, which must be reported. Exit status 77: something is missing.
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
    MIRIFLAGS="$flags ${more:-} -Zmiri-seed=$seed" cargo +nightly miri test -q -p psref --no-default-features "$@" >"$out" 2>&1
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
# The thread that ends what was retired lives as long as the process.
more=-Zmiri-ignore-leaks run 0 --test retire --test stats
for ((seed = 0; seed < seeds; seed++)); do run $seed --test face --test face_counts --test stress --test stress_counts --test stress_objpool; done

# Each kind of hold in the build where its end orders nothing: 'TEST FILE' 'TEST' 'WHAT'.
caught=0
planted() {
    local from=$SECONDS seed
    for ((seed = 0; seed < 4; seed++)); do
        RUSTFLAGS='--cfg psref_planted' tests $seed --test "$1" "$2" && continue
        grep -q 'Undefined Behavior: Data race detected' "$out" || { cat "$out"; exit 1; }
        echo "seed $seed: $3 that orders nothing: reported as a data race, $((SECONDS - from)) s"
        caught=$((caught + 1))
        return
    done
    echo "miri.sh: $3 that orders nothing went by unnoticed with 4 seeds"
    exit 1
}
planted stress '' 'the release of a passive reference'
planted stress_counts nobody_reads_what_a_count_guarded 'the release of a count'
planted stress_counts nobody_reads_what_was_behind_a_gate 'the exit from a gate'
planted stress_counts nobody_reads_what_was_out_of_reach_before_a_perform 'the end of a read section'
planted stress_objpool '' 'the push to a depot'
echo "miri: unit tests and oracle with 1 seed, faces and stress with $seeds, $caught planted bugs caught, $((SECONDS - began)) s"
