/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/types.h> on top of the system's. Headers of the C library take this in: types alone. */
#pragma GCC system_header
#include_next <sys/types.h>

#ifndef PSREF_NETBSD_SYS_TYPES_H
#define PSREF_NETBSD_SYS_TYPES_H

#include <stdbool.h>
#include <stdint.h>

typedef unsigned long paddr_t;
typedef unsigned long psize_t;
typedef unsigned long vaddr_t;
typedef unsigned long vsize_t;
typedef unsigned long cpuid_t;
typedef int32_t devmajor_t;
typedef int32_t devminor_t;
typedef struct lwp lwp_t;

#endif
