#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# verify.sh: the checks that take long: the large models, Miri, the sanitizers, fuzzing, poorer machines, and every
# scripts/verify-*.sh.
# One line each at the end; exit status 1 if any failed. What lacks something on this machine says so, and is skipped.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
failed=0 summary=''

check() { # NAME COMMAND...
    local name=$1 from=$SECONDS result=passed
    shift
    printf '\n=== %s: %s\n' "$name" "$*"
    # 126 is also what the shell says of a script that is not executable.
    [ -x "$1" ] && "$@"
    case $? in 0) ;; 77 | 126) result=skipped ;; *) result=FAILED failed=1 ;; esac
    summary+=$(printf '%-7s %5s s  %s' "$result" $((SECONDS - from)) "$name")$'\n'
}

check models models/check.sh large
check Miri scripts/miri.sh
check ThreadSanitizer scripts/tsan.sh
check AddressSanitizer scripts/asan.sh
check fuzzing scripts/fuzz.sh 60
check 'fuzzing, planted bugs' scripts/fuzz.sh --planted
check 'poorer machines' scripts/poor.sh
# Everything else of this kind says by its name what it is.
for script in scripts/verify-*.sh; do
    name=${script#scripts/verify-}
    check "${name%.sh}" "$script"
done

printf '\n%s' "$summary"
exit $failed
