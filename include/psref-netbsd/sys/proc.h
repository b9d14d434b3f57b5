/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/proc.h>: for curlwp, which it brings. There are no processes here. */
#ifndef PSREF_NETBSD_SYS_PROC_H
#define PSREF_NETBSD_SYS_PROC_H

#include <sys/lwp.h>

#endif
