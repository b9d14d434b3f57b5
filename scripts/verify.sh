#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# verify.sh: the checks that take long: the large models, and every scripts/verify-*.sh.
# One line each at the end; exit status 1 if any failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
failed=0 summary=''

check() { # NAME COMMAND...
    local name=$1 from=$SECONDS result=passed
    shift
    printf '\n=== %s: %s\n' "$name" "$*"
    "$@" || { result=FAILED; failed=1; }
    summary+=$(printf '%-7s %5s s  %s' "$result" $((SECONDS - from)) "$name")$'\n'
}

check models models/check.sh large
# Everything else of this kind says by its name what it is.
for script in scripts/verify-*.sh; do
    name=${script#scripts/verify-}
    check "${name%.sh}" "$script"
done

printf '\n%s' "$summary"
exit $failed
