/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/localcount.h>: localcount(9). */
#ifndef PSREF_NETBSD_SYS_LOCALCOUNT_H
#define PSREF_NETBSD_SYS_LOCALCOUNT_H

#include <lib/libkern/libkern.h>
#include <psref/localcount.h>

#endif
