#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# verify-numa.sh [TITLE]: where slots, cells, magazines and objects lie, asked of the kernel on emulated machines with several nodes
# (or those whose title contains this), and stress there while CPUs come and go; and that a build that ignores nodes fails. Exit
# status 77: something that numa-vm.sh needs is missing.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
only=${1:-} passed=0 failed=0 began=$SECONDS
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

# program NAME ARGUMENTS...: a test program's path
program() {
    cargo test --no-run --message-format=json "$@" 2>"$work/log" |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1 | grep . ||
        { cat "$work/log" >&2; echo "verify-numa.sh: does not build: $*" >&2; exit 1; }
}
files=()
add() { # NAME ARGUMENTS...: into the guests' /bin
    local built
    # Stripped: what guests run from lies in the memory of their nodes.
    built=$(program "${@:2}") && strip -o "$work/$1" "$built" || exit 1
    files+=("$work/$1:/bin/$1")
}
add ignoring --features inject --test placement
add units --lib
for name in placement stress stress_counts stress_objpool; do add "$name" --test "$name"; done

# What a guest runs. One thread, so that the lines belong together.
place='placement --test-threads=1 --nocapture'
near='units --test-threads=1 --nocapture region:: topology:: layout::'
smoke='stress --test-threads=1 && stress_counts --test-threads=1 && stress_objpool --test-threads=1'
cpu=/sys/devices/system/cpu
# CPUs go and come while everything is used, all but the first.
# shellcheck disable=SC2016 # for the guest's shell
storm='(while :; do for c in '$cpu'/cpu[1-9]*; do echo 0 >$c/online; echo 1 >$c/online; done; done 2>/dev/null) & storm=$!
for i in 1 2 3; do '$smoke' || exit 1; done
kill $storm; wait $storm 2>/dev/null; for c in '$cpu'/cpu[1-9]*; do echo 1 >$c/online; done 2>/dev/null'

machine() { # TITLE COMMAND numa-vm.sh's arguments...
    local title=$1 command=$2 from=$SECONDS status
    shift 2
    [[ $title == *"$only"* ]] || return 0
    # Emulated threads are slow. numa-vm.sh's options come before its topology, which is last here.
    local options=("${@:1:$#-1}") nodes=${*: -1}
    scripts/numa-vm.sh -t 900 "${options[@]}" "$nodes" "export PSREF_STRESS_TURNS=4000; $command" "${files[@]}" >"$work/out" 2>&1
    status=$?
    case $status in
    0)
        passed=$((passed + 1))
        printf 'ok      %-46s %4s s  %s\n' "$title" $((SECONDS - from)) "$(grep -o '[0-9]* nodes, right: .*' "$work/out" | tail -n 1)"
        ;;
    126) cat "$work/out" >&2; exit 77 ;;
    *)
        failed=$((failed + 1))
        printf 'not ok  %-46s %4s s\n' "$title" $((SECONDS - from))
        tail -n 40 "$work/out"
        ;;
    esac
}

machine 'four nodes of two CPUs' "export PSREF_TEST_NODES=4; $place && $near && $smoke" 4x2
# shellcheck disable=SC2016 # for the guest's shell
machine 'the same, by a build that ignores nodes, fails' 'export PSREF_TEST_NODES=4 PSREF_TEST_IGNORE_NODES=1
    if ignoring --test-threads=1 --nocapture >out 2>&1; then cat out; echo "went by unnoticed"; exit 1; fi
    cat out; grep -q "on other nodes than their CPUs" out' 4x2
machine 'eight nodes of eight CPUs' "export PSREF_TEST_NODES=8; $place && stress --test-threads=1" -m 128 8x8
machine 'CPU ids with gaps' "for c in 3 6; do echo 1 >$cpu/cpu\$c/online || exit 1; done; cat $cpu/online
    export PSREF_TEST_NODES=3; $place && $near && $smoke" -K maxcpus=1 4x2
machine 'a node without memory, a node without CPUs' "export PSREF_TEST_NODES=1; $place && $near && $smoke" 2,2:0,0:512
machine 'CPUs that are possible and absent' "export PSREF_TEST_NODES=2; $place && $near && $smoke" -x 4 2x2
machine 'CPUs that are never brought up' "export PSREF_TEST_NODES=2; $place && $near && $smoke" -K maxcpus=3 2x2
machine 'CPUs put offline under load' "export PSREF_TEST_NODES=2; $storm; $place" 2x2
echo "$passed passed, $failed failed"
echo "numa: $((passed + failed)) machines, $((SECONDS - began)) s"
[ "$failed" = 0 ]
