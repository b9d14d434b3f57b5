#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# emulated.sh STAGE FILE [ONLINE/POSSIBLE]...: what drain, perform and seal cost against the number of CPUs, on emulated
# machines, with the library installed under STAGE; the figures go to FILE, for page.sh. With machines named, only those are
# measured, and the others' figures in FILE stay. All take a quarter of an hour and more. JOBS: machines at a time (1). Exit
# status 1: some failed, what the others told is in FILE; 77: something that numa-vm.sh needs is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=bench/stage.sh
. "$here/stage.sh"
[ $# -ge 2 ] || { sed -n '3,6s/^# //p' "$0" >&2; exit 2; }
stage=$1 file=$2
shift 2
wanted=" $* "
find_stage "$stage"

build=${BENCH_BUILD:-$here/../build/bench}
mkdir -p "$build"
urcu='' # takes part where it is installed
! pkg-config --exists liburcu-memb || urcu="-DWITH_URCU $(pkg-config --cflags --libs liburcu-memb)"
# shellcheck disable=SC2046,SC2086 # flags are words
${CC:-cc} -O2 -std=gnu11 -Wall -Wextra -pthread $(pkg-config --cflags psref) \
    -o "$build/waits" "$here/emulated/waits.c" "$here/stats.c" -Wl,-z,now $urcu \
    $(pkg-config --libs psref) -Wl,-rpath,"$(pkg-config --variable=libdir psref)" -lm

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
jobs=${JOBS:-1} count=0
# One run a line in FILE: they begin with what this script knows of them. Those that are there stay until they are measured
# again.
touch "$work/kept"
[ ! -e "$file" ] || sed -n 's/^ *\({"clock".*}\),*$/\1/p' "$file" >"$work/kept"

# The emulation tells all CPUs' clocks alike, but the kernel cannot see that, and would read another clock by a system call.
boot() { # OUTPUT TITLE 'COMMAND' BEGINNING [arguments of numa-vm.sh]
    local out=$1 title=$2 command=$3 begin=$4 from=$SECONDS status=0
    shift 4
    "$here/../scripts/numa-vm.sh" -t 3600 -m 1024 -K tsc=reliable "$@" "$command" "$build/waits" >"$out" 2>&1 || status=$?
    [ "$status" = 0 ] || { echo "not ok  $title" >&2; tail -n 20 "$out" >&2; echo "$status" >"$out.status"; return; }
    sed -n "s|^{|$begin|p" "$out" >"$out.runs"
    echo "ok      $title, $((SECONDS - from)) s"
}
machine() { # CLOCK ONLINE/POSSIBLE USED... [-i]: JOBS of them at once
    local clock=$1 cpus=$2 online=${2%/*} possible=${2#*/} command='' option=()
    [[ $wanted == '  ' || $wanted == *" $cpus "* ]] || return 0
    shift 2
    [ "$clock" = time ] || option=(-i)
    for n; do command+="waits $n && "; done
    count=$((count + 1))
    [ "$count" -le "$jobs" ] || wait -n
    option+=(-x $((possible - online)) "1x$online")
    boot "$work/$((100 + count))" "$online of $possible possible CPUs, clock: $clock" "${command}true" \
        "{\"clock\": \"$clock\", \"machine\": \"$cpus\", \"date\": \"$(date -u +%F)\", " "${option[@]}" &
}

# 255 is the most that qemu's q35 has without an IOMMU. The longest first.
machine time 64/64 1 2 16 64
machine time 2/255 1 2
machine time 16/16 1 2 8 16
machine time 2/64 1 2
machine instructions 1/255 1
machine instructions 1/64 1
machine time 8/8 1 2 8
machine time 2/8 1 2
machine time 2/2 1 2
machine instructions 1/8 1
machine instructions 1/1 1
wait
! grep -qx 126 "$work"/*.status 2>/dev/null || exit 77
for runs in "$work"/*.runs; do
    [ -e "$runs" ] || { echo "emulated.sh: nothing was measured" >&2; exit 1; }
    grep -vF "$(grep -o '"machine": "[^"]*"' "$runs" | head -n 1)" "$work/kept" >"$work/others" || true
    mv "$work/others" "$work/kept"
done

qemu=$(qemu-system-x86_64 --version | sed -n '1s/^[^0-9]*\([0-9.]*\).*/\1/p')
{
    printf '{\n  "qemu": "%s",\n  "runs": [\n' "$qemu"
    cat "$work/kept" "$work"/*.runs | sed 's/^/    /; $!s/$/,/'
    printf '  ]\n}\n'
} >"$work/json"
mv "$work/json" "$file"
echo "$file: $(cat "$work"/*.runs | wc -l) runs measured, $(wc -l <"$work/kept") kept"
[ -z "$(find "$work" -name '*.status')" ]
