/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/xcall.h>: xcall(9), and the IPL_* that XC_HIGHPRI_IPL() takes. */
#ifndef PSREF_NETBSD_SYS_XCALL_H
#define PSREF_NETBSD_SYS_XCALL_H

#include <lib/libkern/libkern.h>
#include <sys/intr.h>
#include <psref/xcall.h>

#endif
