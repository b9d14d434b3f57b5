#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# build-staticlib.sh SOURCE TARGETDIR PROFILE OUTPUT DEPFILE [cargo arguments]: builds the C library's code as a static
# library, for meson, which makes the shared library of it: cargo cannot give symbols versions.
set -eu
source=$1 target=$2 profile=$3 output=$4 depfile=$5
shift 5

# `dev` is the profile whose directory is called `debug`.
case $profile in dev) folder=debug ;; *) folder=$profile ;; esac
folder=$target/${CARGO_BUILD_TARGET:+$CARGO_BUILD_TARGET/}$folder

${CARGO:-cargo} rustc --locked --manifest-path "$source/Cargo.toml" --target-dir "$target" -p psref-ffi --lib \
    --crate-type staticlib --profile "$profile" "$@"
# cargo's own list of the sources, under the name that ninja knows the library by.
sed "s|^[^:]*libpsref_ffi\.a:|$output:|" "$folder/libpsref_ffi.d" >"$depfile"
case " $* " in
*borrowed-symbols*) ;;
*)
    cp "$folder/libpsref_ffi.a" "$output"
    exit
    ;;
esac
# Where std walks stacks it comes to src/sys/borrowed_symbols.rs, and that to what std called before.
${OBJCOPY:-objcopy} --redefine-syms=/dev/stdin "$folder/libpsref_ffi.a" "$output" <<END
_Unwind_Backtrace __psref_unwind_backtrace
_Unwind_GetIP __psref_unwind_get_ip
_Unwind_GetCFA __psref_unwind_get_cfa
__psref_true_unwind_backtrace _Unwind_Backtrace
__psref_true_unwind_get_ip _Unwind_GetIP
__psref_true_unwind_get_cfa _Unwind_GetCFA
END
