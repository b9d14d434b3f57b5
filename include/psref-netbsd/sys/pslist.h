/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/pslist.h>: pslist(9). With DIAGNOSTIC its assertions are KASSERTs; else assert(3)'s, without NDEBUG. */
#ifndef PSREF_NETBSD_SYS_PSLIST_H
#define PSREF_NETBSD_SYS_PSLIST_H

#include <sys/atomic.h>
#include <sys/param.h>

#if defined DIAGNOSTIC && !defined _PSLIST_ASSERT
#define _PSLIST_ASSERT KASSERT
#endif
#include <psref/pslist.h>

#endif
