#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# dropin-headers.sh STAGE: compiles every installed header of psref, psref-netbsd and psref-linux: alone and twice,
# before and after system headers that it could collide with, as C11 and C++17, with gcc and clang, warnings being
# errors. Then plants a bad header and demands that it is found. One line per fault; exit status 1 if there is any.
set -uo pipefail
[ $# -eq 1 ] || { sed -n '3,5s/^# //p' "$0"; exit 2; }
stage=$(realpath "$1") || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

pc=$(find "$stage" -name psref-netbsd.pc | head -1)
[ -n "$pc" ] || { echo "no psref-netbsd.pc below $stage" >&2; exit 2; }
export PKG_CONFIG_PATH=${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
[[ $(pkg-config --variable=prefix psref) == "$stage"* ]] || export PKG_CONFIG_SYSROOT_DIR=$stage
include=${PKG_CONFIG_SYSROOT_DIR:-}$(pkg-config --variable=includedir psref)
for compiler in gcc g++ clang clang++; do
    command -v $compiler >/dev/null || { echo "$compiler is missing: scripts/doctor.sh test" >&2; exit 2; }
done

system=$(printf '#include <%s>\n' stdio.h stdlib.h math.h sys/param.h sys/queue.h linux/icmp.h)
# sources DIRECTORY HEADER: the programs that take it in: alone, again, and then the others; behind the others, in a
# kernel with its debugging.
sources() {
    local name=$1/${2//\//-} header="#include <$2>" something='extern int something;'
    mkdir -p "$1"
    printf '%s\n' "$header" "$header" "$system" "$something" >"$name.before.c"
    printf '%s\n' '#define _KERNEL 1' '#define DIAGNOSTIC 1' '#define DEBUG 1' "$system" "$header" "$something" \
        >"$name.after.c"
}

# compile SOURCE LANGUAGE COMPILER FLAGS...: a line and what the compiler says, where it says anything
compile() {
    local source=$1 language=$2 compiler=$3 said
    shift 3
    said=$("$compiler" -x "${language%-*}" -std="${language#*-}" -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$@" \
        "$source" 2>&1) && [ -z "$said" ] && return
    printf 'headers: %s as %s with %s\n%s\n' "$(basename "$source" .c)" "${language#*-}" "$compiler" \
        "$(head -n 12 <<<"$said")"
}
export -f compile

# faults DIRECTORY FLAGS...: of all sources there
faults() {
    local directory=$1 source
    shift
    for source in "$directory"/*.c; do
        printf '%s\n' "$source c-c11 gcc" "$source c-c11 clang" "$source c++-c++17 g++" "$source c++-c++17 clang++"
    done | xargs -P "$(nproc)" -L 1 bash -c 'compile "${@: -3}" "${@:1:$#-3}"' bash "$@"
}

count=0
while read -r header; do
    sources "$work/psref" "$header"
    count=$((count + 1))
done < <(cd "$include" && find psref.h psref -name '*.h')
for kernel in netbsd linux; do
    while read -r header; do
        sources "$work/$kernel" "$header"
        count=$((count + 1))
    done < <(cd "$include/psref-$kernel" && find . -name '*.h' | sed 's,^\./,,')
done
said=
for module in psref psref-netbsd psref-linux; do
    read -ra flags <<<"$(pkg-config --cflags "$module")"
    said+=$(faults "$work/${module#psref-}" "${flags[@]}")
done
[ -z "$said" ] || echo "$said"

# A header that warns in one language, one that forgets its guard, and one that spoils what comes behind it.
mkdir -p "$work/bad/sys"
echo 'static int unused(void) { return 0; }' >"$work/bad/sys/warns.h"
echo 'struct twice { int member; };' >"$work/bad/sys/twice.h"
echo '#define stdout 1 2' >"$work/bad/sys/spoils.h"
echo '#define __unused __attribute__((__unused__))' >"$work/bad/sys/unused.h"
blind=0
for header in warns twice spoils unused; do
    sources "$work/bad-$header" "sys/$header.h"
    [ -z "$(faults "$work/bad-$header" -I"$work/bad")" ] || continue
    echo "headers: a planted fault is not found: $header"
    blind=1
done

echo "headers: $count headers, 4 compilers, 2 orders"
[ -z "$said" ] && [ $blind -eq 0 ]
