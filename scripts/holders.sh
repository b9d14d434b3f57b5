#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# holders.sh STAGEDIR: runs every command of docs/holders.md that has its output below it, against the installed
# library. What is said must be what the page says, but for numbers; file and line to the letter. Exit status 1 if
# anything differs.
set -uo pipefail
[ $# -eq 1 ] || { sed -n '3,5s/^# //p' "$0"; exit 2; }
stage=$(realpath "$1")
cd "$(dirname "$0")/.." || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

export PKG_CONFIG_PATH=$stage/lib/pkgconfig
read -ra flags <<<"$(pkg-config --cflags --libs psref)"
flags+=(-lpthread "-Wl,-rpath,$(pkg-config --variable=libdir psref)")
${CC:-cc} -g -std=c11 -Wall -Wextra -Werror examples/leak.c "${flags[@]}" -o "$work/leak" || exit 1

# Blocks of commands, each with what it says in the block that follows: run.N and said.N.
awk -v to="$work" '
    /^```sh$/ { n++; into = to "/run." n; next }
    /^```text$/ && n > told { told = n; into = to "/said." n; next }
    /^```/ { into = ""; next }
    into != "" { print > into }' docs/holders.md
# Everything but numbers, which are addresses, threads, CPUs and times; where nobody knows the CPU as where somebody
# does.
plain() {
    sed -E 's/on no cpu that is known/on cpu 0/; s,/[^ ]*/examples/,examples/,g
        s/0x[0-9a-f]+/N/g; s/ *[0-9]+([.][0-9]+)*/N/g' "$1"
}
lines() { grep -oE 'leak[.]c:[0-9]+' "$1" | sort -u; }

compared=0 failed=0
for said in "$work"/said.*; do
    run=${said/said/run}
    [ -s "$run" ] || continue
    (cd "$work" && timeout 60 bash "$run") >"$work/out" 2>&1 || { echo "holders: exit status $? of: $(cat "$run")"; failed=1; }
    diff <(plain "$said") <(plain "$work/out") >"$work/diff" && diff <(lines "$said") <(lines "$work/out") >>"$work/diff" || {
        echo "holders: docs/holders.md (<) is not what is said (>) by: $(cat "$run")"
        cat "$work/diff"
        failed=1
    }
    compared=$((compared + 1))
done
[ $compared -ge 3 ] || { echo "holders: $compared outputs on the page, expected 3 or more"; failed=1; }
[ $failed -ne 0 ] || echo "holders: $compared outputs are as docs/holders.md has them"
exit $failed
