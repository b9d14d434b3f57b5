#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# loom.sh [FILTER]: explores the slow paths and the atomics back end under every schedule with up to three preemptions
# (LOOM_MAX_PREEMPTIONS), and demands that each planted bug is found; of a family (gate::) or whatever else FILTER names.
# One line a model. Four minutes on one core; two with PSREF_TEST_SHORT=1, which is two preemptions where no bug is planted.
# Exit status 77: something is missing.
set -uo pipefail
cd "$(dirname "$0")/.."
skip() { echo "loom.sh: skipped: $1"; exit 77; }
command -v cargo >/dev/null || skip "cargo is missing; https://rustup.rs has it"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target/loom} RUST_BACKTRACE=0 RUSTFLAGS="--cfg loom ${RUSTFLAGS:-}"
cargo fetch -q || skip "the crate loom is neither here nor to be had from crates.io"
began=$SECONDS
out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT
# Unoptimised models take ten times as long; one at a time, for a planted bug is this process's panic hook too.
cargo test -q --release -p psref --no-default-features --lib "${1:-loom_tests::}" -- --show-output --test-threads=1 >"$out" 2>&1
status=$?
grep -E '^[a-z_]+: ([0-9]+ executions|.* noticed \()' "$out"
if [ $status -ne 0 ]; then
    cat "$out"
    exit 1
fi
right=$(grep -c '^[a-z_]*: [0-9]* executions' "$out") caught=$(grep -c ' noticed (' "$out")
[ $((right + caught)) -gt 0 ] || { echo "loom.sh: no model is called ${1:-}"; exit 1; }
echo "loom: $right models right, $caught planted bugs caught, $((SECONDS - began)) s"
