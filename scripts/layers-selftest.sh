#!/bin/bash
# SPDX-License-Identifier: MIT OR Apache-2.0
# layers-selftest.sh: plants a violation of each rule in a copy of the source; layers.sh must find every one, and nothing else.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
copy=$(mktemp -d) || exit 2
trap 'rm -rf "$copy"' EXIT
cp -r src ffi build.rs "$copy"
passed=0 failed=0

# plant WHAT-IS-FOUND FILE TEXT: the text is put at the end of the file, which need not exist.
plant() {
    local found=$1 file=$2 text=$3 said
    mkdir -p "$(dirname "$copy/$file")"
    [ -f "$copy/$file" ] || echo '// SPDX-License-Identifier: MIT OR Apache-2.0' >"$copy/$file"
    echo "$text" >>"$copy/$file"
    said=$(scripts/layers.sh "$copy" 2>&1)
    if [ $? -eq 1 ] && [ "$(grep -vc note: <<<"$said")" = 1 ] && grep -qF -- "$found" <<<"$said"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL: "%s" in %s should give "%s", gave: %s\n' "$text" "$file" "$found" "$said"
    fi
    # As it was.
    if [ -f "$file" ]; then cp "$file" "$copy/$file"; else rm -r "$copy/$(dirname "$file")"; fi
}

plant 'sys may not use crate::psref' src/sys/map.rs 'use crate::psref::raw;'
plant 'sys may not use crate::diag' src/sys/map.rs 'use crate::{diag::{fatal, report}, sys::errno};'
plant 'percpu may not use crate::psref' src/percpu/slots.rs 'use crate::{
    psref::raw,
    sys::map,
};'
plant 'stable may not use crate::thread' src/stable.rs 'fn f() { crate::thread::number(); }'
plant 'thread may not use crate::xcall' src/thread.rs 'use crate::xcall;'
plant 'psref may not use crate::pserialize' src/psref/drain.rs 'use crate::pserialize;'
plant 'localcount may not use crate::psref' src/localcount.rs 'use crate::psref::Class;'
plant 'psref may not use crate::Errno' src/psref/drain.rs 'use crate::Errno;'
plant 'the module newcomer has no row' src/newcomer/mod.rs 'fn f() {}'
plant 'super::super::' src/psref/drain.rs 'use super::super::localcount;'
plant 'super:: leads to another layer' src/diag.rs 'use super::psref;'
# shellcheck disable=SC2016 # Rust's dollar
plant "a family's entry" src/sys/psref_entry_x86_64.rs '#[macro_export] macro_rules! m { () => { $crate::psref::raw::f() } }'
plant 'src/percpu/slots.rs:' src/percpu/slots.rs 'fn f() { unsafe { asm!("nop") } }'
plant 'assembly lives in src/sys' src/psref/hold.rs 'core::arch::global_asm!("");'
plant 'assembly lives in src/sys' ffi/src/base.rs 'fn f() { naked_asm!("ret") }'
plant 'build.rs:' build.rs 'global_asm!("");'
plant 'raw system calls' src/xcall.rs 'const F: unsafe extern "C" fn(i64, ...) -> i64 = libc::syscall;'
plant 'functions of the C library' src/park.rs 'fn f() { unsafe { libc::usleep(1) }; }'
plant 'hwlocality is named' src/topology/mod.rs 'use hwlocality::Topology as T;'
plant 'no logic in ffi' ffi/src/psref.rs 'fn f(x: &AtomicU8) {}'
plant 'no logic in ffi' ffi/src/psref.rs 'use std::sync::atomic::Ordering;'
echo '#include <stdio.h>' >"$copy/bare.c"
case $(scripts/layers.sh "$copy") in
*'bare.c: no SPDX line'*) passed=$((passed + 1)) ;;
*) failed=$((failed + 1)); echo 'FAIL: a source without SPDX line was not found' ;;
esac

echo "layers: planted violations: $passed found, $failed missed"
[ $failed -eq 0 ]
