/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The system's <linux/sysctl.h>, a structure of which has a member called __unused: <sys/cdefs.h> makes a macro of
 * that name. The macro is put aside and not this header taken in there: most programs cannot have it.
 */
#ifndef PSREF_NETBSD_LINUX_SYSCTL_H
#define PSREF_NETBSD_LINUX_SYSCTL_H
#pragma GCC system_header
/* First: it would come in the middle, by way of the C library. */
#include <sys/cdefs.h>
/* It forgets that. */
#include <stddef.h>
#pragma push_macro("__unused")
#undef __unused
#include_next <linux/sysctl.h>
#pragma pop_macro("__unused")
#endif
