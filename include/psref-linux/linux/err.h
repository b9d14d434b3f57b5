/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/err.h>: errors in the place of pointers, the last page of addresses. */
#ifndef PSREF_LINUX_ERR_H
#define PSREF_LINUX_ERR_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/types.h>

#ifndef MAX_ERRNO
#define MAX_ERRNO 4095
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** The pointer that stands for an error, -EINVAL say. */
static inline void *ERR_PTR(long error)
{
	return (void *)(intptr_t)error;
}

/** The error that a pointer stands for. */
static inline long PTR_ERR(const void *pointer)
{
	return (long)(intptr_t)pointer;
}

/** Whether a pointer stands for an error. */
static inline bool IS_ERR(const void *pointer)
{
	return (uintptr_t)pointer >= (uintptr_t)-MAX_ERRNO;
}

/** The same, or whether it is NULL. */
static inline bool IS_ERR_OR_NULL(const void *pointer)
{
	return pointer == 0 || IS_ERR(pointer);
}

#ifdef __cplusplus
}
#endif

#endif
