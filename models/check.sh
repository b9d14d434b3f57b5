#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# check.sh small|large|all [words]: runs that part of table.txt (only the lines that contain the words, if any), two at a time.
# One line each; then "N passed, N failed". Exit status 0 when all passed, 1 when some failed, 2 when nothing could be run.
# A configuration that must fail and does not, fails with another kind of error, or is not searched to the end, is a failure.
# Environment: JOBS at a time (2), and that of run.sh.
set -u
here=$(cd "$(dirname "$0")" && pwd)

if [ "${1:-}" = --one ]; then
    IFS='|' read -r set model want defs <<<"$2"
    read -r model <<<"$model"; read -r want <<<"$want"; read -r defs <<<"$defs"; read -r set <<<"$set"
    case $set in large) export OPT=${OPT:-2} PACK=1 ;; esac
    line=$("$here/run.sh" "$here/$model.pml" "$defs" 2>&1); rc=$?
    case $rc,$line in
    0,*) got=ok ;;
    1,*'invalid end state'*) got=asleep ;;
    1,*'holds[x]==0'* | 1,*'drained[x]'* | 1,*'(holds==0)'* | 1,*'(inside==0)'* | 1,*'!(drained)'*) got=held ;;
    1,*'freed[x]'* | 1,*'!(freed'*) got=freed ;;
    1,*'!(recycled)'*) got=recycled ;;
    1,*'inside['* | 1,*'(mem[t]==found)'*) got=word ;;
    1,*'(guard==1)'*) got=misuse ;;
    1,*'had[q]'*) got=report ;;
    1,*'h&&(x==1)'*) got=answer ;;
    1,*'mem[m]=='*) got=slot ;;
    1,*'((out&'*) got=twice ;;
    1,*'(found'*) got=lost ;;
    1,*'cver[x]'*) got=shut ;;
    1,*'(same[t]'* | 1,*'((lean>>t)'*) got=null ;;
    1,*'(rounds<='*) got=waits ;;
    1,*'(closed[cpu]'*) got=stuck ;;
    *) got=nothing ;;
    esac
    if [ "$got" = "$want" ]; then echo "pass  $line"; else echo "FAIL  $line (expected $want, got $got)"; fi
    exit 0
fi

case ${1:-} in
small | large) pick="^$1 " ;;
all) pick='^(small|large) ' ;;
*) sed -n '3,6s/^# //p' "$0"; exit 2 ;;
esac
for tool in spin gcc; do command -v $tool >/dev/null || { echo "check.sh: $tool is missing"; exit 2; }; done
shift
lines=$(grep -E "$pick" "$here/table.txt" | grep -F -- "$*")
[ -n "$lines" ] || { echo "check.sh: nothing in table.txt to run"; exit 2; }
count=$(wc -l <<<"$lines")
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT
tr '\n' '\0' <<<"$lines" | xargs -0 -P "${JOBS:-2}" -I{} "$0" --one {} | tee "$log"
passed=$(grep -c '^pass ' "$log")
echo "$passed passed, $((count - passed)) failed"
[ "$passed" -eq "$count" ]
