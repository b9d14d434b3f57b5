/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/percpu_types.h>: percpu_t. */
#ifndef PSREF_NETBSD_SYS_PERCPU_TYPES_H
#define PSREF_NETBSD_SYS_PERCPU_TYPES_H

#include <psref/percpu.h>

#endif
