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
cp "$folder/libpsref_ffi.a" "$output"
# cargo's own list of the sources, under the name that ninja knows the library by.
sed "s|^[^:]*libpsref_ffi\.a:|$output:|" "$folder/libpsref_ffi.d" >"$depfile"
