#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# lint.sh: formatting and clippy over all targets, with the default features, without any, and with all.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo fmt --all --check
for features in '' --no-default-features --all-features; do
    # shellcheck disable=SC2086 # none or one argument
    cargo clippy --workspace --all-targets $features -- -D warnings
done
