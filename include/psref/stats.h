/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Statistics: what is held, what took the slow path, what was drained, and how long that was waited for.
 *
 * Generated from ffi/src/stats.rs by `make headers`.
 */

#ifndef PSREF_STATS_H
#define PSREF_STATS_H

#include <psref/base.h>

struct _IO_FILE;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Writes statistics to `stream`, for people: of each class how many holds there are, how many acquires took the slow
 * path and how many drains had to wait, with how long these waits were, by powers of two; of each pool how many
 * objects are out, and how often pops went beyond the CPU's own; and of all localcounts, gates, read sections and
 * retired things together. Fast paths count nothing: what they have done shows as far as holds and objects do.
 *
 * NULL is a fatal diagnostic. Whether everything was written, ferror(3) tells.
 *
 * Context: any but signal handlers; allocates; looks at every slot of every class, and stops nobody. An extension.
 *
 * Requires: `stream` is open.
 */
void psref_stats_dump(struct _IO_FILE *stream);

/**
 * The same for programs: a line of JSON (RFC 8259). Times are in nanoseconds; a histogram is a list of pairs: from how
 * many on, and up to the double, how many waits.
 *
 * Context: as of psref_stats_dump(). An extension.
 *
 * Requires: `stream` is open.
 */
void psref_stats_dump_json(struct _IO_FILE *stream);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_STATS_H */
