#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# readme.sh STAGE: the README's C program is compiled against the installed library, run, and must say what it says there.
set -eu
stage=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' README.md > "$work/prog.c"
[ -s "$work/prog.c" ] || { echo "readme.sh: no C program in README.md" >&2; exit 1; }
lib=$(dirname "$(find "$stage" -name psref.pc | head -n 1)")/..
PKG_CONFIG_PATH=$lib/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046 # pkg-config's answer is a list of words
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Werror "$work/prog.c" $(pkg-config --cflags --libs psref) -Wl,-rpath,"$lib" -o "$work/prog"
"$work/prog" > "$work/said"
cat "$work/said"
grep -q '^via 192.0.2.1 (\(rseq\|atomic\))$' "$work/said" && grep -q '^acquire after drain: ENOENT$' "$work/said"
