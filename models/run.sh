#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh MODEL "NAME=VALUE ..." [pan options]: checks one configuration exhaustively and prints one line about it.
# Exit status: 0 no error exists, 1 an error was found, 2 the model did not build or was not searched to the end.
# Environment: OPT gcc level (0, and 1 for what computes for more than a second), PACK=1 states packed (less memory, more time),
# MEM megabytes (5000), TIME seconds (600), DEPTH steps (2000000), KEEP a directory that gets pan and its trail.
set -u
[ $# -ge 1 ] || { sed -n '3,6s/^# //p' "$0"; exit 2; }
model=$(realpath "$1"); defs=${2:-}; shift $(($# < 2 ? $# : 2))
name=$(basename "$model" .pml)
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2

undone() { printf '%-8s %-46s NOT CHECKED: %s\n' "$name" "$defs" "$1"; [ -f "$2" ] && tail -n 5 "$2" >&2; exit 2; }

flags=(); for d in $defs; do flags+=("-D$d"); done
spin "${flags[@]}" -a "$model" >spin.log 2>&1 || undone "spin failed" spin.log
[ -f pan.c ] || undone "spin made no program" spin.log
# build LEVEL
build() {
    gcc -O"$1" -w -DSAFETY -DNOFAIR ${PACK:+-DCOLLAPSE} -DVECTORSZ=2048 -DMEMLIM="${MEM:-5000}" -o pan pan.c 2>cc.log || undone "gcc failed" cc.log
}
search() { timeout "${TIME:-600}" ./pan -m"${DEPTH:-2000000}" "$@" >pan.log 2>&1; }
build "${OPT:-0}"
# Most searches are over before an optimizer would be. Those that are not begin again.
if [ -n "${OPT:-}" ]; then
    search "$@"; rc=$?
else
    { (ulimit -c 0 -St 1; search "$@"); rc=$?; } 2>/dev/null
    if [ $rc -eq $((128 + 24)) ]; then # SIGXCPU
        build 1
        search "$@"; rc=$?
    fi
fi
[ -z "${KEEP:-}" ] || { mkdir -p "$KEEP" && cp -- pan *.trail "$KEEP" 2>/dev/null; }

[ $rc -ne 124 ] || undone "out of time" ""
errors=$(sed -n 's/.*errors: \([0-9][0-9]*\).*/\1/p' pan.log)
states=$(awk '/states, stored/ { print $1; exit }' pan.log)
secs=$(sed -n 's/.*elapsed time \([0-9.]*\) seconds.*/\1/p' pan.log)
[ -n "$errors" ] && [ -n "$states" ] || undone "pan gave no result" pan.log
if [ "$errors" -ne 0 ]; then
    why=$(sed -n 's/^pan:[0-9]*: \(assertion violated\|invalid end state\)/\1/p' pan.log | sed 's/ *(at depth.*//' | head -n 1 | cut -c1-60)
    [ -n "$why" ] || undone "an error that is neither assertion nor end state" pan.log
    printf '%-8s %-46s ERROR: %s, %s states, %s s\n' "$name" "$defs" "$why" "$states" "${secs:-?}"
    exit 1
fi
# No error counts only when nothing was cut off: neither by memory, nor by depth, nor by a killed search.
grep -qE 'max search depth too small|out of memory|Search not completed|vector too large' pan.log && undone "search cut off" pan.log
[ $rc -eq 0 ] || undone "pan ended with status $rc" pan.log
printf '%-8s %-46s no error, %s states, %s s\n' "$name" "$defs" "$states" "${secs:-?}"
