/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/slab.h>: memory, by malloc. Not in signal handlers, whatever the flags say. */
#ifndef PSREF_LINUX_SLAB_H
#define PSREF_LINUX_SLAB_H

#include <linux/gfp.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Memory of `size` bytes, or NULL. */
static inline void *kmalloc(size_t size, gfp_t flags)
{
	return (flags & __GFP_ZERO) != 0 ? __builtin_calloc(1, size) : __builtin_malloc(size);
}

/** kmalloc(), of zeroes. */
static inline void *kzalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags | __GFP_ZERO);
}

/** Memory for `n` things of `size` bytes; NULL also where their product is too large. */
static inline void *kmalloc_array(size_t n, size_t size, gfp_t flags)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? 0 : kmalloc(bytes, flags);
}

/** kmalloc_array(), of zeroes. */
static inline void *kcalloc(size_t n, size_t size, gfp_t flags)
{
	return kmalloc_array(n, size, flags | __GFP_ZERO);
}

/** Gives memory back; NULL is none. */
static inline void kfree(const void *memory)
{
	__builtin_free((void *)(uintptr_t)memory);
}

#ifdef __cplusplus
}
#endif

#endif
