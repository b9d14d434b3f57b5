#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# asm.sh STAGE [FUNCTION]...: the machine code of the fast paths, or of the functions named, in the library installed under
# STAGE. The plain case of each runs straight down to the first `ret`; every jump leads out of it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/stage.sh"
stage=$1
shift
find_stage "$stage"
library=$(pkg-config --variable=libdir psref)/libpsref.so
[ $# -gt 0 ] || set -- psref_acquire psref_release localcount_acquire localcount_release pserialize_read_enter \
    pserialize_read_exit device_gate_enter device_gate_exit device_gate_acquire device_gate_release

for function; do
    # The name may carry a version; what pads the end is left out.
    objdump --disassemble --disassembler-options=intel --no-show-raw-insn "$library" |
        awk -v begin="^[0-9a-f]+ <$function(@.*)?>:" '
            $0 ~ begin { inside = 1; found = 1 }
            inside && /^$/ { exit }
            inside && $2 != "int3" {
                print
                if ($2 != "" && $2 !~ /^</ && !ended) straight++
                if ($2 == "ret") ended = 1
            }
            END {
                if (!found) exit 1
                printf "# straight path: %d instructions\n\n", straight
            }' ||
        { echo "asm.sh: no $function in $library" >&2; exit 1; }
done
