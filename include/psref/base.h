/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* What all of the library's headers share. Generated from ffi/src/base.rs by `make headers`. */

#ifndef PSREF_BASE_H
#define PSREF_BASE_H

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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_BASE_H */
