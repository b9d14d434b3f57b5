#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# python.sh: the Python module as its users get it, below build/python. Lets pip build ./python with build isolation, installs that into a fresh
# environment and runs its tests (pytest, the stubs against the module, mypy --strict), on both back ends. PYTHON chooses the interpreter (3.11 or newer).
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

step "pip wheel ./python, with build isolation"
rm -rf "$work/pip"
(
    # By wheel.sh's interpreter and among its files: what one compiles the other need not.
    flock 9
    [ -x "$work/tools/bin/pip" ] || "$python" -m venv "$work/tools"
    export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/python-wheel
    # What was linked: in wheel.sh's hwloc has another name.
    rm -f "$CARGO_TARGET_DIR"/release/{,deps/,maturin/}lib_native.so
    "$work/tools/bin/pip" wheel -q --no-deps -w "$work/pip" ./python
) 9>"$work/lock"

step "pip install it, with what tests need"
"$python" -m venv --clear "$work/venv"
wheel=("$work"/pip/*.whl)
"$work/venv/bin/pip" install -q "${wheel[0]}[test]"

step "tests; beside them tests of the primitives, atomics back end"
# Not in python/: there `import psref` would find the sources.
cd "$work"
mapfile -t primitives < <(printf "$root/python/tests/test_%s.py\n" targets counts sections gates pools collection threads retire asyncio seeing)
PSREF_BACKEND=atomic PSREF_TEST_SECONDS=1 venv/bin/pytest -q -p no:cacheprovider "${primitives[@]}" >"$work/atomic.log" 2>&1 &
atomic=$!
failed=0
PATH=$work/venv/bin:$PATH pytest -q "$root/python/tests" || failed=1
wait $atomic || failed=1
echo
cat "$work/atomic.log"
[ $failed -eq 0 ]
echo "python.sh: $SECONDS s"
