#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# doctor.sh [build|python|test|verify|bench]: what is missing to build the library, to use it from Python, to test it too (the
# default), to run the long checks too; or to compare it with other libraries. doctor.sh --packages ...: only the names of the missing packages, for this
# machine's package manager. Exit status: 0 nothing is missing, 1 something is, 2 called wrongly.
set -u

# what for | name | test of its presence | apt | dnf | pacman; "-": there is no package.
needs='
build  | Rust 1.88 or newer  | at_least 1.88 cargo --version | - | - | -
build  | C compiler          | compiles c  "#include <stdio.h>" | gcc libc6-dev | gcc | gcc
build  | pkg-config          | pkg-config --version | pkg-config | pkgconf-pkg-config | pkgconf
build  | meson 1.0 or newer  | at_least 1.0 meson --version | meson | meson | meson
build  | dpkg-architecture   | knows_libdir | dpkg-dev | - | -
build  | ninja               | ninja --version | ninja-build | ninja-build | ninja
build  | hwloc 2.1 or newer  | pkg-config --atleast-version=2.1 hwloc | libhwloc-dev | hwloc-devel | hwloc
python | Python 3.11 or newer | at_least 3.11 ${PYTHON:-python3} --version | python3 | python3 | python
python | venv for Python      | ${PYTHON:-python3} -c "import ensurepip, venv" | python3-venv | python3 | python
test   | C++ compiler        | compiles c++ "#include <cstdio>" | g++ | gcc-c++ | gcc
test   | clang               | clang --version && clang++ --version | clang | clang | clang
test   | mandoc              | command -v mandoc | mandoc | mandoc | mandoc
test   | binutils            | readelf --version | binutils | binutils | binutils
test   | spin                | spin -V | spin | - | -
test   | valgrind            | valgrind --version | valgrind | valgrind | valgrind
verify | qemu                | qemu-system-x86_64 --version | qemu-system-x86 | qemu-system-x86-core | qemu-system-x86
verify | busybox             | command -v busybox | busybox-static | busybox | busybox
verify | cpio                | cpio --version | cpio | cpio | cpio
verify | qemu for programs   | qemu-x86_64 --version | qemu-user | qemu-user | qemu-user
verify | llvm-symbolizer     | llvm-symbolizer --version | llvm | llvm | llvm
verify | taskset             | taskset --version | util-linux | util-linux | util-linux
bench  | liburcu             | pkg-config --exists liburcu-memb liburcu-bp liburcu-qsbr | liburcu-dev | userspace-rcu-devel | liburcu
bench  | Concurrency Kit     | pkg-config --exists ck | libck-dev | ck-devel | -
bench  | DPDK                | pkg-config --exists libdpdk | libdpdk-dev | dpdk-devel | dpdk
bench  | mimalloc            | has_library mimalloc | libmimalloc-dev | mimalloc-devel | mimalloc
bench  | jemalloc            | has_library jemalloc | libjemalloc-dev | jemalloc-devel | jemalloc
'

at_least() { # VERSION COMMAND...: the first number that the command prints is not less than VERSION
    local wanted=$1 found
    shift
    found=$("$@" | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)
    [ -n "$found" ] && [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" = "$wanted" ]
}

compiles() { # LANGUAGE TEXT
    local compiler=${CC:-cc}
    [ "$1" = c ] || compiler=${CXX:-c++}
    printf '%s\nint main(void) { return 0; }\n' "$2" | $compiler -x "$1" - -o /dev/null
}

has_library() { # NAME: the linker finds a shared one
    [ -e "$(${CC:-cc} -print-file-name="lib$1.so")" ]
}

knows_libdir() { # without it meson installs into lib64, where Debian's linker does not look
    ! command -v dpkg || dpkg-architecture -qDEB_HOST_MULTIARCH
}

quiet=
[ "${1:-}" != --packages ] || { quiet=yes; shift; }
case ${1:-test} in
build) groups=' build ' ;;
python) groups=' build python ' ;;
test) groups=' build python test ' ;;
verify) groups=' build python test verify ' ;;
bench) groups=' build bench ' ;; # optional: what is missing takes no part
*) sed -n '3,5s/^# //p' "$0"; exit 2 ;;
esac

managers=(apt-get dnf pacman)
installs=('apt-get update && apt-get install -y --no-install-recommends' 'dnf install -y' 'pacman -S --needed')
here='' # which of them this machine has
for i in 0 1 2; do
    if command -v "${managers[i]}" >/dev/null; then here=$i; break; fi
done

packages=('' '' '') unpackaged='' missing=0
while IFS='|' read -r group name check apt dnf pacman; do
    read -r group <<<"$group"
    [[ -n $group && $groups == *" $group "* ]] || continue
    read -r name <<<"$name"
    if eval "$check" >/dev/null 2>&1; then
        [ -n "$quiet" ] || echo "ok       $name"
        continue
    fi
    missing=1
    [ -n "$quiet" ] || echo "MISSING  $name"
    names=("$apt" "$dnf" "$pacman")
    for i in 0 1 2; do
        read -r package <<<"${names[i]}"
        if [ "$package" != - ]; then packages[i]+=" $package"; elif [ $i = "${here:-0}" ]; then unpackaged+="$name; "; fi
    done
done <<<"$needs"

if [ -n "$quiet" ]; then
    echo "${packages[${here:-0}]}"
    exit $missing
fi
if [ -n "${packages[0]}${packages[1]}${packages[2]}" ]; then
    echo "To install what is missing, as root:"
    for i in ${here:-0 1 2}; do
        if [ -n "${packages[i]}" ]; then echo "  ${installs[i]}${packages[i]}"; fi
    done
fi
[ -z "$unpackaged" ] || echo "Not from a package: ${unpackaged%; } (Rust: https://rustup.rs, spin: https://spinroot.com)"
exit $missing
