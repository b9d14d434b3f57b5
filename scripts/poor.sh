#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# poor.sh [ENVIRONMENT...]: the C and the Rust tests on poorer machines than this one, or on those named: rseq off (no-rseq), membarrier
# refused from the start (refused) and in the middle (late), threads without rseq (threads), one CPU (one-cpu), a topology that is
# not this machine's (synthetic), little address space (low-as), no hwloc (no-hwloc); and of the C tests a short form under valgrind
# and qemu-user. Then "N passed, N failed" of the C tests, and a line for each Rust test program that failed; exit status 1 if any did.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
[ $# -gt 0 ] || set -- no-rseq refused late threads one-cpu synthetic low-as no-hwloc valgrind qemu
began=$SECONDS failed=0
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
ulimit -c 0

[ -n "${PSREF_STAGED:-}" ] || scripts/install.sh build/dev build/stage --libdir=lib >/dev/null || exit 1
for environment; do
    [ "$environment" != no-hwloc ] && continue
    # A library of its own; everything else is as usual.
    scripts/install.sh build/poor "$PWD/build/poor-stage" --libdir=lib -Dhwloc=false >/dev/null || exit 1
    if ldd build/poor-stage/lib/libpsref.so | grep hwloc; then echo "poor: hwloc is there all the same"; failed=1; fi
    echo "C tests without hwloc:"
    ENVIRONMENTS=default PSREF_TEST_SHORT=1 c-tests/run.sh build/poor-stage >"$work/c" 2>&1 || { grep -vE "^(ok|skip| )" "$work/c"; failed=1; }
    tail -n 1 "$work/c"
done
mapfile -t others < <(printf '%s\n' "$@" | grep -vx no-hwloc)
if [ ${#others[@]} -gt 0 ]; then
    echo "C tests:"
    ENVIRONMENTS="${others[*]}" c-tests/run.sh build/stage >"$work/c" 2>&1 || { grep -vE "^(ok|skip| )" "$work/c"; failed=1; }
    tail -n 1 "$work/c"
fi

# The Rust tests: built once, each program run by itself.
programs() { # FEATURES...
    cargo test -q -p psref --lib --tests --no-run --message-format=json "$@" 2>"$work/log" |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | sort -u >"$work/programs"
    [ -s "$work/programs" ] || { cat "$work/log"; exit 1; }
}
cc -D_GNU_SOURCE -O2 -Wall -o "$work/refuse_membarrier" c-tests/refuse_membarrier.c || exit 2
cc -D_GNU_SOURCE -O2 -Wall -shared -fPIC -o "$work/poorer.so" c-tests/poorer.c || exit 2
rust() { # ENVIRONMENT COMMAND...
    local environment=$1 program passed=0 wrong=0 from=$SECONDS
    shift
    while read -r program; do
        if timeout -k 5 "${PSREF_POOR_PATIENCE:-600}" "$@" "$program" --test-threads=2 >"$work/out" 2>&1 </dev/null; then
            passed=$((passed + $(awk '/^test result: ok/ { n += $4 } END { print n + 0 }' "$work/out")))
        else
            echo "FAILED $environment ${program##*/} (exit status $?)"
            tail -n 40 "$work/out"
            wrong=$((wrong + 1)) failed=1
        fi
    done <"$work/programs"
    printf 'Rust %-10s %4s tests passed, %s programs failed, %s s\n' "$environment" "$passed" "$wrong" $((SECONDS - from))
}
if [[ " $* " == *" no-hwloc "* ]]; then
    programs --no-default-features
    rust no-hwloc env
fi
programs
for environment; do
    case $environment in
    no-rseq) rust "$environment" env GLIBC_TUNABLES=glibc.pthread.rseq=0 ;;
    refused) rust "$environment" "$work/refuse_membarrier" ;;
    late) rust "$environment" env LD_PRELOAD="$work/poorer.so" PSREF_POORER=late ;;
    threads) rust "$environment" env LD_PRELOAD="$work/poorer.so" PSREF_POORER=threads ;;
    one-cpu) rust "$environment" taskset -c "$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/')" ;;
    synthetic) rust "$environment" env HWLOC_SYNTHETIC='numa:2 core:4 pu:1' ;;
    low-as) rust "$environment" env MALLOC_ARENA_MAX=1 bash -c 'ulimit -s 4096; ulimit -v 1048576; exec "$0" "$@"' ;;
    esac
done
echo "poor: $# environments, $((SECONDS - began)) s"
exit $failed
