#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# verify-builds.sh: the C tests in the ways to build and to run them that `make test` leaves out.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh build/dev build/stage --libdir=lib >/dev/null
ENVIRONMENTS="valgrind in-asan inline++ in-atomic in-clang" c-tests/run.sh build/stage
