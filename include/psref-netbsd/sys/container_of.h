/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's container_of(9): the structure that a member lies in. */
#ifndef PSREF_NETBSD_SYS_CONTAINER_OF_H
#define PSREF_NETBSD_SYS_CONTAINER_OF_H

#include <stddef.h>

/**
 * The T whose member F is at P. Does not compile where P does not point to what F is: pointers to different types
 * have no difference.
 */
#ifndef container_of
#define container_of(P, T, F)                                                                                          \
	((T *)(void *)((char *)(__UINTPTR_TYPE__)(P)-offsetof(T, F)                                                    \
		       + 0 * sizeof((P) - &((const T *)(__UINTPTR_TYPE__)(P))->F)))
#endif

#endif
