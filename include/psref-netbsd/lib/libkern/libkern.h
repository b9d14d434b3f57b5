/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <lib/libkern/libkern.h>: assertions, panic(9), and what else its sources expect to be there without
 * asking. All headers beside this one but the layers above the system's take it in.
 *
 * As in a kernel, KASSERT and KASSERTMSG are compiled with DIAGNOSTIC, KDASSERT and KDASSERTMSG with DEBUG, and
 * ASSERT_SLEEPABLE looks with DEBUG alone.
 */
#ifndef PSREF_NETBSD_LIBKERN_H
#define PSREF_NETBSD_LIBKERN_H

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/cdefs.h>
#include <sys/container_of.h>
#include <sys/errno.h>
#include <sys/types.h>
#include <psref/lwp.h>
#include <psref/pserialize.h>

#ifdef __cplusplus
extern "C" {
#endif

/* write(2), without <unistd.h>: kernel sources have functions called read, close and link. */
ssize_t _psref_netbsd_write(int fd, const void *bytes, size_t n) __asm__("write");

/* Ends the program: "panic: ", what comes before, and the message, in one piece. (Not an interface.) */
__attribute__((__noreturn__, __format__(__printf__, 2, 0))) static inline void
psref_netbsd_vpanic(const char *before, const char *format, va_list arguments)
{
	char text[1024];
	size_t n = (size_t)__builtin_snprintf(text, sizeof(text), "panic: %.500s", before);
	int more = __builtin_vsnprintf(text + n, sizeof(text) - n - 1, format, arguments);

	n += more < 0 ? 0 : (size_t)more < sizeof(text) - n - 1 ? (size_t)more : sizeof(text) - n - 2;
	text[n++] = '\n';
	(void)_psref_netbsd_write(2, text, n);
	__builtin_abort();
}

/**
 * Ends the program with a message on standard error.
 *
 * Context: any, signal handlers too. Source: panic(9).
 */
__attribute__((__noreturn__, __format__(__printf__, 1, 2))) static inline void
panic(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	psref_netbsd_vpanic("", format, arguments);
}

/* What a failed assertion calls: `kind` is "diagnostic " or "debugging ". (Not an interface.) */
__attribute__((__noreturn__, __format__(__printf__, 5, 6))) static inline void
psref_netbsd_assert_failed(const char *kind, const char *condition, const char *file, int line, const char *format, ...)
{
	char before[500];
	va_list arguments;

	__builtin_snprintf(before, sizeof(before), "kernel %sassertion \"%s\" failed: file \"%s\", line %d ", kind,
	    condition, file, line);
	va_start(arguments, format);
	psref_netbsd_vpanic(before, format, arguments);
}

#define _PSREF_NETBSD_ASSERT(kind, text, condition, ...)                                                               \
	(__builtin_expect(!(condition), 0)                                                                             \
		? psref_netbsd_assert_failed(kind, text, __FILE__, __LINE__, __VA_ARGS__)                        \
		: (void)0)

#ifndef KASSERT
#ifdef DIAGNOSTIC
/**
 * Ends the program where the condition does not hold: kernel diagnostic assertion "condition" failed: file "x.c",
 * line 1
 */
#define KASSERT(condition) _PSREF_NETBSD_ASSERT("diagnostic ", #condition, condition, "%s", "")
/** The same with a message and its arguments, as printf's. */
#define KASSERTMSG(condition, ...) _PSREF_NETBSD_ASSERT("diagnostic ", #condition, condition, __VA_ARGS__)
#else
#define KASSERT(condition) ((void)0)
#define KASSERTMSG(condition, ...) ((void)0)
#endif
#endif

#ifndef KDASSERT
#ifdef DEBUG
/** As KASSERT, for assertions that cost. */
#define KDASSERT(condition) _PSREF_NETBSD_ASSERT("debugging ", #condition, condition, "%s", "")
/** As KASSERTMSG, for assertions that cost. */
#define KDASSERTMSG(condition, ...) _PSREF_NETBSD_ASSERT("debugging ", #condition, condition, __VA_ARGS__)
#else
#define KDASSERT(condition) ((void)0)
#define KDASSERTMSG(condition, ...) ((void)0)
#endif
#endif

/** Does not compile where the condition, a constant, does not hold. */
#ifndef CTASSERT
#ifdef __cplusplus
#define CTASSERT(condition) static_assert(condition, #condition)
#else
#define CTASSERT(condition) _Static_assert(condition, #condition)
#endif
#endif
#ifndef __CTASSERT
#define __CTASSERT(condition) CTASSERT(condition)
#endif

/**
 * Asserts that the caller may sleep: it is in no signal handler, no software interrupt, no read section. With DEBUG
 * alone, as in NetBSD; strict mode (PSREF_STRICT=1) has the library's own functions look.
 */
static inline void
assert_sleepable(void)
{
	const char *why = psref_cpu_intr_p() ? "interrupt" : psref_cpu_softintr_p() ? "softint"
	    : pserialize_in_read_section() ? "pserialize" : 0;

	if (why != 0)
		panic("assert_sleepable: %s caller=%p", why, __builtin_return_address(0));
}

#ifndef ASSERT_SLEEPABLE
#ifdef DEBUG
#define ASSERT_SLEEPABLE() assert_sleepable()
#else
#define ASSERT_SLEEPABLE() ((void)0)
#endif
#endif

/** Flags in a word. */
#ifndef SET
#define SET(word, flags) ((word) |= (flags))
#endif
#ifndef CLR
#define CLR(word, flags) ((word) &= ~(flags))
#endif
#ifndef ISSET
#define ISSET(word, flags) ((word) & (flags))
#endif

/** memset() that is made even where nobody reads the memory again. Source: explicit_memset(3). */
static inline void *
explicit_memset(void *bytes, int value, size_t n)
{
	memset(bytes, value, n);
	__asm__ __volatile__("" : : "r"(bytes) : "memory");
	return bytes;
}

/* The smaller and the larger of two: the types' initials and min or max. */
#define _PSREF_NETBSD_MINMAX(prefix, type)                                                                             \
	static inline type prefix##min(type a, type b) { return a < b ? a : b; }                                       \
	static inline type prefix##max(type a, type b) { return a > b ? a : b; }
_PSREF_NETBSD_MINMAX(i, int)
_PSREF_NETBSD_MINMAX(l, long)
_PSREF_NETBSD_MINMAX(ui, unsigned)
_PSREF_NETBSD_MINMAX(ul, unsigned long)
#undef _PSREF_NETBSD_MINMAX

#ifdef __cplusplus
}
#endif

#endif
