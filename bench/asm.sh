#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# asm.sh STAGE [--count|--check] [FUNCTION]...: the machine code of the fast paths, or of the functions named, in the library installed
# under STAGE, and of those that PSREF_INLINE inlines, in functions of nothing else (probe_...; probe/probe.c). The plain case of each
# runs straight down to the first `ret`; every jump leads out of it. --count prints only how many instructions that are; --check compares
# the numbers with instructions.txt, and the exit status tells.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/stage.sh"
stage=$1
shift
find_stage "$stage"
library=$(pkg-config --variable=libdir psref)/libpsref.so
what=print
case ${1:-} in --count | --check) what=${1#--} && shift ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What compilers make of the probe differs: the numbers are those of one.
compiler=$(${CC:-gcc} -dumpversion 2>/dev/null | sed 's/[.].*//') || compiler=
recorded=$(sed -n 's/^# probe_: gcc \([0-9]*\) .*/\1/p' "$here/instructions.txt")
probes=
if [ $# -eq 0 ]; then
    set -- psref_acquire psref_release localcount_acquire localcount_release pserialize_read_enter \
        pserialize_read_exit device_gate_enter device_gate_exit device_gate_acquire device_gate_release \
        objpool_pop objpool_push
    for function; do probes="$probes probe_$function"; done
    # shellcheck disable=SC2086 # names
    set -- "$@" objpool_pop_bulk objpool_push_bulk $probes
fi
# shellcheck disable=SC2046 # flags are words
${CC:-gcc} -O2 -std=c11 -fPIC -fcf-protection=none -fno-stack-protector $(pkg-config --cflags psref) -c -o "$work/probe.o" "$here/probe/probe.c"

for function; do
    case $function in probe_*) object=$work/probe.o ;; *) object=$library ;; esac
    # The name may carry a version; what pads the end is left out.
    objdump --disassemble --disassembler-options=intel --no-show-raw-insn "$object" |
        awk -v begin="^[0-9a-f]+ <$function(@.*)?>:" -v quiet="$([ $what = print ] || echo 1)" -v name="$function" '
            $0 ~ begin { inside = 1; found = 1 }
            inside && /^$/ { exit }
            inside && $2 != "int3" {
                if (!quiet) print
                if ($2 != "" && $2 !~ /^</ && !ended) straight++
                if ($2 == "ret") ended = 1
            }
            END {
                if (!found) exit 1
                if (quiet) print name, straight
                else printf "# straight path: %d instructions\n\n", straight
            }' ||
        { echo "asm.sh: no $function in $object" >&2; exit 1; }
done >"$work/out"

if [ $what != check ]; then
    cat "$work/out"
    exit 0
fi
# Compared by name; probes by the compiler that was recorded alone.
if [ "$compiler" != "$recorded" ]; then
    echo "asm.sh: inlined code was counted with gcc $recorded, here is ${compiler:-none}: not compared"
    grep -v '^probe_' "$work/out" >"$work/seen"
    grep -v '^#\|^probe_' "$here/instructions.txt" >"$work/expected"
else
    cp "$work/out" "$work/seen"
    grep -v '^#' "$here/instructions.txt" >"$work/expected"
fi
if diff "$work/expected" "$work/seen" >"$work/diff"; then
    echo "asm.sh: $(wc -l <"$work/seen") fast paths have the instructions that instructions.txt says"
else
    echo "asm.sh: straight paths are not what instructions.txt says (<) but (>):" >&2
    cat "$work/diff" >&2
    echo "Where it was meant: bench/asm.sh STAGE --count, and docs/performance.md" >&2
    exit 1
fi
