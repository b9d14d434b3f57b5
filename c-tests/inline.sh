#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# inline.sh STAGEDIR: what PSREF_INLINE makes of programs, built against the library installed below STAGEDIR in many ways: mixed with called
# code, in plug-ins that are unloaded, beside a library of another version, and with bugs planted. One line a test, then
# "N passed, N failed"; exit status 1 if any failed.
set -uo pipefail
[ $# -eq 1 ] || { sed -n '3s/^# //p' "$0"; exit 2; }
stage=$(realpath "$1") || exit 2
cd "$(dirname "$0")/inline" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
log=$work/log
ulimit -c 0
export LC_ALL=C

pc=$(find "$stage" -name psref.pc | head -1)
[ -n "$pc" ] || { echo "no psref.pc below $stage" >&2; exit 2; }
export PKG_CONFIG_PATH=${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
[[ $(pkg-config --variable=prefix psref) == "$stage"* ]] || export PKG_CONFIG_SYSROOT_DIR=$stage
libdir=$(dirname "${pc%/*}")
export LD_LIBRARY_PATH=$libdir
include=${PKG_CONFIG_SYSROOT_DIR:-}$(pkg-config --variable=includedir psref)
read -ra libs <<<"$(pkg-config --libs psref)"
read -ra static_libs <<<"$(pkg-config --static --libs psref)"
mkdir "$work/archive" && ln -s "$libdir/libpsref.a" "$work/archive/"
warnings=(-Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE -pthread)

passed=0 failed=0
pass() { passed=$((passed + 1)); printf '%-6s %-9s %s\n' ok "$1" "$2"; }
fail() { failed=$((failed + 1)); printf '%-6s %-9s %s\n' FAILED "$1" "$2${3:+ ($3)}"; }
skip() { printf '%-6s %-9s %s\n' skip "$1" "$2 ($3)"; }
# check GROUP SENTENCE COMMAND...
check() { if "${@:3}" >"$log" 2>&1; then pass "$1" "$2"; else fail "$1" "$2" "exit status $?"; tail -n 20 "$log"; fi; }
# check_not GROUP SENTENCE COMMAND...: fails when the command ends well
check_not() { if "${@:3}" >"$log" 2>&1; then fail "$1" "$2" "nothing was noticed"; else pass "$1" "$2"; fi; }

# compile DIRECTORY HEADERS COMPILER CXX [option...]: all ways, and the program that mixes them
compile() {
    local out=$1 headers=$2 cc=$3 cxx=$4
    shift 4
    local c=("$cc" -std=c11 "${warnings[@]}" -I "$headers" "$@") cc17=("$cxx" -x c++ -std=c++17 "${warnings[@]}" -I "$headers" "$@")
    mkdir -p "$out"
    "${c[@]}" -c mix.c -o "$out/mix.o" &&
        "${c[@]}" -DWAY=way_called -c way.c -o "$out/called.o" &&
        "${c[@]}" -DPSREF_INLINE -DWAY=way_inlined -c way.c -o "$out/inlined.o" &&
        "${cc17[@]}" -DPSREF_INLINE -DWAY=way_inlined -c way.c -o "$out/inlined++.o" &&
        "${cc17[@]}" -DPSREF_INLINE -DWAY=way_inlined_again -c way.c -o "$out/again++.o"
}
# link DIRECTORY CXX [option...]: with C, and with C++ twice
link() {
    local out=$1 cxx=$2
    shift 2
    "$cxx" -pthread -o "$out/c" "$out"/{mix,called,inlined}.o "$@" -ldl &&
        "$cxx" -pthread -o "$out/c++" "$out"/{mix,called,inlined++,again++}.o "$@" -ldl
}
plugin() { "$1" -std=c11 "${warnings[@]}" -I "$include" -O2 -fPIC -shared -DPSREF_INLINE -DWAY=way_plugged_in "${@:3}" way.c -o "$2" "${libs[@]}"; }
# mixes DIRECTORY [NAME=VALUE...]
mixes() { env PSREF_TEST_PLUGIN="$work/plugin.so" PSREF_TEST_DESCRIPTORS=9 PSREF_TEST_SECONDS_EACH=0.3 "${@:2}" timeout 200 "$1/c" &&
    env PSREF_TEST_PLUGIN="$work/plugin.so" PSREF_TEST_DESCRIPTORS=9 PSREF_TEST_SECONDS_EACH=0.3 "${@:2}" timeout 200 "$1/c++"; }

check build "a plug-in" plugin cc "$work/plugin.so"
check build "a plug-in that stays" plugin cc "$work/stays.so" -Wl,-z,nodelete

# try CC CXX NAME LINKFLAGS OPTION...: builds in one manner and mixes. Nine sections, however many sources had them.
try() {
    local cc=$1 cxx=$2 name="$1 $3" link=$4 out="$work/$1$3"
    shift 4
    check build "$name" compile "$out" "$include" "$cc" "$cxx" "$@" || return
    # shellcheck disable=SC2086 # options are words
    check link "$name" link "$out" "$cxx" "$@" $link "${libs[@]}"
    check mix "$name: inlined, called, C, C++ twice, plug-in" mixes "$out"
}
pairs="gcc g++;clang clang++"
while read -r cc cxx; do
    command -v "$cc" >/dev/null && command -v "$cxx" >/dev/null || { skip build "$cc" "not installed"; continue; }
    try "$cc" "$cxx" O0 "" -O0
    try "$cc" "$cxx" sections "-Wl,--gc-sections" -O2 -ffunction-sections -fdata-sections
    try "$cc" "$cxx" no-pic "-no-pie" -O3 -fno-pic
    try "$cc" "$cxx" pic "" -Os -fPIC
done < <(tr ';' '\n' <<<"$pairs")
try gcc g++ lto "" -O2 -flto
check link "gcc static" link "$work/gccsections" g++ -Wl,--gc-sections "-L$work/archive" "${static_libs[@]}"
check mix "gcc static: inlined, called, C, C++ twice" env PSREF_TEST_SECONDS_EACH=0.3 timeout 200 "$work/gccsections/c++"

out=$work/gccpic
for environment in PSREF_BACKEND=atomic GLIBC_TUNABLES=glibc.pthread.rseq=0 PSREF_STRICT=1; do
    check mix "$environment" mixes "$out" "$environment"
done

# A library of another version of what inlined code reads; and a program that only releases.
mkdir "$work/other"
words=$(sed -n 's/^#define PSREF_INLINE_WORDS "\(.*\)"$/\1/p' "$include/psref/inline_abi.h")
sed "s/$words/${words%?}x/g" "$(realpath "$libdir/libpsref.so.0")" >"$work/other/libpsref.so.0"
other() {
    env LD_LIBRARY_PATH="$work/other" "$@" 2>"$work/other.err"
    [ $? -eq 127 ] && grep -q "undefined symbol: $words" "$work/other.err"
}
cat >"$work/releases.c" <<'END'
#include <psref/psref.h>
int main(int argc, char **argv)
{
	if (argc > 1)
		psref_release((struct psref *)argv, (struct psref_target *)argv, (struct psref_class *)argv);
	return 0;
}
END
check build "a program that only releases" gcc -DPSREF_INLINE -O2 -Wl,-z,lazy -I "$include" "$work/releases.c" -o "$work/releases" "${libs[@]}"
check version "runs with the library it was built for" "$work/releases"
check version "is refused as it is loaded with a library of another version, by name" other "$work/releases"
check version "so is one that acquires" other "$out/c"
called_alone() { gcc -O2 -I "$include" "$work/releases.c" -o "$work/calls" "${libs[@]}" && LD_LIBRARY_PATH=$work/other "$work/calls"; }
check version "calls alone do not depend on it" called_alone

# ThreadSanitizer sees no assembly.
no_sections() { "$1" -O2 -fsanitize=thread -DPSREF_INLINE -DWAY=way_inlined -I "$include" -c way.c -o "$work/tsan.o" && ! readelf -SW "$work/tsan.o" | grep __rseq_cs; }
for cc in gcc clang; do
    if command -v $cc >/dev/null; then check tsan "$cc -fsanitize=thread inlines nothing" no_sections $cc; fi
done

# Unloading.
check build "a host of plug-ins" gcc -std=c11 "${warnings[@]}" -I "$include" -O2 unload.c -o "$work/unload" "${libs[@]}" -ldl
unload() { PSREF_TEST_PLUGIN=$1 timeout 60 "$work/unload" "$2" >"$work/unload.out" && grep -q "$3" "$work/unload.out" && grep -q awake "$work/unload.out"; }
died() { PSREF_TEST_PLUGIN=$1 timeout 60 "$work/unload" "$2" >"$work/unload.out"; [ $? -eq 139 ] && grep -q unloaded "$work/unload.out"; }
check unload "after psref_prepare_unload threads live on" unload "$work/plugin.so" prepared unloaded
check unload "with -z nodelete the plug-in stays" unload "$work/stays.so" bare stayed
if grep -q rseq "$work/unload.out"; then
    check unload "without either they die: the tests above can see" died "$work/plugin.so" bare
else
    skip unload "without either they die" "no rseq here"
fi

# Planted. A copy of the headers, in which a delay stands between any two steps of every section: that must do no harm, and then sections that
# are not armed must be caught in every family.
cp -r "$include/psref" "$include/psref.h" "$work/" && mkdir "$work/slow" && mv "$work/psref" "$work/psref.h" "$work/slow/"
sed -i 's|^#define PSREF_INLINE_STEP ""|#define PSREF_INLINE_STEP ".rept 60\\npause\\n.endr\\n"|' "$work/slow/psref/inline_section.h"
cp -r "$work/slow" "$work/disarmed" && cp -r "$work/slow" "$work/ungrouped"
sed -i 's|"movq " scratch ", %%fs:8(%\[area\])\\n"|"xorl %%eax, %%eax\\n"|' "$work/disarmed/psref/inline_section.h"
sed -i 's|"aw?|"aw|; s|\\"aw?\\"|\\"aw\\"|; s|\\"ax?\\"|\\"ax\\"|' "$work/ungrouped/psref/inline_section.h"
# Longer there: the rarer of what can go wrong is a matter of seconds then.
sed -i 's|rept 60|rept 1000|' "$work/disarmed/psref/inline_section.h"
for planted in slow disarmed ungrouped; do
    check planted "$planted headers differ" eval "! cmp -s '$include/psref/inline_section.h' '$work/$planted/psref/inline_section.h'"
done
build_planted() { compile "$work/$1.out" "$work/$1" gcc g++ -O2 && link "$work/$1.out" g++ "${libs[@]}"; }
# stress HEADERS PROGRAM TEST: a stress test of the library, with these headers inlined
stress() {
    gcc -std=c11 "${warnings[@]}" -O2 -DPSREF_INLINE -I "$work/$1" "../$2.c" -o "$work/$1.$2" "${libs[@]}" &&
        env PSREF_TEST_SECONDS=20 PSREF_STRESS_SECONDS=4 timeout 60 "$work/$1.$2" "$3"
}
# Chance decides when a thread loses its CPU: some tries.
caught() {
    for ((i = 0; i < 8; i++)); do stress disarmed "$@" || return 0; done
    return 1
}
check planted "delays inside sections: built" build_planted slow
check planted "delays inside sections do no harm" env PSREF_TEST_SECONDS_EACH=1 timeout 200 "$work/slow.out/c"
check_not planted "sections outside of their functions' groups do not link" build_planted ungrouped
# Each family beside the others: the more threads there are, the more are interrupted inside sections.
families=()
while read -r program test; do
    families+=("$program")
    {
        passed=0 failed=0 log=$work/log.$program
        check planted "delays inside sections do no harm: $program" stress slow "$program" "$test"
        if grep -q rseq "$work/unload.out"; then
            check planted "sections that are not armed are caught: $program" caught "$program" "$test"
        else
            skip planted "sections that are not armed are caught: $program" "no rseq here"
        fi
        echo "$passed $failed" >"$work/counts.$program"
    } >"$work/said.$program" &
done <<END
psref_stress no_hold_begins_after
localcount_stress references_keep
device_gate_stress devices_may
objpool_threads wander
END
wait
for program in "${families[@]}"; do
    cat "$work/said.$program"
    read -r well ill <"$work/counts.$program" || { well=0 ill=1; }
    passed=$((passed + well)) failed=$((failed + ill))
done

echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
