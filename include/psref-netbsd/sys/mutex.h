/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/mutex.h>: mutex(9), and the IPL_* that mutex_init() takes. */
#ifndef PSREF_NETBSD_SYS_MUTEX_H
#define PSREF_NETBSD_SYS_MUTEX_H

#include <lib/libkern/libkern.h>
#include <sys/intr.h>
#include <psref/kmutex.h>

#endif
