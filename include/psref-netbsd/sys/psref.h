/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/psref.h>: psref(9), of 2016 and of today. psref_acquire() returns an int, as in the draft of 2016;
 * today's code does not look at it. Strict mode (PSREF_STRICT=1) looks for what PSREF_DEBUG looks for there; on that
 * macro PSREF_DEBUG_BARRIER alone depends.
 */
#ifndef PSREF_NETBSD_SYS_PSREF_H
#define PSREF_NETBSD_SYS_PSREF_H

#include <lib/libkern/libkern.h>
#include <sys/queue.h>
#include <psref/ipl.h>
#include <psref/psref.h>

#ifndef PSREF_DEBUG_NITEMS
#define PSREF_DEBUG_NITEMS 16
#endif

/* Strict mode records who acquired what where by itself. */
#define PSREF_DEBUG_FILL_RETURN_ADDRESS(psref) ((void)(psref))
#define PSREF_DEBUG_FILL_RETURN_ADDRESS0(psref, address) ((void)(psref), (void)(address))
#define PSREF_DEBUG_INIT_LWP(l) ((void)(l))
#ifdef PSREF_DEBUG
#define PSREF_DEBUG_BARRIER() psref_debug_barrier()
#else
#define PSREF_DEBUG_BARRIER() __nothing
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** For the kernel's start: does nothing. Source: psref(9). */
static inline void
psref_init(void)
{
}

/** For a new lwp: does nothing. */
static inline void
psref_debug_init_lwp(struct lwp *l __attribute__((__unused__)))
{
}

#ifdef __cplusplus
}
#endif

#endif
