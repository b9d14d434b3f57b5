#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# python.sh: the Python module as its users get it, below build/python. Installs ./python with build isolation into a fresh environment and runs
# its tests (pytest, the stubs against the module, mypy --strict), on both back ends. PYTHON chooses the interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
work=$root/build/python
mkdir -p "$work"
step() { printf '\n--- %s (%s s)\n' "$*" "$SECONDS"; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "python.sh: $python is $("$python" -V 2>&1), expected 3.11 or newer: set PYTHON" >&2
    exit 1
}

step "pip install ./python[test], with build isolation"
"$python" -m venv --clear "$work/venv"
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/python-pip "$work/venv/bin/pip" install -q "./python[test]"

step "tests"
# Not in python/: there `import psref` would find the sources.
cd "$work"
PATH=$work/venv/bin:$PATH pytest -q "$root/python/tests"
step "tests of the primitives, atomics back end"
mapfile -t primitives < <(printf "$root/python/tests/test_%s.py\n" targets counts sections gates pools collection threads retire asyncio seeing)
PSREF_BACKEND=atomic PSREF_TEST_SECONDS=1 venv/bin/pytest -q -p no:cacheprovider "${primitives[@]}"
echo "python.sh: $SECONDS s"
