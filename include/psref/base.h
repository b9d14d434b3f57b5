/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What all of the library's headers share. Generated from ffi/src/base.rs by `make headers`. */

#ifndef PSREF_BASE_H
#define PSREF_BASE_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that runs, "major.minor.patch".
 *
 * Context: any, signal handlers too.
 */
const char *psref_version(void);

/**
 * The back end of this process: "rseq" (restartable sequences and membarrier) or "atomic" (ordinary atomics). Chosen at
 * first use and never revised; PSREF_BACKEND=auto|rseq|atomic in the environment forces it, but not in set-user-id programs.
 *
 * Context: may sleep the first time.
 */
const char *psref_backend(void);

/**
 * Turns strict mode on or off for the classes, counts and pools that are made from now on. Until it is called, PSREF_STRICT=1 in the
 * environment turns it on, but not in set-user-id programs.
 *
 * What is strict remembers where and when each hold was acquired, and demands all the rules of NetBSD's man pages, with its
 * messages: see psref(3), localcount(3) and objpool(3). Every acquire and release of it takes the slow path.
 *
 * Context: any, signal handlers too.
 */
void psref_set_strict(bool on);

/**
 * For modules that contain sections of their own, by PSREF_INLINE or by a static link, and that are unloaded: every thread that ran their code
 * calls this before dlclose(), and runs none of it afterwards. Without it the thread dies of SIGSEGV the next time it is
 * scheduled, for the kernel looks up the last section that it was in. Not needed in modules that are linked with `-z nodelete`, which is
 * better where it can be had.
 *
 * Context: any, signal handlers too; never sleeps.
 */
void psref_prepare_unload(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_BASE_H */
