#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# fuzz.sh [SECONDS [TARGET...]]: fuzzes each target of fuzz/, or those named, for so long (60), from the corpus in the tree: three
# quarters of it with sections, one quarter on the atomics back end. Inputs that are new stay beside the build.
# fuzz.sh --planted: plants bugs into the library, each of which a target must find within 240 s.
# fuzz.sh --coverage: runs the corpus, and lists the lines of the library that none of it reaches.
# fuzz.sh --corpus: adds the inputs that were found to the tree, as few as reach the same.
# Exit status 77: something is missing.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
skip() { echo "fuzz.sh: skipped: $1"; exit 77; }
command -v cargo >/dev/null || skip "cargo is missing; https://rustup.rs has it"
export PATH=$PATH:$HOME/.cargo/bin
[ "$(uname -sm)" = 'Linux x86_64' ] || skip "made for Linux on x86-64"
RUSTUP_AUTO_INSTALL=0 rustc +nightly --version >/dev/null 2>&1 || skip "needs a nightly toolchain: rustup toolchain install nightly"
command -v cargo-fuzz >/dev/null || skip "cargo-fuzz is missing: scripts/setup.sh verify installs it"
build=${CARGO_TARGET_DIR:-$PWD/target/fuzz}
export CARGO_TARGET_DIR=$build RUST_BACKTRACE=1
all=(psref localcount pserialize gate objpool retire)
log=$(mktemp) || exit 2
trap 'rm -f "$log"' EXIT

mkdir -p "$build/artifacts"
compile() { cargo +nightly fuzz build "$@" >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }; }
binary() { echo "$build/x86_64-unknown-linux-gnu/release/$1"; }
# run TARGET [OPTION...]: libFuzzer's options. Directories: new inputs go to the first.
run() {
    local target=$1
    shift
    mkdir -p "$build/found/$target" "$build/artifacts/$target"
    "$(binary "$target")" -timeout=60 -rss_limit_mb=4096 -artifact_prefix="$build/artifacts/$target/" "$@" \
        "$build/found/$target" "fuzz/corpus/$target" >"$log" 2>&1
}
stat() { sed -n "s/^stat::$1: *//p" "$log"; }

case ${1:-} in
--planted)
    compile --features planted
    failed=0 caught=0
    plant() { # BUG TARGET [NAME=VALUE...]
        local bug=$1 target=$2 from=$SECONDS
        shift 2
        # New inputs go to the first directory.
        rm -rf "$build/planted"
        mkdir "$build/planted"
        if env PSREF_PLANT="$bug" "$@" bash -c 'exec "$0" "$@"' "$(binary "$target")" -timeout=60 -max_total_time=240 \
            -artifact_prefix="$build/artifacts/planted-" "$build/planted" "fuzz/corpus/$target" -seed=1 -print_final_stats=1 >"$log" 2>&1; then
            echo "$target: $bug went by unnoticed"
            failed=1
        elif ! grep -qE "panicked at|AddressSanitizer|^psref: |ERROR: libFuzzer: timeout" "$log"; then # a timeout: a wait that hangs
            tail -n 20 "$log"
            failed=1
        else
            caught=$((caught + 1))
            printf '%-11s %-18s found after %3s s: %s\n' "$target" "$bug" $((SECONDS - from)) \
                "$(grep -A1 -m1 'panicked at' "$log" | tail -n 1 | grep . || grep -m1 'ERROR: libFuzzer' "$log")"
        fi
    }
    plant first-name-kept psref
    plant cells-not-closed localcount PSREF_BACKEND=atomic
    plant silent-exit pserialize
    plant joins-under-way pserialize
    plant silent-leave gate
    plant silent-seal gate
    plant no-help objpool
    plant readers-ignored retire
    plant holders-ignored retire
    rm -rf "$build/planted" "$build"/artifacts/planted-*
    echo "fuzz: $caught planted bugs found"
    exit $failed
    ;;
--coverage)
    command -v llvm-symbolizer >/dev/null || skip "llvm-symbolizer is missing; it comes with the Debian package llvm"
    work=$(mktemp -d)
    trap 'rm -rf "$log" "$work"' EXIT
    # Not optimised: a line is a line. A place of the program for each branch.
    RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
        -Cllvm-args=-sanitizer-coverage-pc-table' CARGO_TARGET_DIR=$build/coverage \
        cargo build -q --manifest-path fuzz/Cargo.toml --target x86_64-unknown-linux-gnu --bin replay >"$log" 2>&1 || { tail -n 40 "$log"; exit 1; }
    replay=$build/coverage/x86_64-unknown-linux-gnu/debug/replay
    for target in "${all[@]}"; do
        for how in PSREF_BACKEND=auto 'PSREF_BACKEND=atomic PSREF_FUZZ_POLL=1'; do
            # shellcheck disable=SC2086 # variables, to be split
            env $how PSREF_FUZZ_COVERAGE="$work/places" "$replay" "$target" "fuzz/corpus/$target" >>"$log" 2>&1 || { tail -n 20 "$log"; exit 1; }
        done
    done
    grep inputs "$log"
    # Of each place whether any run reached it; then where it is, and of each line whether any place of it was reached.
    awk '{ hit[$1] += $2 } END { for (place in hit) print place, (hit[place] > 0) }' "$work/places" | sort >"$work/union"
    cut -d' ' -f1 "$work/union" | llvm-symbolizer --obj="$replay" --no-inlines --functions=none --output-style=GNU >"$work/where"
    paste -d' ' "$work/where" <(cut -d' ' -f2 "$work/union") | awk -v root="$PWD/" '
        { at = $1; n = $NF; if (index(at, root) == 1) at = substr(at, length(root) + 1) }
        at ~ /^(src|ffi\/src)\// { sub(/ .*/, "", at); reached[at] = reached[at] || n }
        END { for (at in reached) { split(at, part, ":"); print part[1], part[2], reached[at] } }' | sort -k1,1 -k2,2n |
        awk '
        function tell() {
            if (file != "") {
                printf "%-32s %4d of %4d lines%s\n", file, hit, all, missed == "" ? "" : "; not:" missed
                hits += hit; alls += all
            }
        }
        $1 != file { tell(); file = $1; hit = all = 0; missed = "" }
        { all++; if ($3) hit++; else missed = missed " " $2 }
        END { tell(); printf "coverage: %d of %d lines with places\n", hits, alls }'
    exit
    ;;
--corpus)
    compile
    for target in "${all[@]}"; do
        mkdir -p "$build/found/$target" "fuzz/corpus/$target" "$build/least/$target"
        rm -f "$build/least/$target"/*
        "$(binary "$target")" -merge=1 -use_counters=0 -max_len=400 "$build/least/$target" "fuzz/corpus/$target" "$build/found/$target" >"$log" 2>&1 ||
            { tail -n 20 "$log"; exit 1; }
        rm -f "fuzz/corpus/$target"/*
        cp "$build/least/$target"/* "fuzz/corpus/$target"/
        echo "$target: $(find "fuzz/corpus/$target" -type f | wc -l) inputs, $(du -sb "fuzz/corpus/$target" | cut -f1) bytes"
    done
    exit
    ;;
-*) sed -n '3,8s/^# //p' "$0"; exit 2 ;;
esac

seconds=${1:-60}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- "${all[@]}"
compile
failed=0
for target; do
    for how in "auto $((seconds * 3 / 4))" "atomic $((seconds - seconds * 3 / 4))"; do
        read -r backend time <<<"$how"
        export PSREF_BACKEND=$backend
        # There callers see to what was retired.
        if [ "$backend" = atomic ]; then export PSREF_FUZZ_POLL=1; else unset PSREF_FUZZ_POLL; fi
        if run "$target" -max_total_time="$time" -max_len=400 -print_final_stats=1; then
            printf '%-11s %-7s %9s runs in %4s s, %s\n' "$target" "$backend" "$(stat number_of_executed_units)" "$time" \
                "$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -n 1)"
        else
            tail -n 60 "$log"
            printf '%-11s %-7s FAILED\n' "$target" "$backend"
            failed=1
        fi
    done
done
exit $failed
