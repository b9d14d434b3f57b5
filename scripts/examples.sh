#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# examples.sh STAGEDIR: compiles every example against the installed library, as a user would, and runs it for a second on both
# back ends. Each checks itself. Exit status 1 if any failed.
set -euo pipefail
[ $# -eq 1 ] || { sed -n '3,4s/^# //p' "$0"; exit 2; }
stage=$(realpath "$1")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

export PKG_CONFIG_PATH=$stage/lib/pkgconfig
read -ra flags <<<"$(pkg-config --cflags --libs psref)"
flags+=(-lpthread "-Wl,-rpath,$(pkg-config --variable=libdir psref)")
for source in examples/*.c; do
    name=$(basename "$source" .c) parts=()
    [ ! -d "examples/$name" ] || parts=("examples/$name"/*.c)
    ${CC:-cc} -O2 -std=c11 -Wall -Wextra -Werror "$source" "${parts[@]}" "${flags[@]}" -o "$work/$name"
    for backend in auto atomic; do
        echo "examples: $name, PSREF_BACKEND=$backend"
        PSREF_BACKEND=$backend timeout 60 "$work/$name" -s 1 | sed 's/^/    /'
    done
done
