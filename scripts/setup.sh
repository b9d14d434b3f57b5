#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# setup.sh build|python|test|verify: installs the packages that doctor.sh misses, with apt; elsewhere, or without the right to, says which.
# Does nothing, quickly, where all is there.
set -uo pipefail
scripts=$(dirname "$0")
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
