/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/pserialize.h>: pserialize(9). */
#ifndef PSREF_NETBSD_SYS_PSERIALIZE_H
#define PSREF_NETBSD_SYS_PSERIALIZE_H

#include <lib/libkern/libkern.h>
#include <psref/pserialize.h>

#ifdef __cplusplus
extern "C" {
#endif

/** For the kernel's start: does nothing. Source: pserialize(9). */
static inline void
pserialize_init(void)
{
}

#ifdef __cplusplus
}
#endif

#endif
