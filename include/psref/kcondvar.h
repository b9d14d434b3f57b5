/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Condition variables under NetBSD's names, condvar(9): the part of <psref/kmutex.h> that sleeps. One is a futex, because a
 * pthread condition cannot answer EINTR.
 */
#ifndef PSREF_KCONDVAR_H
#define PSREF_KCONDVAR_H

#include <psref/kmutex.h>

#ifndef PSREF_NO_KMUTEX_NAMES

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <psref/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A condition variable. Fields are the library's. Not to be moved or copied between cv_init() and cv_destroy(). */
struct kcondvar {
	/** Moves with every wake: what waiters sleep on. */
	uint32_t cv_sequence;
	/** Threads inside a wait; of those, how many were woken; and since which fork that is so. */
	uint32_t cv_waiters, cv_woken, cv_epoch;
	/** What is waited for, in diagnostics. NULL: never initialised. */
	const char *cv_wmesg;
};

typedef struct kcondvar kcondvar_t;

/**
 * Whether this is a condition variable: cv_init() made it and cv_destroy() has not ended it. For assertions.
 *
 * Context: any; never sleeps. Source: condvar(9).
 *
 * Requires: `cv` is readable.
 */
static inline bool cv_is_valid(const kcondvar_t *cv)
{
	return cv->cv_wmesg != 0 && cv->cv_wmesg != (const char *)(uintptr_t)PSREF_KCONDVAR_DEAD;
}

/**
 * Makes a condition variable. `wmesg` says in a word what is waited for: it shows in diagnostics. It is not copied. NULL is a
 * fatal diagnostic.
 *
 * Context: any. Source: condvar(9).
 *
 * Requires: the memory is the caller's alone; `wmesg` is a terminated string that outlives the condition variable.
 */
static inline void cv_init(kcondvar_t *cv, const char *wmesg)
{
	if (cv != 0) {
		cv->cv_sequence = cv->cv_waiters = cv->cv_woken = cv->cv_epoch = 0;
		cv->cv_wmesg = wmesg;
	}
	if (cv == 0 || wmesg == 0)
		psref_kcondvar_check_idle("cv_init", cv);
}

/**
 * Ends a condition variable. A thread inside a wait is a fatal diagnostic, and so is every use from now on. A thread that was
 * woken is inside until its wait returns, which it does with the mutex. (NetBSD allows those.)
 *
 * Context: any. Source: condvar(9).
 *
 * Requires: nobody uses the condition variable any more.
 */
static inline void cv_destroy(kcondvar_t *cv)
{
	psref_kcondvar_check_idle("cv_destroy", cv);
	cv->cv_wmesg = (const char *)(uintptr_t)PSREF_KCONDVAR_DEAD;
}

/**
 * Drops the mutex, sleeps until woken and takes the mutex again. May return without a wake: look again at what is waited for.
 * Nothing is lost in between: a wake by a thread that took the mutex after this dropped it is seen.
 *
 * Not holding the mutex, in all waits, is a fatal diagnostic. A virtual CPU that the thread has, by a spin mutex or otherwise, is
 * given up meanwhile; to wait with another spin mutex held is a fatal diagnostic.
 *
 * Context: sleeps; not in signal handlers, not inside a read section. Source: condvar(9).
 *
 * Requires: all who wait at the same time give the same mutex; it and the condition variable live until this returns.
 */
static inline void cv_wait(kcondvar_t *cv, kmutex_t *mtx)
{
	(void)psref_kcondvar_wait("cv_wait", cv, mtx, 0, false);
}

/**
 * As cv_wait(), and ends when a signal handler has run in the calling thread, installed with SA_RESTART or without.
 *
 * Returns 0, or EINTR. (NetBSD's can answer ERESTART too.) The mutex is held in either case.
 *
 * Context, Requires: as of cv_wait(). Source: condvar(9).
 */
static inline int cv_wait_sig(kcondvar_t *cv, kmutex_t *mtx)
{
	return psref_kcondvar_wait("cv_wait_sig", cv, mtx, 0, true);
}

/**
 * As cv_wait(), for `ticks` ticks of 1/PSREF_HZ second at most, by CLOCK_MONOTONIC. No ticks: for ever. Negative ticks are a
 * fatal diagnostic.
 *
 * Returns 0, or EWOULDBLOCK when the time is over. The mutex is held in either case.
 *
 * Context, Requires: as of cv_wait(). Source: condvar(9).
 */
static inline int cv_timedwait(kcondvar_t *cv, kmutex_t *mtx, int ticks)
{
	return psref_kcondvar_wait("cv_timedwait", cv, mtx, ticks, false);
}

/**
 * As cv_timedwait(), and ends when a signal handler has run, as cv_wait_sig() does.
 *
 * Returns 0, EWOULDBLOCK when the time is over, or EINTR. The mutex is held in each case.
 *
 * Context, Requires: as of cv_wait(). Source: condvar(9).
 */
static inline int cv_timedwait_sig(kcondvar_t *cv, kmutex_t *mtx, int ticks)
{
	return psref_kcondvar_wait("cv_timedwait_sig", cv, mtx, ticks, true);
}

#ifndef PSREF_BINTIME_DEFINED
#define PSREF_BINTIME_DEFINED 1
/** Seconds and fractions of 2^-64 second. */
struct bintime {
	time_t sec;
	uint64_t frac;
};
#endif

/** The waits with a bintime. (For the functions below; not an interface.) */
static inline int psref_kcondvar_waitbt(const char *who, kcondvar_t *cv, kmutex_t *mtx, struct bintime *bt, bool sig)
{
	/* Some 292 years are for ever. */
	const time_t most = 9000000000;
	uint64_t ns = bt->sec < 0 ? 0
	    : (uint64_t)(bt->sec < most ? bt->sec : most) * 1000000000u + (((bt->frac >> 32) * 1000000000u) >> 32);
	int error = psref_kcondvar_wait_ns(who, cv, mtx, &ns, sig);
	bt->sec = (time_t)(ns / 1000000000u);
	bt->frac = (((ns % 1000000000u) << 32) / 1000000000u) << 32;
	return error;
}

/**
 * As cv_timedwait(), for the time in `bt`, of which this subtracts what has passed. Nothing left: at once. `epsilon`, by how
 * much it may be late, means nothing here.
 *
 * Returns 0, or EWOULDBLOCK when the time is over. The mutex is held in either case.
 *
 * Context, Requires: as of cv_wait(). Source: condvar(9).
 */
static inline int cv_timedwaitbt(kcondvar_t *cv, kmutex_t *mtx, struct bintime *bt, const struct bintime *epsilon)
{
	(void)epsilon;
	return psref_kcondvar_waitbt("cv_timedwaitbt", cv, mtx, bt, false);
}

/**
 * As cv_timedwaitbt(), and ends when a signal handler has run, as cv_wait_sig() does.
 *
 * Returns 0, EWOULDBLOCK when the time is over, or EINTR. The mutex is held in each case.
 *
 * Context, Requires: as of cv_wait(). Source: condvar(9).
 */
static inline int cv_timedwaitbt_sig(kcondvar_t *cv, kmutex_t *mtx, struct bintime *bt, const struct bintime *epsilon)
{
	(void)epsilon;
	return psref_kcondvar_waitbt("cv_timedwaitbt_sig", cv, mtx, bt, true);
}

/**
 * Wakes one thread that waits, if there is one: who waited longest, where no real-time priorities say otherwise. More may
 * return.
 *
 * Context: not in signal handlers; never sleeps. Costs a system call only where somebody waits. Source: condvar(9).
 *
 * Requires: the caller holds the mutex that the waiters gave.
 */
static inline void cv_signal(kcondvar_t *cv)
{
	if (cv == 0 || !cv_is_valid(cv) || __atomic_load_n(&cv->cv_waiters, __ATOMIC_SEQ_CST) != 0)
		psref_kcondvar_wake("cv_signal", cv, 1);
}

/**
 * Wakes all who wait.
 *
 * Context, Requires: as of cv_signal(). Source: condvar(9).
 */
static inline void cv_broadcast(kcondvar_t *cv)
{
	if (cv == 0 || !cv_is_valid(cv) || __atomic_load_n(&cv->cv_waiters, __ATOMIC_SEQ_CST) != 0)
		psref_kcondvar_wake("cv_broadcast", cv, UINT32_MAX);
}

/**
 * Whether somebody waits who was not woken yet. Exact while the caller holds the mutex. In a forked child the threads that
 * waited in the parent do not count.
 *
 * Context: any; never sleeps. Source: condvar(9).
 *
 * Requires: cv_init() made it.
 */
static inline bool cv_has_waiters(const kcondvar_t *cv)
{
	return __atomic_load_n(&cv->cv_waiters, __ATOMIC_SEQ_CST) != 0 && psref_kcondvar_has_waiters(cv);
}

#ifdef __cplusplus
}
#endif

#endif /* PSREF_NO_KMUTEX_NAMES */

#endif
