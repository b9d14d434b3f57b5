#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# verify-numa.sh: where per-CPU memory lies, asked of the kernel on emulated machines with several nodes. Exit status 126: something
# that numa-vm.sh needs is missing.
set -euo pipefail
here=$(dirname "$0")
tests=$(cargo test --lib --no-run --message-format=json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
[ -n "$tests" ] || { echo "verify-numa.sh: the unit tests do not build" >&2; exit 1; }
passed=0 failed=0
machine() { # title, then numa-vm.sh's arguments but for the command
    local title=$1
    shift
    # Without backtraces and colours; one thread, so that the lines belong together.
    if "$here/numa-vm.sh" "$@" 'tests --test-threads=1 --nocapture region:: topology:: layout::' "$tests:/bin/tests" > /tmp/numa.$$ 2>&1; then
        passed=$((passed + 1))
        printf 'ok      %-44s %s\n' "$title" "$(grep -o 'CPUs by node: .*' /tmp/numa.$$ || true)"
    else
        [ $? -ne 126 ] || { cat /tmp/numa.$$ >&2; rm -f /tmp/numa.$$; exit 126; }
        failed=$((failed + 1))
        printf 'not ok  %s\n' "$title"
        tail -n 30 /tmp/numa.$$
    fi
    rm -f /tmp/numa.$$
}
machine 'four nodes of two CPUs' 4x2
machine 'a node without memory, a node without CPUs' 2,2:0,0:512
machine 'CPUs that are possible and absent' -x 4 2x2
machine 'CPUs that are never brought up' -K maxcpus=3 2x2
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
