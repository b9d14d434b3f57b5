/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/errno.h> on top of the system's: what Linux has no number for. ERESTART stays Linux's. */
#pragma GCC system_header
#include_next <sys/errno.h>

#ifndef PSREF_NETBSD_SYS_ERRNO_H
#define PSREF_NETBSD_SYS_ERRNO_H

#ifndef ENOATTR
#define ENOATTR ENODATA
#endif
/* Beyond Linux's, so that no two are the same. */
#ifndef EFTYPE
#define EFTYPE 1079
#endif
#ifndef EAUTH
#define EAUTH 1080
#endif
#ifndef ENEEDAUTH
#define ENEEDAUTH 1081
#endif
/* A kernel's own answers, which no program sees. */
#ifndef EJUSTRETURN
#define EJUSTRETURN (-2)
#endif
#ifndef EPASSTHROUGH
#define EPASSTHROUGH (-4)
#endif

#endif
