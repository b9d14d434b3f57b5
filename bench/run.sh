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

peers="$here/peers" peer_sources='' peer_flags='' peer_libs='' versions=''
version_of() { versions="$versions${versions:+, }$1 $2"; }
if pkg-config --exists liburcu-memb liburcu-bp liburcu-qsbr; then
    peer_sources="$peers/urcu.c $peers/urcu_inline.c"
    peer_flags=$(pkg-config --cflags liburcu-memb liburcu-bp liburcu-qsbr)
    peer_libs=$(pkg-config --libs liburcu-memb liburcu-bp liburcu-qsbr)
    version_of liburcu "$(pkg-config --modversion liburcu-memb)"
fi
if pkg-config --exists ck; then
    # shellcheck disable=SC2046 # flags are words
    library bench-ck "$peers"/ck_*call.c $(pkg-config --cflags --libs ck)
    peer_sources="$peer_sources $peers/ck.c $peers/ck_hp.c $peers/ck_ring.c $peers/ck_stack.c"
    version_of "Concurrency Kit" "$(pkg-config --modversion ck)"
    peer_libs="$peer_libs -lbench-ck"
fi
if pkg-config --exists libdpdk; then
    # Of its many libraries these; nothing names the one with the rings, which brings itself in.
    dpdk='-Wl,--no-as-needed -lrte_eal -lrte_mempool -lrte_mempool_ring -lrte_ring -Wl,--as-needed'
    # shellcheck disable=SC2046,SC2086 # flags are words
    library bench-dpdk "$peers/dpdk_call.c" $(pkg-config --cflags libdpdk) $dpdk
    # shellcheck disable=SC2046 # flags are words
    $cc -O2 -std=gnu11 -Wall -Wextra -c -o "$build/dpdk.o" "$peers/dpdk.c" $(pkg-config --cflags libdpdk psref)
    peer_sources="$peer_sources $build/dpdk.o"
    peer_libs="$peer_libs -lbench-dpdk $dpdk"
    version_of DPDK "$(pkg-config --modversion libdpdk)"
fi
if command -v cargo >/dev/null; then
    if CARGO_TARGET_DIR="$build/peers" cargo build --quiet --release --locked --manifest-path "$peers/Cargo.toml" \
        2>"$build/peers.log"; then
        cp "$build/peers/release/libbench_rust.so" "$build/"
        peer_sources="$peer_sources $peers/crossbeam.c $peers/array_queue.c $peers/rust_holds.c $peers/rust_pools.c"
        peer_libs="$peer_libs -lbench_rust"
        # Every dependency has its version there: name = "=1.2.3".
        while read -r crate version; do
            version_of "$crate" "$version"
        done <<END
$(sed -n 's/^\([a-z-]*\) = "=\(.*\)"$/\1 \2/p' "$peers/Cargo.toml")
END
        version_of rustc "$(rustc --version | cut -d' ' -f2)"
    else
        echo "run.sh: the crates could not be built, see $build/peers.log" >&2
    fi
fi

# Allocators: not linked, which would make them the process's own, but loaded by their path.
allocator() { # NAME ALLOCATE RELEASE
    path=$($cc -print-file-name="lib$1.so")
    [ -e "$path" ] || return 0
    $cc -O2 -std=gnu11 -Wall -Wextra -c -o "$build/$1.o" "$peers/malloc.c" -DALLOCATOR="$1" -DLIBRARY="\"$path\"" \
        -DALLOCATE="\"$2\"" -DRELEASE="\"$3\""
    peer_sources="$peer_sources $build/$1.o"
    peer_libs="$peer_libs -ldl"
    version_of "$1" "$(pkg-config --modversion "$1" 2>/dev/null || basename "$(realpath "$path")")"
}
allocator mimalloc mi_malloc mi_free
allocator jemalloc malloc free
# jemalloc's thread-local storage is of the kind that glibc keeps only little room for after the start.
GLIBC_TUNABLES=${GLIBC_TUNABLES:+$GLIBC_TUNABLES:}glibc.rtld.optional_static_tls=16384
export GLIBC_TUNABLES

# shellcheck disable=SC2046,SC2086 # flags are words
$cc -O2 -std=gnu11 -Wall -Wextra -pthread $(pkg-config --cflags psref) $peer_flags -DPEERS="\"$versions\"" \
    -o "$build/bench" "$here"/*.c $peer_sources \
    -Wl,-z,now -L"$build" -lbench-floor $peer_libs -Wl,-rpath,"$build" \
    $(pkg-config --libs psref) -Wl,-rpath,"$(pkg-config --variable=libdir psref)" -lm

exec "$build/bench" "$@"
