#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh STAGE [arguments of bench]: builds the benchmark against the library installed under STAGE, as any C program is
# built, and runs it. The results are in BENCH_BUILD (build/bench).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/stage.sh"
stage=$1
shift
find_stage "$stage"

cc=${CC:-cc}
build=${BENCH_BUILD:-$here/../build/bench}
mkdir -p "$build"
build=$(cd "$build" && pwd)

# Both libraries are bound when the program starts: no first call is slower than the others.
$cc -O2 -fPIC -shared -Wl,-z,now -Wl,-soname,libbench-floor.so -o "$build/libbench-floor.so" "$here"/floor/*.c
# shellcheck disable=SC2046 # flags are words
$cc -O2 -std=gnu11 -Wall -Wextra -pthread $(pkg-config --cflags psref) -o "$build/bench" "$here"/*.c \
    -Wl,-z,now -L"$build" -lbench-floor -Wl,-rpath,"$build" \
    $(pkg-config --libs psref) -Wl,-rpath,"$(pkg-config --variable=libdir psref)" -lm

exec "$build/bench" "$@"
