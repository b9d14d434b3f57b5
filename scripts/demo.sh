#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# demo.sh STAGEDIR [arguments of route]: compiles examples/route against the installed library, as a user would, and runs it.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3s/^# //p' "$0"; exit 2; }
stage=$(realpath "$1")
shift
cd "$(dirname "$0")/.."

export PKG_CONFIG_PATH=$stage/lib/pkgconfig
read -ra flags <<<"$(pkg-config --cflags --libs psref)"
${CC:-cc} -O2 -std=c11 -Wall -Wextra examples/route.c examples/route/*.c "${flags[@]}" -lpthread \
    -Wl,-rpath,"$(pkg-config --variable=libdir psref)" -o build/route
exec build/route "$@"
