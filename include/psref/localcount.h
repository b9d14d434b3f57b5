/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Local counts, localcount(9): hold one of a few objects, for any time and from thread to thread, at the cost of one addition
 * to acquire and one to release. Whoever destroys an object waits for its references.
 *
 * Generated from ffi/src/localcount.rs by `make headers`.
 */

#ifndef PSREF_LOCALCOUNT_H
#define PSREF_LOCALCOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <psref/base.h>
#include <psref/kmutex.h>

struct timespec;

/** A condition variable of `<psref/kmutex.h>`. */
struct kcondvar;

/** A mutex of `<psref/kmutex.h>`. */
struct kmutex;

/** Counts who holds something. Embed it in the object. Its fields are the library's. */
struct localcount {
    /** NULL while references may be acquired; never in a strict count. */
    int64_t *lc_totalp;
    /** The cells, 8 bytes a CPU. */
    void *lc_percpu;
    /** Reserved. */
    uint32_t lc_refcnt;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Initialises a count of no references.
 *
 * Returns 0, or ENOMEM; then nothing is leaked, and use of the count is a fatal diagnostic. (NetBSD's returns nothing: it
 * sleeps until there is memory.)
 *
 * Context: may sleep; not in signal handlers. Costs 8 bytes a CPU. Source: localcount(9).
 *
 * Requires: the count is the caller's alone.
 */
int localcount_init(struct localcount *lc);

/**
 * Frees what localcount_init() took. Only after localcount_drain(), or localcount_trydrain() that answered true; anything
 * else is a fatal diagnostic.
 *
 * Context: any but signal handlers; does not sleep. Source: localcount(9).
 *
 * Requires: nobody uses the count any more.
 */
void localcount_fini(struct localcount *lc);

/**
 * Acquires a reference: until localcount_release() no drain of the count returns.
 *
 * Something else keeps the object alive until this returns: a lock or a read section around the look-up that found it. An
 * acquire once a drain has begun is a fatal diagnostic: the caller of the drain has unpublished the object before, and waited for
 * look-ups under way (pserialize_perform()). NULL and a count never initialised are not noticed.
 *
 * Context: any, signal handlers too; never sleeps. Source: localcount(9).
 *
 * Requires: the count is initialised and the object alive until this returns.
 */
void localcount_acquire(struct localcount *lc);

/**
 * Releases a reference, in whatever thread and on whatever CPU. The object must not be used any more: it may be gone when this
 * returns.
 *
 * `cv` and `interlock` are those that localcount_drain() gets. The interlock is taken only while somebody drains, so the
 * caller must not hold it; a cv or interlock of NULL is a fatal diagnostic then, and ignored else.
 *
 * Context: any where the interlock may be taken. In signal handlers only where no drain can be under way.
 * Source: localcount(9).
 *
 * Requires: the caller has a reference.
 */
void localcount_release(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock);

/**
 * Waits until every reference is released. No reference can be acquired any more: the caller has seen to that, and waited for
 * look-ups under way. Final: only localcount_fini() may follow.
 *
 * The caller holds the interlock; it is let go meanwhile and held again on return. Without it, for a count that has
 * drained, and with more releases than acquires: a fatal diagnostic.
 *
 * A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error and goes on. In a
 * forked child, what threads that did not come along had acquired is never released. Costs one membarrier (two before Linux
 * 6.18, which could lose one).
 *
 * Context: may sleep; not in signal handlers, not while having a reference oneself. Source: localcount(9).
 *
 * Requires: the object is alive until this returns; every release gets the same cv and interlock.
 */
void localcount_drain(struct localcount *lc, struct kcondvar *cv, struct kmutex *interlock);

/**
 * As localcount_drain(), with a limit to the wait: a span of time, measured by CLOCK_MONOTONIC; signals do not end it. NULL: none;
 * of 0 seconds: looks and does not wait.
 *
 * Returns 0: drained. ETIMEDOUT: there are references still; the count stays draining, references may be released and not
 * acquired, and localcount_drain() and this function may be called, but not localcount_fini(). EINVAL: `limit` is negative or has
 * 10^9 nanoseconds or more; nothing is done.
 *
 * Context: as of localcount_drain(). An extension.
 *
 * Requires: the object is alive until this returns; every release gets the same cv and interlock.
 */
int localcount_drain_timed(struct localcount *lc,
                           struct kcondvar *cv,
                           struct kmutex *interlock,
                           const struct timespec *limit);

/**
 * Drains the count if there is no reference: for a detach that answers EBUSY. No reference can be acquired meanwhile: the caller
 * has seen to that, and waited for look-ups under way.
 *
 * Returns true: drained, final, only localcount_fini() may follow. False: there are references, and nothing was changed: they
 * may be released, new ones acquired, a drain or another trydrain called.
 *
 * Context: may sleep; not in signal handlers. Costs one membarrier. Source: localcount_trydrain() as proposed on tech-kern in 2017.
 *
 * Requires: the object is alive until this returns.
 */
bool localcount_trydrain(struct localcount *lc);

/**
 * How many references there are, give or take those that are acquired or released meanwhile; 0 for the moment in which a drain
 * begins. For diagnostics. (NetBSD's answers 0 but in kernels that debug.)
 *
 * Context: any, signal handlers too; looks at every CPU's cell. Source: localcount(9).
 *
 * Requires: the object is alive until this returns.
 */
uint32_t localcount_debug_refcnt(const struct localcount *lc);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_LOCALCOUNT_H */


#ifdef PSREF_INLINE
#include <psref/inline_localcount.h>
#endif
