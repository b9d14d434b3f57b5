/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/percpu.h>: percpu(9). */
#ifndef PSREF_NETBSD_SYS_PERCPU_H
#define PSREF_NETBSD_SYS_PERCPU_H

#include <lib/libkern/libkern.h>
#include <sys/percpu_types.h>

#endif
