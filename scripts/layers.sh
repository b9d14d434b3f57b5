#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# layers.sh [ROOT]: holds the source against the layers: imports point down, machine things live in one place.
# One line per violation; exit status 1 if there is any. layers-selftest.sh shows that each rule bites.
set -uo pipefail
cd "${1:-$(dirname "$0")/..}" || exit 2

# Modules of src/, lowest first: what each may name besides itself. A row names only rows above it, so nothing is circular.
common='sys sort diag symbol park watchdog tally stable topology thread lwp strict percpu xcall'
layers="
sys        |
sort       |
diag       | sys
symbol     | sys diag
park       | sys
watchdog   | sys
tally      | sys
stable     | sys
topology   | sys sort
thread     | sys diag park stable
lwp        | sys diag thread
strict     | sys diag thread
percpu     | sys diag park stable topology thread
xcall      | sys diag park thread percpu
vcpu       | sys diag park watchdog stable thread lwp strict percpu
kmutex     | sys diag park thread lwp strict vcpu
psref      | $common
localcount | $common kmutex
pserialize | $common
gate       | $common
objpool    | $common
kxcall     | $common vcpu pserialize
kpercpu    | $common vcpu kxcall
retire     | $common psref pserialize
stats      | $common psref localcount pserialize gate objpool retire
"

failed=0
violation() { echo "layers: $*"; failed=1; }

known='' # modules, separated by |
declare -A may
while IFS='|' read -r module below; do
    read -r module <<<"$module"
    [ -n "$module" ] || continue
    for name in $below; do
        [[ "|$known|" == *"|$name|"* ]] || violation "the table lets $module use $name, which is not below it"
    done
    may[$module]=" $module $below "
    known+="${known:+|}$module"
done <<<"$layers"

# The Rust sources without their comments, under the same names.
bare=$(mktemp -d) || exit 2
trap 'rm -rf "$bare"' EXIT
mapfile -t rust < <(find src ffi/src build.rs ffi/build.rs -name '*.rs' | sort)
cp --parents "${rust[@]}" "$bare" && (cd "$bare" && sed -i 's,//.*,,' "${rust[@]}") || exit 2

# forbid WHAT PATTERN EXCEPT FILE...: a violation for each line of code that matches the one and not the other.
forbid() {
    local what=$1 pattern=$2 except=$3 line
    shift 3
    while read -r line; do violation "$(cut -d: -f1,2 <<<"$line"): $what"; done < <(
        cd "$bare" && grep -HnE "$pattern" /dev/null "$@" | grep -vE "${except:-^$}"
    )
}

# The modules that a source names: `crate::a`, `crate::{a, b::{c, d}}`. Not `$crate::`: that stands in macros.
named() {
    tr '\n' ' ' <"$bare/$1" | grep -oE '(^|[^$[:alnum:]_])crate::(\{[^;]*|[[:alnum:]_]+)' |
        sed -E 's/^.?crate:://; :nested; s/(.)\{[^{}]*\}/\1/; t nested; s/::[^ ,]*//g; s/[{}, ]+/\n/g' | grep . | sort -u
}

everything=() above=() c_names=() sys=() roots=() no_hwloc=()
for file in "${rust[@]}"; do
    everything+=("$file")
    case $file in ffi/src/*) c_names+=("$file") ;; src/sys/*) sys+=("$file") ;; src/*/*) ;; src/*) roots+=("$file") ;; esac
    case $file in src/sys/*) ;; *) above+=("$file") ;; esac
    case $file in src/topology/hwloc.rs) ;; *) no_hwloc+=("$file") ;; esac

    case $file in src/lib.rs | ffi/* | build.rs) continue ;; esac
    module=${file#src/} module=${module%%/*} module=${module%.rs}
    if [ -z "${may[$module]:-}" ]; then
        violation "$file: the module $module has no row in the table of layers.sh"
        continue
    fi
    for name in $(named "$file"); do
        # Names that begin so are macros of src/sys; the crate's macros lie at its root.
        [[ $name == __* || ${may[$module]} == *" $name "* ]] || violation "$file: $module may not use crate::$name"
    done
done

# The ways round the table.
forbid 'super::super:: hides the layer: say crate::' '\<super::super::' '' "${everything[@]}"
forbid 'super:: leads to another layer here: say crate::' "\\<super::($known)\\>" '' "${roots[@]}"
forbid "a macro may name a family's entry file, and nothing else of it" '[$]crate::[a-z]' '[$]crate::[a-z]+::entry::' "${sys[@]}"
# One place for each thing of the machine.
forbid 'assembly lives in src/sys' '\<(global_|naked_)?asm!|\<(core|std)::arch\>' '' "${above[@]}"
forbid 'raw system calls live in src/sys' '\<libc::syscall\>' '' "${above[@]}"
forbid 'functions of the C library are called in src/sys' '\<libc::[a-z_]+ *\(' '\<__errno_location\(' "${above[@]}"
forbid 'hwlocality is named in src/topology/hwloc.rs alone' '\<hwlocality(_sys)?\>' '' "${no_hwloc[@]}"
forbid 'no logic in ffi: it belongs to the core' '\<Ordering\>|\<Atomic[A-Z]|\<fence\(' '' "${c_names[@]}"

# Every source of the project, its comments too.
if [ -e .git ]; then list=(git ls-files -co --exclude-standard); else list=(find . '(' -name target -o -name build ')' -prune -o -type f -print); fi
mapfile -t sources < <("${list[@]}" | grep -E '[.](rs|c|h|S|sh|pml|pyi?|map|pc[.]in)$|(^|/)(Makefile|meson[.]build|run)$' |
    while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done)
while read -r file; do violation "$file: no SPDX line in its first two lines"; done < <(
    awk 'FNR == 1 { missing[FILENAME] = 1 } FNR <= 2 && /SPDX-License-Identifier: MIT OR Apache-2.0/ { delete missing[FILENAME] }
        END { for (file in missing) print file }' "${sources[@]}")
wc -l "${sources[@]}" | awk '$1 > 500 && $2 != "total" { print "layers: note: " $2 " has " $1 " lines: does it hold two ideas?" }'

[ $failed -ne 0 ] || echo "layers: ${#rust[@]} Rust files keep to the layers"
exit $failed
