# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=sh
# Sourced. find_stage STAGE: makes pkg-config see the library installed under STAGE first.
find_stage() {
    pc=$(find "$1" -name psref.pc -print -quit 2>/dev/null) || true
    [ -n "$pc" ] || { echo "${0##*/}: no psref.pc under $1; \`make stage\` installs one" >&2; exit 1; }
    PKG_CONFIG_PATH=$(dirname "$pc")${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
    export PKG_CONFIG_PATH
}
