#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# man-lint.sh [PAGE...]: what mandoc finds wrong with the manual pages, of style too, but for pages that this machine
# does not have. Shows first that it finds something. Exit status 1 if there is anything.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
[ $# -gt 0 ] || set -- docs/man/*.3
# lint PAGE...: prints what is wrong; false if there is anything
lint() {
    local said
    said=$(mandoc -Tlint "$@" 2>&1 | grep -vE 'referenced manual not found|outdated mandoc\.db')
    [ -z "$said" ] || { echo "$said"; return 1; }
}

command -v mandoc >/dev/null || { echo "man-lint: mandoc is missing: scripts/doctor.sh test" >&2; exit 2; }
if lint <(sed 's/^\.Sh DESCRIPTION$/.Sh NAME/' "$1") >/dev/null; then
    echo "man-lint: a planted fault is not found"
    exit 1
fi
lint "$@" || exit 1
echo "man-lint: $# pages"
