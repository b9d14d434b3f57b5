/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/refcount.h>: counts of references. One that wraps ends the program. */
#ifndef PSREF_LINUX_REFCOUNT_H
#define PSREF_LINUX_REFCOUNT_H

#include <linux/atomic.h>
#include <linux/bug.h>

typedef struct refcount_struct {
	atomic_t refs;
} refcount_t;

#define REFCOUNT_INIT(n) { { (n) } }

#ifdef __cplusplus
extern "C" {
#endif

static inline void refcount_set(refcount_t *r, int n)
{
	atomic_set(&r->refs, n);
}

static inline unsigned int refcount_read(const refcount_t *r)
{
	return (unsigned int)atomic_read(&r->refs);
}

/** One more; there is at least one. */
static inline void refcount_inc(refcount_t *r)
{
	BUG_ON(atomic_inc_return(&r->refs) <= 1);
}

/** `n` less, and whether none is left. */
static inline bool refcount_sub_and_test(int n, refcount_t *r)
{
	int left = atomic_sub_return(n, &r->refs);

	BUG_ON(left < 0);
	return left == 0;
}

/** One less, and whether none is left. */
static inline bool refcount_dec_and_test(refcount_t *r)
{
	return refcount_sub_and_test(1, r);
}

#ifdef __cplusplus
}
#endif

#endif
