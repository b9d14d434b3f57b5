#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# check-library.sh STAGEDIR: looks at the installed library as the dynamic linker and the processor will see it.
# One line per fault; exit status 1 if there is any.
set -uo pipefail
stage=${1:?the directory the library was installed in}
library=$stage/lib/libpsref.so
failed=0
fault() { echo "library: $*"; failed=1; }
cd "$(dirname "$0")/.." || exit 2

dynamic=$(readelf -dW "$library") || exit 2
grep -q 'SONAME.*\[libpsref\.so\.0\]' <<<"$dynamic" || fault "SONAME is not libpsref.so.0"
grep -q 'FLAGS_1.*NODELETE' <<<"$dynamic" || fault "not linked with -z nodelete: unloading it would kill threads"
grep -q 'FLAGS_1.*NOW' <<<"$dynamic" || fault "not linked with -z now: symbols would be looked up in signal handlers"
if grep -qE 'RPATH|RUNPATH|TEXTREL' <<<"$dynamic"; then fault "has a run path or text relocations"; fi

# Exactly what the generated headers declare, all of one version.
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort)
declared=$(grep -l '^.*Generated from' "$stage"/include/psref/*.h | xargs grep -hoE '^[a-z_].*\<(psref|localcount|pserialize|device_gate|objpool|percpu|xc)_\w+\(' |
    sed -E 's/.*\<(\w+)\($/\1@@PSREF_0/')
# And the words that inlined code reads.
declared=$(printf '%s\n' "$declared" "$(sed -nE 's/^#define PSREF_INLINE_(WORDS|THREAD) "(.*)"/\2@@PSREF_0/p' "$stage/include/psref/inline_abi.h")" | sort)
[ "$exported" = "$declared" ] || fault "exports (<) are not what the headers declare (>):" "$(diff <(echo "$exported") <(echo "$declared"))"

# Fast paths: whole functions on cache lines of their own, nothing called, thread-local words by initial-exec.
for name in psref_acquire psref_release localcount_acquire localcount_release pserialize_read_enter pserialize_read_exit \
    device_gate_acquire device_gate_release device_gate_enter device_gate_exit \
    objpool_pop objpool_push objpool_pop_bulk objpool_push_bulk; do
    address=$(nm -D "$library" | awk -v name="$name@@PSREF_0" '$3 == name { print $1 }')
    [ $((16#${address:-1} % 64)) -eq 0 ] || fault "$name does not begin at a multiple of 64 but at $address"
    code=$(objdump -d --no-show-raw-insn --disassemble="$name" "$library")
    grep -qE '\sret' <<<"$code" || fault "$name has no instructions"
    if grep -qE '\scall' <<<"$code"; then fault "$name calls something"; fi
done
grep -q 'R_X86_64_TPOFF64' <<<"$(readelf -rW "$library")" || fault "no initial-exec relocation for the thread's words"

# Probes: each of the table of src/sys/probe.rs once, of this provider, with a register of 8 bytes for each argument,
# inside of the code.
told=$(sed -nE 's/^    [a-z_]+, "([a-z_]+)", \(([a-z_, ]+)\);$/\1 \2/p' src/sys/probe.rs | awk '{ print $1, NF - 1 }' | sort)
notes=$(readelf -nW "$library" | sed -n '/Owner/,$ p')
[[ -n $told ]] || fault "no table of probes in src/sys/probe.rs"
noted=$(awk '
    /Name:/ { name = $NF }
    /Arguments:/ {
        n = 0
        for (i = 1; i <= NF; i++) if ($i ~ /^8@(%r[a-z0-9]+|x[0-9]+)$/) n++
        print name, n
    }' <<<"$notes" | sort)
[ "$noted" = "$told" ] || fault "probes (<) are not what src/sys/probe.rs has (>):" "$(diff <(echo "$noted") <(echo "$told"))"
[ -z "$(awk '/Provider:/ && $NF != "psref"' <<<"$notes")" ] || fault "a probe is not psref's"
read -r from bytes <<<"$(readelf -SW "$library" | awk '{ sub(/^ *\[ *[0-9]+\]/, "") } $1 == ".text" { print $3, $5 }')"
for at in $(awk '/Location:/ { sub(/,/, "", $2); print $2 }' <<<"$notes"); do
    [ $((at)) -ge $((16#$from)) ] && [ $((at)) -lt $((16#$from + 16#$bytes)) ] || fault "a probe at $at is not in the code"
done

# Descriptors hold addresses, which the dynamic linker writes.
grep -qE ' __rseq_cs +PROGBITS.* WA ' <<<"$(readelf -SW "$library")" || fault "the descriptors of sections are not writable"

# Stripped, as packages have it.
limit=500000
stripped=$(mktemp) && strip -o "$stripped" "$library" && size=$(stat -c %s "$stripped")
rm -f "$stripped"
[ "${size:-$limit}" -lt $limit ] || fault "${size:-?} bytes without its symbols, expected less than $limit"

echo "library: $(stat -Lc %s "$library") bytes, $size without symbols, $(wc -l <<<"$exported") symbols, needs $(
    sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' <<<"$dynamic" | tr '\n' ' ')"
exit $failed
