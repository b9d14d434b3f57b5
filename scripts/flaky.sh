#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# flaky.sh [TURNS]: the native C tests and the Rust tests, so many times (20), beside two busy loops; then what failed, and how
# often. Exit status 1 if anything did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
turns=${1:-20} began=$SECONDS
work=$(mktemp -d) || exit 2
busy=()
for _ in 1 2; do
    (while :; do :; done) &
    busy+=($!)
done
trap 'kill "${busy[@]}" 2>/dev/null; rm -rf "$work"' EXIT
ulimit -c 0

scripts/install.sh build/dev build/stage --libdir=lib >/dev/null || exit 1
packages=(psref psref-ffi)
for package in "${packages[@]}"; do cargo test -q -p "$package" --lib --tests --no-run || exit 1; done
mkdir "$work/built"
ran=0
for ((turn = 1; turn <= turns; turn++)); do
    # All at once: each is load for the others, and most of them wait most of the time.
    ENVIRONMENTS=default BUILT=$work/built c-tests/run.sh build/stage >"$work/c" 2>&1 &
    running=($!)
    for package in "${packages[@]}"; do
        cargo test -q --no-fail-fast -p "$package" --lib --tests >"$work/rust.$package" 2>&1 &
        running+=($!)
    done
    wait "${running[@]}"
    cat "$work"/rust.* >"$work/rust"
    ran=$((ran + $(awk '/^test result:/ { n += $4 + $6 } / passed, / { c = $1 + $3 } END { print n + c + 0 }' "$work/c" "$work/rust")))
    sort -u <(grep '^FAILED' "$work/c" | sed 's/ (.*//') <(grep -E '^(test .* )?.*\.\.\. FAILED|^    [a-z_:]+$' "$work/rust" | sed 's/^ */Rust: /') >"$work/failed"
    if ! grep -q '^[0-9]* passed, ' "$work/c" || [ "$(grep -l '^test result:' "$work"/rust.* | wc -l)" != ${#packages[@]} ]; then
        tail -n 20 "$work/c" "$work/rust"
        echo "the tests did not run in turn $turn" >>"$work/failed"
    fi
    [ ! -s "$work/failed" ] || { cp "$work/c" "build/flaky-c.$turn"; cp "$work/rust" "build/flaky-rust.$turn"; }
    cat "$work/failed" >>"$work/all"
    printf 'turn %s of %s: %s failed, %s s since the beginning\n' "$turn" "$turns" "$(wc -l <"$work/failed")" $((SECONDS - began))
done
echo "flaky: $turns turns, $ran tests, $(wc -l <"$work/all") failures"
sort "$work/all" | uniq -c | sort -rn
[ ! -s "$work/all" ]
