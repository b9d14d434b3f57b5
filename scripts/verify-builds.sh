#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# verify-builds.sh: the C and the Rust tests in the ways to build and to run them that `make test` leaves out, or has in a short form.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
failed=0
[ -n "${PSREF_STAGED:-}" ] || scripts/install.sh build/dev build/stage --libdir=lib >/dev/null || exit 1
ENVIRONMENTS="valgrind in-asan inline++ in-atomic in-clang" c-tests/run.sh build/stage || failed=1
FULL=1 ENVIRONMENTS="inline c++ atomic strict no-rseq static" c-tests/run.sh build/stage || failed=1
FULL=1 scripts/test-rust.sh || failed=1
exit $failed
