/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/stdbool.h>: bool, true and false, the compiler's. */
#ifndef PSREF_NETBSD_SYS_STDBOOL_H
#define PSREF_NETBSD_SYS_STDBOOL_H

#include <stdbool.h>

#endif
