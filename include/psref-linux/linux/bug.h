/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/bug.h>: warnings and ends, told on standard error. */
#ifndef PSREF_LINUX_BUG_H
#define PSREF_LINUX_BUG_H

#include <stdbool.h>
#include <linux/compiler.h>
#include <linux/printk.h>
#include <linux/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* write(2), without <unistd.h>. */
ssize_t _psref_linux_write(int fd, const void *bytes, size_t n) __asm__("write");

/*
 * Tells that something is wrong, and whether it is. Not by stdio, whose lock a signal handler's thread may have. (Not
 * an interface.)
 */
static inline bool psref_linux_warn(bool wrong, const char *condition, const char *file, int line)
{
	if (wrong) {
		char text[1024];
		int n = __builtin_snprintf(text, sizeof(text), "WARNING: %.400s:%d: %.500s\n", file, line, condition);

		if (_psref_linux_write(2, text, (size_t)n) < 0)
			return wrong;
	}
	return wrong;
}

#ifdef __cplusplus
}
#endif

/** Whether the condition holds; tells if so: each time, or the first time at this place. */
#ifndef WARN_ON
#define WARN_ON(condition) psref_linux_warn(!!(condition), #condition, __FILE__, __LINE__)
#endif
#ifndef WARN_ON_ONCE
#define WARN_ON_ONCE(condition)                                                                                        \
	__extension__({                                                                                                \
		static bool psref_told;                                                                                \
		bool psref_wrong = !!(condition);                                                                      \
		if (psref_wrong && !__atomic_exchange_n(&psref_told, true, __ATOMIC_RELAXED))                          \
			(void)psref_linux_warn(true, #condition, __FILE__, __LINE__);                                  \
		psref_wrong;                                                                                           \
	})
#endif
/** Ends the program where the condition holds. */
#ifndef BUG_ON
#define BUG_ON(condition)                                                                                              \
	((condition) ? ((void)psref_linux_warn(true, #condition, __FILE__, __LINE__), __builtin_abort()) : (void)0)
#endif
#ifndef BUG
#define BUG() ((void)psref_linux_warn(true, "BUG", __FILE__, __LINE__), __builtin_abort())
#endif
#ifndef BUILD_BUG_ON
#define BUILD_BUG_ON(condition) ((void)sizeof(char[1 - 2 * !!(condition)]))
#endif

#endif
