/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/container_of.h>: the structure that a member lies in. */
#ifndef PSREF_LINUX_CONTAINER_OF_H
#define PSREF_LINUX_CONTAINER_OF_H

#include <linux/types.h>

/** The `type` whose `member` is at `pointer`. Does not compile where the pointer is one to something else. */
#ifndef container_of
#define container_of(pointer, type, member)                                                                            \
	((type *)(void *)((char *)(uintptr_t)(pointer)-offsetof(type, member)                                          \
			  + 0 * sizeof((pointer) - &((const type *)(uintptr_t)(pointer))->member)))
#endif

#endif
