#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# wheel.sh: builds the Python module's wheel, below build/python, and imports it in an environment that has nothing else, with the hwloc
# that the wheel brings. PYTHON chooses the interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=${PYTHON:-python3}
work=$root/build/python
mkdir -p "$work"
step() { printf '\n--- %s (%s s)\n' "$*" "$SECONDS"; }

step "the wheel"
cd "$root/python"
exec 9>"$work/lock" # python.sh builds among the same files
flock 9
maturin=$(sed -n 's/^requires = \["\(.*\)"\]$/\1/p' pyproject.toml)
"$python" -m venv --clear "$work/tools"
"$work/tools/bin/pip" install -q "$maturin"
rm -rf "$work/dist"
# What was linked: of an earlier time, hwloc may have another name in it already.
rm -f "${CARGO_TARGET_DIR:-$root/target}"/python-wheel/release/{,deps/,maturin/}lib_native.so
# A directory of its own: a maturin of another environment makes what was built stale.
PATH=$work/tools/bin:$PATH CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}/python-wheel maturin build -q --release --locked --out "$work/dist"
exec 9>&-
ls -l "$work"/dist/*.whl

step "the wheel, in an environment that has nothing else"
cd "$work"
"$python" -m venv --clear "$work/alone"
"$work/alone/bin/pip" install -q --no-index "$work"/dist/*.whl
"$work/alone/bin/python" -I "$root/scripts/python-alone.py"
echo "wheel.sh: $SECONDS s"
