/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/kmem.h>: kmem(9), by malloc. Where KM_SLEEP would wait for memory the program ends with a message:
 * ported code does not look. kmem_free() and its kin end it where the size cannot be the one that was asked for;
 * under AddressSanitizer a size larger by one is noticed.
 */
#ifndef PSREF_NETBSD_SYS_KMEM_H
#define PSREF_NETBSD_SYS_KMEM_H

#include <stdarg.h>
#include <lib/libkern/libkern.h>

typedef unsigned km_flag_t;

/** May wait for memory, and never answers NULL. */
#define KM_SLEEP 0x1u
/** Answers NULL where there is no memory. */
#define KM_NOSLEEP 0x2u

#ifdef __cplusplus
extern "C" {
#endif

/* malloc_usable_size(3), without <malloc.h> and what comes with it. */
size_t _psref_netbsd_usable(void *bytes) __asm__("malloc_usable_size");

/* Looks at the arguments before, at the answer after. (Not an interface.) */
static inline void *
psref_netbsd_kmem(const char *who, size_t size, km_flag_t flags, bool zero)
{
	void *bytes;

	if (size == 0 || (flags != KM_SLEEP && flags != KM_NOSLEEP))
		panic("%s: %zu bytes, flags 0x%x, expected some and KM_SLEEP or KM_NOSLEEP", who, size, flags);
	bytes = zero ? __builtin_calloc(1, size) : __builtin_malloc(size);
	if (bytes == 0 && flags == KM_SLEEP)
		panic("%s: no memory for %zu bytes", who, size);
	return bytes;
}

/**
 * Memory of `size` bytes, aligned for every type. `flags` is KM_SLEEP or KM_NOSLEEP.
 *
 * Returns NULL with KM_NOSLEEP alone. No bytes, and other flags, end the program.
 *
 * Context: not in signal handlers. Source: kmem(9).
 */
static inline void *
kmem_alloc(size_t size, km_flag_t flags)
{
	if (flags == KM_SLEEP)
		ASSERT_SLEEPABLE();
	return psref_netbsd_kmem("kmem_alloc", size, flags, false);
}

/** kmem_alloc(), of zeroes. */
static inline void *
kmem_zalloc(size_t size, km_flag_t flags)
{
	if (flags == KM_SLEEP)
		ASSERT_SLEEPABLE();
	return psref_netbsd_kmem("kmem_zalloc", size, flags, true);
}

/** kmem_alloc() without its assertion: in NetBSD for interrupt handlers. Still not for signal handlers. */
static inline void *
kmem_intr_alloc(size_t size, km_flag_t flags)
{
	return psref_netbsd_kmem("kmem_intr_alloc", size, flags, false);
}

/** kmem_intr_alloc(), of zeroes. */
static inline void *
kmem_intr_zalloc(size_t size, km_flag_t flags)
{
	return psref_netbsd_kmem("kmem_intr_zalloc", size, flags, true);
}

/** Gives memory back. `size` is what was asked for. Source: kmem(9). */
static inline void
kmem_intr_free(void *bytes, size_t size)
{
	if (bytes == 0 || size == 0 || size > _psref_netbsd_usable(bytes))
		panic("kmem_free(%p, %zu): allocated were %zu bytes at most", bytes, size,
		    bytes == 0 ? (size_t)0 : _psref_netbsd_usable(bytes));
	__builtin_free(bytes);
}

/** kmem_intr_free(). */
static inline void
kmem_free(void *bytes, size_t size)
{
	kmem_intr_free(bytes, size);
}

/** A copy of the first `n` characters of a string at most, terminated. For kmem_strfree(). Source: kmem(9). */
static inline char *
kmem_strndup(const char *string, size_t n, km_flag_t flags)
{
	const void *end = memchr(string, '\0', n);
	size_t length = end == 0 ? n : (size_t)((const char *)end - string);
	char *copy = (char *)kmem_alloc(length + 1, flags);

	if (copy != 0) {
		memcpy(copy, string, length);
		copy[length] = '\0';
	}
	return copy;
}

/** A copy of a string, and in `*size`, unless NULL, its bytes with the terminating one. Source: kmem(9). */
static inline char *
kmem_strdupsize(const char *string, size_t *size, km_flag_t flags)
{
	size_t length = strlen(string);

	if (size != 0)
		*size = length + 1;
	return kmem_strndup(string, length, flags);
}

/** kmem_strdupsize() without a size. */
#define kmem_strdup(string, flags) kmem_strdupsize(string, 0, flags)

/** Gives a string back; NULL is none. It still has its length. Source: kmem(9). */
static inline void
kmem_strfree(char *string)
{
	if (string != 0)
		kmem_free(string, strlen(string) + 1);
}

/** A string as printf() would print it, for kmem_strfree(). Source: kmem(9). */
__attribute__((__format__(__printf__, 1, 0))) static inline char *
kmem_vasprintf(const char *format, va_list arguments)
{
	va_list again;
	int length;
	char *string;

	va_copy(again, arguments);
	length = __builtin_vsnprintf(0, 0, format, again);
	va_end(again);
	if (length < 0)
		panic("kmem_asprintf: a format that cannot be printed: %s", format);
	string = (char *)kmem_alloc((size_t)length + 1, KM_SLEEP);
	__builtin_vsnprintf(string, (size_t)length + 1, format, arguments);
	return string;
}

/** kmem_vasprintf() of the arguments. */
__attribute__((__format__(__printf__, 1, 2))) static inline char *
kmem_asprintf(const char *format, ...)
{
	va_list arguments;
	char *string;

	va_start(arguments, format);
	string = kmem_vasprintf(format, arguments);
	va_end(arguments);
	return string;
}

/**
 * `stack`, where `size` bytes fit into its `stack_size`, else memory: for kmem_tmpbuf_free(). Source:
 * kmem_tmpbuf_alloc(9).
 */
static inline void *
kmem_tmpbuf_alloc(size_t size, void *stack, size_t stack_size, km_flag_t flags)
{
	return size <= stack_size ? stack : kmem_alloc(size, flags);
}

/** Gives back what kmem_tmpbuf_alloc() allocated, if it did. */
static inline void
kmem_tmpbuf_free(void *bytes, size_t size, void *stack)
{
	if (bytes != stack)
		kmem_free(bytes, size);
}

#ifdef __cplusplus
}
#endif

#endif
