#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# setup.sh build|python|test|verify: installs the packages that doctor.sh misses, with apt; elsewhere, or without the right to, says which.
# Does nothing, quickly, where all is there.
set -uo pipefail
scripts=$(dirname "$0")
fuzzer=0.13.2
# What fuzzes comes from crates.io, and is of use only where there is a compiler for it. Without it scripts/fuzz.sh says so.
if [ "${1:-}" = verify ] && RUSTUP_AUTO_INSTALL=0 rustc +nightly --version >/dev/null 2>&1 &&
    [[ $(PATH=$PATH:$HOME/.cargo/bin cargo fuzz --version 2>/dev/null) != "cargo-fuzz $fuzzer" ]]; then
    echo "setup: installing cargo-fuzz $fuzzer"
    cargo install -q --locked "cargo-fuzz@$fuzzer" || echo "setup: cargo install failed" >&2
fi
packages=$("$scripts/doctor.sh" --packages "${1:?build, python, test or verify}") && exit 0

root=()
[ "$(id -u)" = 0 ] || root=(sudo -n)
if [ -n "$packages" ] && command -v apt-get >/dev/null && "${root[@]}" true 2>/dev/null; then
    echo "setup: installing$packages"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # names, to be split
    "${root[@]}" apt-get update -q </dev/null >/dev/null &&
        "${root[@]}" apt-get install -q -y --no-install-recommends $packages </dev/null >/dev/null ||
        echo "setup: apt-get failed" >&2
fi
# Is everything there now? If not: the list, and the command.
found=$("$scripts/doctor.sh" "$1") || { echo "$found" >&2; exit 1; }
