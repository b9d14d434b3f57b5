#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# page.sh JSON DIRECTORY: writes DIRECTORY/benchmarks.md and its pictures from what bench/run.sh wrote to JSON.
# page.sh --emulated DIRECTORY: only the section about emulated machines, from what emulated.sh wrote to DIRECTORY/benchmarks/emulated.json.
# page.sh --test: tests that. matplotlib is installed below build/bench-venv. PYTHON: the interpreter (3.11 or newer).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
venv=${BENCH_VENV:-$here/../build/bench-venv}
[ $# -ge 1 ] || { sed -n '3,5s/^# //p' "$0" >&2; exit 2; }

[ -x "$venv/bin/pip" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -c 'import matplotlib' 2>/dev/null ||
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'matplotlib>=3.7,<4'

PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
[ "$1" = --test ] && exec "$venv/bin/python" -m unittest discover -s "$here" -p 'page_test.py'
exec "$venv/bin/python" "$here/page.py" "$@"
