/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/condvar.h>: condvar(9). Ticks are hz a second. */
#ifndef PSREF_NETBSD_SYS_CONDVAR_H
#define PSREF_NETBSD_SYS_CONDVAR_H

#include <sys/mutex.h>
#include <psref/kmutex.h>

#endif
