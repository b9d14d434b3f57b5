#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# beside.sh 'COMMAND' COMMAND...: runs COMMAND..., and the first one beside it on whatever the CPUs have left; what that one prints comes
# when both are over. Exit status that of COMMAND...; where this is 0, the first one's.
set -uo pipefail
[ $# -ge 2 ] || { sed -n '3,4s/^# //p' "$0"; exit 2; }
log=$(mktemp) || exit 2
# A process group of its own, so that all of it can be ended; but not a session, which the scheduler would give a share of its own.
set -m
nice -n 15 bash -c "$1" >"$log" 2>&1 </dev/null &
beside=$!
set +m
trap 'kill -- -"$beside" 2>/dev/null; rm -f "$log"' EXIT
trap 'exit 130' INT TERM
shift
"$@" || exit
wait "$beside"
status=$?
cat "$log"
exit $status
