#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh STAGE [PORT...]: builds every port here by the .pc files installed below STAGE alone, NetBSD's against
# psref-netbsd, Linux's (linux_*) against psref-linux, plain and under AddressSanitizer and UBSan, and runs each with
# both back ends and in strict mode. One line a test and environment, then "N passed, N failed"; exit status 1 if any
# failed.
set -uo pipefail
[ $# -ge 1 ] || { sed -n '3,6s/^# //p' "$0"; exit 2; }
stage=$(realpath "$1") || exit 2
shift
cd "$(dirname "$0")" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
ulimit -c 0
export LC_ALL=C

pc=$(find "$stage" -name psref-netbsd.pc | head -1)
[ -n "$pc" ] || { echo "no psref-netbsd.pc below $stage" >&2; exit 2; }
export PKG_CONFIG_PATH=${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
[[ $(pkg-config --variable=prefix psref) == "$stage"* ]] || export PKG_CONFIG_SYSROOT_DIR=$stage
LD_LIBRARY_PATH=$(dirname "${pc%/*}")
export LD_LIBRARY_PATH

CC=${CC:-cc}
kernel=(-D_KERNEL -DDIAGNOSTIC -DDEBUG -DPSREF_DEBUG)
c=("$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE -O2 -g -pthread)
sanitize=(-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
ports=()
for source in *_test.c; do
    port=${source%_test.c}
    [ $# -gt 0 ] && [[ " $* " != *" $port "* ]] || ports+=("$port")
done

# build VARIANT PORT FLAGS...: with what the kernel would be compiled with, and what it would not
build() {
    local out=$1/$2 module=psref-netbsd sources=("$2_test.c")
    [[ $2 != linux_* ]] || module=psref-linux
    [ ! -f "$2.c" ] || sources+=("$2.c")
    read -ra flags <<<"$(pkg-config --cflags --libs $module)"
    "${c[@]}" "${kernel[@]}" "${@:3}" -o "$work/$out" "${sources[@]}" "${flags[@]}" >"$work/$out.log" 2>&1 || return
    [ ! -f "$2_plugin.c" ] || "${c[@]}" "${kernel[@]}" "${@:3}" -shared -fPIC -o "$work/$out.so" "$2_plugin.c" \
        "${flags[@]}" >>"$work/$out.log" 2>&1 || rm "$work/$out"
}
mkdir "$work/plain" "$work/asan"
for port in "${ports[@]}"; do
    build plain "$port" &
    build asan "$port" "${sanitize[@]}" &
    wait
done

passed=0 failed=0
line() { printf '%-6s %-13s %-12s %s\n' "$@"; }
# one ENVIRONMENT VARIANT PORT [NAME=VALUE...]
one() {
    local out=$work/$1.$3 program=$work/$2/$3
    # Without reports: a wake-up that is lost shall not be made up for by the next of them.
    env "${@:4}" PSREF_DRAIN_WARN=100000 PSREF_TEST_PLUGIN="$program.so" timeout 300 "$program" >"$out" 2>"$out.err"
    echo $? >"$out.status"
}
# run ENVIRONMENT VARIANT [NAME=VALUE...]: every port in one environment, two a CPU at a time, for most of them wait most of the time
slots=$((2 * $(nproc)))
run() {
    local environment=$1 variant=$2 port text bad status
    shift 2
    for port in "${ports[@]}"; do
        [ -x "$work/$variant/$port" ] || continue
        [ "$(jobs -rp | wc -l)" -lt $slots ] || wait -n
        one "$environment" "$variant" "$port" "$@" &
    done
    wait
    for port in "${ports[@]}"; do
        if [ ! -x "$work/$variant/$port" ]; then
            failed=$((failed + 1))
            line FAILED "$environment" "$port" "compiles"
            cat "$work/$variant/$port.log"
            continue
        fi
        status=1 bad=0
        read -r status <"$work/$environment.$port.status"
        while IFS= read -r text; do
            case $text in
            "not ok - "*) bad=1; failed=$((failed + 1)); line FAILED "$environment" "$port" "${text#* - }" ;;
            "ok - "*) passed=$((passed + 1)); line ok "$environment" "$port" "${text#* - }" ;;
            esac
        done <"$work/$environment.$port"
        # Strict mode and the sanitizers have nothing to say.
        if [ "$status" -ne 0 ] || [ -s "$work/$environment.$port.err" ]; then
            if [ $bad -eq 0 ]; then
                failed=$((failed + 1))
                line FAILED "$environment" "$port" "ends well, without a word: status $status"
            fi
            tail -n 40 "$work/$environment.$port.err"
        fi
    done
}
run rseq plain
run atomic plain PSREF_BACKEND=atomic
run strict plain PSREF_STRICT=1
run asan asan PSREF_TEST_SHORT=1
run asan-atomic asan PSREF_TEST_SHORT=1 PSREF_BACKEND=atomic
run asan-strict asan PSREF_TEST_SHORT=1 PSREF_STRICT=1

echo
echo "$passed passed, $failed failed"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
