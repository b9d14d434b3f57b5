#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# verify-torture.sh [SEED]: everything at once for a minute on each back end, with all faults; then each planted bug, which must be caught
# within a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-3}
torture() { cargo run -q --release -p psref-torture --features inject -- --seed "$seed" "$@"; }
# What is installed is loaded and unloaded meanwhile.
library=()
[ ! -e build/stage/lib/libpsref.so.0 ] || library=(--library build/stage/lib/libpsref.so.0)
torture --secs 60 "${library[@]}" all
PSREF_BACKEND=atomic torture --secs 60 all
torture --planted --secs 45
