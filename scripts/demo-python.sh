#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# demo-python.sh [arguments of compare]: installs the Python module as a user would and compares all strategies:
# prints the table, draws build/scaling.png.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=build/demo-venv
[ -x $venv/bin/pip ] || "${PYTHON:-python3}" -m venv $venv
# The directory of the tests' own pip: its builds and cargo's would make each other stale.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/python-pip $venv/bin/pip install --quiet --disable-pip-version-check './python[plot]'
$venv/bin/python -m psref compare --seconds 0.5 --plot build/scaling.png "$@"
echo "the curves: build/scaling.png"
