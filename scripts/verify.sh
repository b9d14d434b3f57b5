#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# verify.sh: the checks that take long: the large models, Miri, the sanitizers, fuzzing, torture with planted bugs, poorer
# machines, emulated ones, and more ways to build. JOBS of them at a time (2); what each prints comes when it is over, and lies in
# build/verify. One line each at the end; exit status 1 if any failed. What lacks something on this machine says so, and is skipped.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
logs=build/verify began=$SECONDS
rm -rf "$logs"
mkdir -p "$logs" || exit 2
trap 'kill -- $(jobs -p) 2>/dev/null' EXIT
scripts/install.sh build/dev build/stage --libdir=lib >/dev/null || exit 1
export PSREF_STAGED=1 # who tests what is installed need not install it again, under others' feet

check() { # NAME COMMAND...
    local name=$1 from=$SECONDS result=passed
    shift
    local log=$logs/${name//[^a-zA-Z]/-}
    # 126 is also what the shell says of a script that is not executable.
    { [ -x "$1" ] && "$@"; } >"$log" 2>&1
    case $? in 0) ;; 77 | 126) result=skipped ;; *) result=FAILED ;; esac
    printf '%-7s %5s s  %s\n' $result $((SECONDS - from)) "$name" >>"$logs/summary"
    printf '\n=== %s: %s (%s, %s s)\n' "$name" "$*" $result $((SECONDS - from)) | flock "$logs/summary" cat - "$log"
}

# Each line one after the other; the lines beside each other, those that take longest first.
groups=(fuzzing poorer numa models miri sanitizers torture)
group_fuzzing() {
    check fuzzing scripts/fuzz.sh 60
    check 'fuzzing, planted bugs' scripts/fuzz.sh --planted
}
group_poorer() { # both of what is installed under build/stage
    check 'poorer machines' scripts/poor.sh
    check 'more ways to build' scripts/verify-builds.sh
}
group_numa() { check 'emulated machines' scripts/verify-numa.sh; }
group_models() {
    check models models/check.sh large
    check loom scripts/loom.sh
}
group_miri() { check Miri scripts/miri.sh; }
group_sanitizers() {
    check AddressSanitizer scripts/asan.sh
    check ThreadSanitizer scripts/tsan.sh
}
group_torture() { check torture scripts/verify-torture.sh; }

running=0
for group in "${groups[@]}"; do
    if [ $running -ge "${JOBS:-2}" ]; then
        wait -n
        running=$((running - 1))
    fi
    "group_$group" &
    running=$((running + 1))
done
wait

printf '\n%s, %s s\n' "$(date -u +%F)" $((SECONDS - began)) >>"$logs/summary"
cat "$logs/summary"
! grep -q '^FAILED' "$logs/summary"
