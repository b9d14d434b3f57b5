/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/vmalloc.h>: memory, by malloc. */
#ifndef PSREF_LINUX_VMALLOC_H
#define PSREF_LINUX_VMALLOC_H

#include <linux/slab.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Memory of `size` bytes, or NULL. */
static inline void *vmalloc(unsigned long size)
{
	return kmalloc(size, GFP_KERNEL);
}

/** vmalloc(), of zeroes. */
static inline void *vzalloc(unsigned long size)
{
	return kzalloc(size, GFP_KERNEL);
}

/** Gives memory back; NULL is none. */
static inline void vfree(const void *memory)
{
	kfree(memory);
}

#ifdef __cplusplus
}
#endif

#endif
