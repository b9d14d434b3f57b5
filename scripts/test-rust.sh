#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# test-rust.sh: the Rust tests: all with the default features; without features and with injection those to which it matters. FULL=1 in
# the environment: all of them every time.
set -euo pipefail
cd "$(dirname "$0")/.."

# those_about PATTERN DIRECTORY...: the options that name the test programs whose sources match
those_about() {
    if [ -n "${FULL:-}" ]; then return; fi
    echo --lib --bins
    grep -lE "$1" "${@:2}" | sed 's,.*/,--test ,; s,[.]rs$,,'
}
run() { echo "cargo $*"; cargo "$@"; }

run test --workspace
# Other names for places, other ways to learn of nodes.
mapfile -t some < <(those_about 'holders|nodes|topology|symbol' tests/*.rs | xargs -n 1)
run test -p psref --no-default-features "${some[@]}"
# One thread: what is injected is the whole process's.
mapfile -t some < <(those_about 'feature = "inject"|psref-torture' tests/*.rs torture/tests/*.rs | xargs -n 1)
[ -n "${FULL:-}" ] || export PSREF_TEST_SHORT=1
run test -p psref -p psref-torture --features inject "${some[@]}" -- --test-threads=1
