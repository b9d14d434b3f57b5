#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# install.sh BUILDDIR PREFIX [meson options]: builds the library in BUILDDIR and installs it under PREFIX, below $DESTDIR if set.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '3s/^# //p' "$0"; exit 2; }
build=$1 prefix=$(realpath -m "$2")
shift 2
cd "$(dirname "$0")/.."

if [ -f "$build/build.ninja" ]; then
    meson setup --reconfigure "$build" --prefix="$prefix" "$@" >"$build/setup.log" || { cat "$build/setup.log"; exit 1; }
else
    meson setup "$build" --buildtype=release --prefix="$prefix" "$@"
fi
meson install -C "$build" --quiet

# The system's own prefixes: tell the dynamic linker that there is a new library.
if [ -z "${DESTDIR:-}" ] && [ "$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then ldconfig; fi
echo "installed under ${DESTDIR:-}$prefix"
