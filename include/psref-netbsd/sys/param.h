/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/param.h> on top of the system's. As NetBSD's does, it brings the spl functions with it. */
#pragma GCC system_header
#include_next <sys/param.h>

#ifndef PSREF_NETBSD_SYS_PARAM_H
#define PSREF_NETBSD_SYS_PARAM_H

#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <sys/cdefs.h>
#include <sys/errno.h>
#include <sys/intr.h>
#include <sys/types.h>

/* Rounding to powers of two; the system has roundup for any number. */
#ifndef roundup2
#define roundup2(x, m) ((((x) - 1) | ((__typeof__(x))(m) - 1)) + 1)
#endif
#ifndef rounddown2
#define rounddown2(x, m) ((x) & ~((__typeof__(x))(m) - 1))
#endif
#ifndef rounddown
#define rounddown(x, y) (((x) / (y)) * (y))
#endif
#ifndef ALIGNBYTES
#define ALIGNBYTES (__BIGGEST_ALIGNMENT__ - 1)
#endif
#ifndef ALIGN
#define ALIGN(p) (((uintptr_t)(p) + ALIGNBYTES) & ~(uintptr_t)ALIGNBYTES)
#endif
/* Milliseconds and ticks. As NetBSD's they round down: what is less than a tick is none. */
#ifndef mstohz
#define mstohz(ms) ((int)((uint64_t)(ms) * PSREF_HZ / 1000))
#endif
#ifndef hztoms
#define hztoms(ticks) ((int)((uint64_t)(ticks) * 1000 / PSREF_HZ))
#endif

#endif
