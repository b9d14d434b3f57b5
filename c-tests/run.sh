#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# run.sh STAGEDIR [PROGRAM...]: builds every test program here against the library installed below STAGEDIR, by its
# pkg-config file alone, and runs it in every environment, JOBS programs at a time (two a CPU). One line a test and
# environment, then "N passed, N failed"; exit status 1 if any failed. ENVIRONMENTS="default valgrind" in the environment runs
# only those; some run only where they are named, see the end. BUILT=DIRECTORY: what is built stays there, and what is there already is
# not built again.
set -uo pipefail
[ $# -ge 1 ] || { sed -n '3,8s/^# //p' "$0"; exit 2; }
stage=$(realpath "$1") || exit 2
shift
cd "$(dirname "$0")" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
built=${BUILT:-$work}
ulimit -c 0
export LC_ALL=C

# The installed library, as pkg-config tells of it. Installed with DESTDIR, its paths do not begin with the stage's.
pc=$(find "$stage" -name psref.pc | head -1)
[ -n "$pc" ] || { echo "no psref.pc below $stage" >&2; exit 2; }
export PKG_CONFIG_PATH=${pc%/*}${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
[[ $(pkg-config --variable=prefix psref) == "$stage"* ]] || export PKG_CONFIG_SYSROOT_DIR=$stage
libdir=$(dirname "${pc%/*}")
library=$(realpath "$libdir/libpsref.so")
export LD_LIBRARY_PATH=$libdir PSREF_TEST_VERSION
PSREF_TEST_VERSION=$(pkg-config --modversion psref)
read -ra cflags <<<"$(pkg-config --cflags psref)"
read -ra flags <<<"$(pkg-config --cflags --libs psref)"
read -ra static_flags <<<"$(pkg-config --static --cflags --libs psref)"
# A directory in which "-lpsref" can mean the archive only.
mkdir "$work/archive" && ln -s "$libdir/libpsref.a" "$work/archive/"

CC=${CC:-cc} CXX=${CXX:-c++}
strict=(-Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE -O2 -g1 -pthread)
sanitize=(-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
programs=()
shopt -s nullglob
for source in {psref,strict,pslist,kmutex,localcount,pserialize,device_gate,objpool,lwp,percpu,retire,xcall}_*.c; do
    [ $# -gt 0 ] && [[ " $* " != *" ${source%.c} "* ]] || programs+=("${source%.c}")
done

touch "$work/passes" "$work/failures" "$work/skips"
# verdict ENVIRONMENT PROGRAM SENTENCE [WHY]
line() { printf '%-6s %-9s %-17s %s\n' "$1" "$2" "$3" "$4${5:+ ($5)}"; }
pass() { line ok "$@" | tee -a "$work/passes"; }
fail() { line FAILED "$@" | tee -a "$work/failures"; }
skip() { line skip "$@"; echo "$1: $4" >>"$work/skips"; }
# check ENVIRONMENT PROGRAM SENTENCE COMMAND...
check() { if "${@:4}"; then pass "$1" "$2" "$3"; else fail "$1" "$2" "$3"; fi; }

# What the linker will see. The version's own symbol is absolute.
exports_our_names_only() {
    local names
    names=$(nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }')
    [ -n "$names" ] && ! grep -qvE '^(psref|localcount|pserialize|device_gate|objpool|percpu|xc)_[a-z_0-9]+@@PSREF_0$' <<<"$names"
}
dynamic_has() { readelf -dW "$1" | grep -q "$2"; }
check library symbols "exports nothing but its own names of version PSREF_0" exports_our_names_only
check library soname "is libpsref.so.0" dynamic_has "$library" 'SONAME.*\[libpsref\.so\.0\]'
check library nodelete "cannot be unloaded under a thread's section" dynamic_has "$library" 'FLAGS_1.*NODELETE'

# Every header alone, twice, and nothing of NetBSD's short names where they are not wanted.
include=$(pkg-config --variable=includedir psref)
include=${PKG_CONFIG_SYSROOT_DIR:-}$include
silent() { "$@" >"$work/log" 2>&1 || { cat "$work/log"; return 1; }; }
while read -r header; do
    printf '#include <%s>\n#include <%s>\nint main(void) { return 0; }\n' "$header" "$header" >"$work/alone.c"
    for language in "c -std=c11" "c++ -std=c++17"; do
        read -ra how <<<"$language"
        check headers "$header" "stands alone, twice, as $language" \
            silent "$CC" -x "${how[@]}" -Wall -Wextra -Wpedantic -Werror -fsyntax-only "${flags[@]}" "$work/alone.c"
    done
done < <(cd "$include" && find psref.h psref -name '*.h' | sort)
names() { "$CC" -E -dM "${flags[@]}" - | awk '{ print $2 }' | sort; }
defines_own_names_only() {
    ! comm -13 <(names <<<$'#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>') <(names <<<$'#define PSREF_NO_KMUTEX_NAMES\n#include <psref.h>') |
        grep -vE '^_?(PSREF|LOCALCOUNT|PSERIALIZE|PSLIST|OBJPOOL|PERCPU|XC|DEVICE_GATE)_'
}
check headers psref.h "defines only its own names with PSREF_NO_KMUTEX_NAMES" defines_own_names_only

# What each way to build is for.
c_environments='valgrind default atomic strict no-rseq refused late threads one-cpu synthetic low-as qemu'
declare -A users=([objects]="$c_environments static" [c]=$c_environments [c++]=c++ [static]=static [asan]=asan [inline]='inline in-atomic' [inline-c++]=inline++
    [inline-asan]=in-asan [inline-clang]=in-clang)
# build VARIANT COMPILER...: every program in one way; {} stands for its name
build() {
    local variant=$1 user
    shift
    if [ -n "${ENVIRONMENTS:-}" ]; then
        for user in ${users[$variant]} ''; do
            [[ " $ENVIRONMENTS " != *" ${user:-nobody} "* ]] || break
        done
        [ -n "$user" ] || return 0
    fi
    mkdir "$built/$variant" 2>/dev/null || return 0
    # shellcheck disable=SC2016 # expanded by the inner shell
    printf '%s\n' "${programs[@]}" | xargs -P 2 -I{} \
        sh -c 'out=$1; shift; "$@" -o "$out" >"$out.log" 2>&1 || rm -f "$out"' sh "$built/$variant/{}" "$@"
}
c=("$CC" -std=c11 "${strict[@]}")
build objects "${c[@]}" -c {}.c "${cflags[@]}"
build c "$CC" -pthread "$built/objects/{}" "${flags[@]}"
build c++ "$CXX" -std=c++17 "${strict[@]}" -x c++ {}.c -x none "${flags[@]}"
build static "$CC" -pthread "$built/objects/{}" "-L$work/archive" "${static_flags[@]}"
build asan "${c[@]}" "${sanitize[@]}" {}.c "${flags[@]}"
# The same programs with the library's code in them (inline.sh has more ways, and what is peculiar to it).
build inline "${c[@]}" -DPSREF_INLINE {}.c "${flags[@]}"
build inline-c++ "$CXX" -std=c++17 "${strict[@]}" -DPSREF_INLINE -x c++ {}.c -x none "${flags[@]}"
build inline-asan "${c[@]}" "${sanitize[@]}" -DPSREF_INLINE {}.c "${flags[@]}"
clang=$(command -v clang) && build inline-clang "$clang" -std=c11 "${strict[@]}" -DPSREF_INLINE {}.c "${flags[@]}"
holds_the_library() { [ -x "$1" ] && ! dynamic_has "$1" 'NEEDED.*libpsref'; }
[ ! -d "$built/static" ] || check static "${programs[0]}" "contains the library" holds_the_library "$built/static/${programs[0]}"
"${c[@]}" -o "$work/refuse_membarrier" refuse_membarrier.c || exit 2
"${c[@]}" -shared -fPIC -o "$work/poorer.so" poorer.c || exit 2

# The sanitizers see what they are there for: a leak of what the library allocated is one of malloc's to them.
reports() { # TEXT COMMAND...
    ! "${@:2}" >"$work/log" 2>&1 && grep -q "$1" "$work/log" || { cat "$work/log"; return 1; }
}
if [ -d "$built/asan" ]; then
    cat >"$work/wrong.c" <<'END'
#include <limits.h>
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
	char *volatile memory = (char *)malloc(100);
	memset(memory, argc, 100);
	if (argc > 1 && strcmp(argv[1], "use") == 0) {
		free(memory);
		return memory[7];
	}
	if (argc > 1 && strcmp(argv[1], "overflow") == 0) {
		volatile int most = INT_MAX;
		free(memory);
		most += argc;
		return 0;
	}
	memory = NULL;
	return 0;
}
END
    check asan wrong "is built" "${c[@]}" "${sanitize[@]}" -Wno-error -w -o "$work/wrong" "$work/wrong.c" "${flags[@]}"
    check asan wrong "a planted leak is reported" reports 'LeakSanitizer: detected memory leaks' "$work/wrong"
    check asan wrong "a planted use after free is reported" reports 'AddressSanitizer: heap-use-after-free' "$work/wrong" use
    check asan wrong "a planted overflow is reported" reports 'runtime error: signed integer overflow' "$work/wrong" overflow
fi

# qemu_does_not PROGRAM: what the program is about and qemu-user does not do
qemu_does_not() {
    case $1 in
    *_fork | lwp_misuse) echo "it cannot fork a program that has threads" ;;
    *_nomem) echo "it does not limit its guest's memory" ;;
    *_signal) echo "it enters handlers with a stack that is not aligned" ;;
    *_late_seccomp | *_stepped | *_quiet) echo "it has neither filters nor single steps" ;;
    *) return 1 ;;
    esac
}

# What runs now, by process: how many slots it takes, and for which environment. Most programs wait most of the time.
slots=${JOBS:-$((2 * $(nproc)))} taken=0
declare -A takes=() serves=() left=() variants=()
# run ENVIRONMENT VARIANT [NAME=VALUE...] [COMMAND...]: every program in one environment, beside others; what they print comes when the
# last of them is over
run() {
    local environment=$1 variant=$2 own=$work/in.$1 program why each=1
    shift 2
    [[ -z ${ENVIRONMENTS:-} || " $ENVIRONMENTS " == *" $environment "* ]] || return 0
    # What emulates computes all the time, and would only be slower.
    case $environment in valgrind | qemu) each=2 ;; esac
    [ $each -le "$slots" ] || each=$slots
    mkdir "$own"
    variants[$environment]=$variant
    left[$environment]=1 # this loop
    for program in "${programs[@]}"; do
        if [ "$environment" = qemu ] && why=$(qemu_does_not "$program"); then
            echo "$why" >"$own/$program.not"
            continue
        fi
        [ -x "$built/$variant/$program" ] || continue
        runs_here "$environment" "$program" || continue
        while [ $((taken + each)) -gt "$slots" ]; do one_ends; done
        {
            PROGRAM=$program env "$@" "$built/$variant/$program" >"$own/$program.out" 2>"$own/$program.err"
            echo $? >"$own/$program.status"
        } &
        takes[$!]=$each serves[$!]=$environment
        taken=$((taken + each)) left[$environment]=$((left[$environment] + 1))
    done
    done_with "$environment"
}
one_ends() {
    local ended
    wait -n -p ended "${!takes[@]}"
    taken=$((taken - takes[$ended]))
    done_with "${serves[$ended]}"
    unset "takes[$ended]" "serves[$ended]"
}
done_with() {
    left[$1]=$((left[$1] - 1))
    [ "${left[$1]}" -ne 0 ] || report "$1"
}
# report ENVIRONMENT: what every program said there
report() {
    local environment=$1 variant=${variants[$1]} own=$work/in.$1 program text told
    for program in "${programs[@]}"; do
        if [ -f "$own/$program.not" ]; then
            skip "$environment" "$program" "under qemu-user" "$(cat "$own/$program.not")"
            continue
        fi
        if [ ! -x "$built/$variant/$program" ]; then
            fail "$environment" "$program" "compiles" "see below"
            cat "$built/objects/$program.log" "$built/$variant/$program.log" 2>/dev/null
            continue
        fi
        [ -f "$own/$program.out" ] || continue # not for this environment
        local status=1 bad=0
        read -r status <"$own/$program.status"
        while IFS= read -r text; do
            told=${text#* - }
            case $text in
            "not ok - "*) bad=1; fail "$environment" "$program" "${told%% # *}" "${told#* # }" ;;
            "ok - "*" # SKIP "*) skip "$environment" "$program" "${told%% # *}" "${told#* # SKIP }" ;;
            "ok - "*) pass "$environment" "$program" "$told" ;;
            "# "*) line "" "" "" "$text" ;;
            esac
        done <"$own/$program.out"
        if [ "$status" -ne 0 ] && [ $bad -eq 0 ]; then
            fail "$environment" "$program" "ends well" "exit status $status"
            bad=1
        fi
        [ $bad -eq 0 ] || tail -n 100 "$own/$program.err" "$own/$program".valgrind.* 2>/dev/null
    done
}

# What runs as C++ and with the archive is the library's code once more: there, but for FULL=1, of each family what linking could spoil:
# first uses, handlers, forks, layouts. All is compiled.
runs_here() { # ENVIRONMENT PROGRAM
    case ${FULL:-},$1 in
    ,c++ | ,static) [[ $2 =~ ^(pslist|strict)_|_(api|first|signal|fork|layout|own_names|condvar|threads)$ ]] ;;
    esac
}

# poorly ENVIRONMENT VARIANT...: only where it is named
poorly() { [ -z "${ENVIRONMENTS:-}" ] || run "$@"; }

# Whole in the plainest environment, short in the others; FULL=1 in the environment: whole in all of them.
short=PSREF_TEST_SHORT=1
[ -z "${FULL:-}" ] || short=PSREF_TEST_FULL=1
if command -v qemu-x86_64 >/dev/null; then
    poorly qemu c $short PSREF_TEST_UNDER=qemu PSREF_TEST_SECONDS=300 qemu-x86_64
elif [[ " ${ENVIRONMENTS:-} " == *" qemu "* ]]; then
    skip qemu "every program" "under qemu-user" "qemu-x86_64 is not installed"
fi
# Each drain visits every CPU there: a loaded machine takes its time.
poorly late c $short PSREF_TEST_SECONDS=600 LD_PRELOAD="$work/poorer.so" PSREF_POORER=late
poorly threads c $short LD_PRELOAD="$work/poorer.so" PSREF_POORER=threads
poorly one-cpu c $short taskset -c "$(taskset -cp $$ | sed 's/.*: \([0-9]*\).*/\1/')"
poorly synthetic c $short HWLOC_SYNTHETIC='numa:2 core:4 pu:1'
# Stacks count too: a program with a hundred threads has room for them, and threads for two megabytes of a program's own.
poorly low-as c $short bash -c 'ulimit -s 4096; ulimit -v 1048576; exec "$0" "$@"'
# What takes longest begins first.
run default c
if command -v valgrind >/dev/null; then
    run valgrind c $short PSREF_TEST_UNDER=valgrind \
        valgrind -q --error-exitcode=99 --fair-sched=yes --log-file="$work/in.valgrind/%q{PROGRAM}.valgrind.%p"
else
    skip valgrind "every program" "under valgrind" "valgrind is not installed"
fi
run asan asan $short PSREF_TEST_UNDER=asan
run in-asan inline-asan $short PSREF_TEST_UNDER=asan
run inline inline $short
run c++ c++ $short
run atomic c $short PSREF_BACKEND=atomic
run strict c $short PSREF_STRICT=1
run no-rseq c $short GLIBC_TUNABLES=glibc.pthread.rseq=0
if "$work/refuse_membarrier" true 2>/dev/null; then
    run refused c $short "$work/refuse_membarrier"
else
    skip refused "every program" "membarrier refused from the start" "no seccomp filter can be installed here"
fi
run static static $short
run inline++ inline-c++ $short
run in-atomic inline $short PSREF_BACKEND=atomic
if [ -n "$clang" ]; then
    run in-clang inline-clang $short
else
    skip in-clang "every program" "inlined by clang" "clang is not installed"
fi
while [ $taken -gt 0 ]; do one_ends; done

count() { wc -l <"$work/$1"; }
passed=$(count passes) failed=$(count failures) skipped=$(count skips)
[ ! -s "$work/failures" ] || { echo; echo "failed:"; cat "$work/failures"; }
[ ! -s "$work/skips" ] || { echo; echo "skipped:"; sort "$work/skips" | uniq -c; }
echo
echo "$passed passed, $failed failed$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")"
[ "$failed" -eq 0 ]
