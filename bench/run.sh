#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh STAGE [arguments of bench]: builds the benchmark against the library installed under STAGE, as any C program is
# built, and runs it. The results are in BENCH_BUILD (build/bench). Installs nothing: other libraries take part where they are
# installed.
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

# The libraries are bound when the program starts: no first call is slower than the others.
library() { # NAME SOURCE... [-lLIBRARY]
    name=$1
    shift
    $cc -O2 -fPIC -shared -Wl,-z,now -Wl,-soname,"lib$name.so" -o "$build/lib$name.so" "$@"
}
library bench-floor "$here"/floor/*.c

peers="$here/peers" peer_sources='' peer_flags='' peer_libs=''
if pkg-config --exists liburcu-memb liburcu-bp; then
    peer_sources="$peers/urcu.c $peers/urcu_inline.c"
    peer_flags=$(pkg-config --cflags liburcu-memb liburcu-bp)
    peer_libs=$(pkg-config --libs liburcu-memb liburcu-bp)
fi
if pkg-config --exists ck; then
    # shellcheck disable=SC2046 # flags are words
    library bench-ck "$peers/ck_call.c" $(pkg-config --cflags --libs ck)
    peer_sources="$peer_sources $peers/ck.c"
    peer_libs="$peer_libs -lbench-ck"
fi
if command -v cargo >/dev/null; then
    if CARGO_TARGET_DIR="$build/peers" cargo build --quiet --release --locked --manifest-path "$peers/Cargo.toml" \
        2>"$build/peers.log"; then
        cp "$build/peers/release/libbench_crossbeam.so" "$build/"
        peer_sources="$peer_sources $peers/crossbeam.c"
        peer_libs="$peer_libs -lbench_crossbeam"
    else
        echo "run.sh: crossbeam-epoch could not be built, see $build/peers.log" >&2
    fi
fi

# shellcheck disable=SC2046,SC2086 # flags are words
$cc -O2 -std=gnu11 -Wall -Wextra -pthread $(pkg-config --cflags psref) $peer_flags -o "$build/bench" "$here"/*.c $peer_sources \
    -Wl,-z,now -L"$build" -lbench-floor $peer_libs -Wl,-rpath,"$build" \
    $(pkg-config --libs psref) -Wl,-rpath,"$(pkg-config --variable=libdir psref)" -lm

exec "$build/bench" "$@"
