/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Mutexes and condition variables under NetBSD's names, mutex(9) and condvar(9), for the interlocks that localcount(9) and
 * its kin are given. A mutex is a pthread mutex that knows its owner; a condition variable is a futex, because a pthread
 * condition cannot answer EINTR. A program that needs neither is better served by <pthread.h>.
 *
 * Misuse ends the program with a message that names the function, the object and who holds it. mutex_* and cv_* are inline
 * functions: the library exports no such symbol. PSREF_NO_KMUTEX_NAMES leaves everything out but the structures' tags.
 */
#ifndef PSREF_KMUTEX_H
#define PSREF_KMUTEX_H

struct kmutex;
struct kcondvar;

#ifndef PSREF_NO_KMUTEX_NAMES

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <psref/ipl.h>
#include <psref/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A mutex. Fields are the library's. Not to be moved or copied between mutex_init() and mutex_destroy(). */
struct kmutex {
	pthread_mutex_t mtx_lock;
	/** pthread_self() of whoever holds it, 0: nobody. Written by the holder alone. */
	uintptr_t mtx_owner;
	/** PSREF_KMUTEX_LIVE, PSREF_KMUTEX_STRICT or PSREF_KMUTEX_DEAD; anything else was never initialised. */
	uint32_t mtx_state;
	/** What mutex_init() was told. */
	uint16_t mtx_type, mtx_ipl;
};

/** A condition variable. Fields are the library's. Not to be moved or copied between cv_init() and cv_destroy(). */
struct kcondvar {
	/** Moves with every wake: what waiters sleep on. */
	uint32_t cv_sequence;
	/** Threads inside a wait; of those, how many were woken; and since which fork that is so. */
	uint32_t cv_waiters, cv_woken, cv_epoch;
	/** What is waited for, in diagnostics. NULL: never initialised. */
	const char *cv_wmesg;
};

typedef struct kmutex kmutex_t;
typedef struct kcondvar kcondvar_t;

/**
 * What sort of mutex. A spin mutex is one that handlers of interrupts take: MUTEX_SPIN at any level, and all but MUTEX_ADAPTIVE
 * from IPL_VM on. Whoever holds one has preemption disabled, and so a virtual CPU, <psref/lwp.h>. Others are adaptive. Of
 * either sort, whoever finds one held sleeps: nothing spins here, for its holder may be preempted.
 */
typedef enum kmutex_type {
	MUTEX_SPIN = 0,
	MUTEX_ADAPTIVE = 1,
	MUTEX_DEFAULT = 2,
	MUTEX_DRIVER = 3,
	MUTEX_NODEBUG = 4
} kmutex_type_t;

/** Whether the calling thread holds it. (For the functions below; not an interface.) */
static inline bool psref_kmutex_is_mine(const struct kmutex *mtx)
{
	/* Relaxed: a thread that finds itself here wrote that itself, and nobody else can have. */
	return __atomic_load_n(&mtx->mtx_owner, __ATOMIC_RELAXED) == (uintptr_t)pthread_self();
}

/** Whether it is a spin mutex. (For the functions below; not an interface.) */
static inline bool psref_kmutex_is_spin(const struct kmutex *mtx)
{
	return mtx->mtx_type == MUTEX_SPIN || (mtx->mtx_type != MUTEX_ADAPTIVE && mtx->mtx_ipl >= IPL_VM);
}

/** Whether it is a mutex: of both live states the upper bits are the same. (For the functions below; not an interface.) */
static inline bool psref_kmutex_is_live(const struct kmutex *mtx)
{
	return (mtx->mtx_state | 1) == PSREF_KMUTEX_STRICT;
}

/**
 * Makes a mutex, held by nobody. `type` and `ipl` say of which sort; any value is accepted.
 *
 * Context: any. Source: mutex(9).
 *
 * Requires: the memory is the caller's alone, and no live mutex.
 */
static inline void mutex_init(kmutex_t *mtx, kmutex_type_t type, int ipl)
{
	if (mtx == 0)
		psref_kmutex_misuse("mutex_init", mtx, "");
	mtx->mtx_owner = 0;
	mtx->mtx_state = psref_kmutex_state();
	mtx->mtx_type = (uint16_t)type;
	mtx->mtx_ipl = (uint16_t)ipl;
	if (pthread_mutex_init(&mtx->mtx_lock, 0) != 0)
		psref_kmutex_misuse("mutex_init", mtx, "pthread_mutex_init failed");
}

/**
 * Ends a mutex. One that is held, by whomever, is a fatal diagnostic, and so is its use from now on.
 *
 * Context: any. Source: mutex(9).
 *
 * Requires: nobody uses the mutex any more.
 */
static inline void mutex_destroy(kmutex_t *mtx)
{
	if (mtx == 0 || !psref_kmutex_is_live(mtx) || __atomic_load_n(&mtx->mtx_owner, __ATOMIC_RELAXED) != 0
	    || pthread_mutex_destroy(&mtx->mtx_lock) != 0)
		psref_kmutex_misuse("mutex_destroy", mtx, "destroying a held mutex");
	mtx->mtx_state = PSREF_KMUTEX_DEAD;
}

/**
 * Takes a mutex; sleeps while somebody else holds it. Not recursive: holding it already is a fatal diagnostic.
 *
 * What the thread that had the mutex before did while it held it is visible when this returns.
 *
 * A spin mutex: takes a virtual CPU first, as psref_kpreempt_disable() does. An adaptive one: a thread that has to
 * sleep gives its virtual CPU up meanwhile, where it has one; to sleep with a spin mutex held is a fatal diagnostic. So
 * is, where it was made in strict mode, to take it inside a read section: whether it is free or not.
 *
 * Context: may sleep; not in signal handlers, not inside a read section. Source: mutex(9).
 *
 * Requires: mutex_init() made it.
 */
static inline void mutex_enter(kmutex_t *mtx)
{
	if (mtx == 0)
		psref_kmutex_misuse("mutex_enter", mtx, "");
	if (mtx->mtx_state != PSREF_KMUTEX_LIVE || psref_kmutex_is_mine(mtx))
		psref_kmutex_may_enter("mutex_enter", mtx);
	if (psref_kmutex_is_spin(mtx))
		psref_kmutex_spin_begin();
	if (pthread_mutex_trylock(&mtx->mtx_lock) != 0)
		psref_kmutex_lock("mutex_enter", mtx);
	__atomic_store_n(&mtx->mtx_owner, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
}

/**
 * Gives a mutex back. Not holding it is a fatal diagnostic: only the thread that took it gives it back.
 *
 * Context: as of mutex_enter(), but never sleeps. Source: mutex(9).
 *
 * Requires: mutex_init() made it.
 */
static inline void mutex_exit(kmutex_t *mtx)
{
	if (mtx == 0 || !psref_kmutex_is_live(mtx) || !psref_kmutex_is_mine(mtx))
		psref_kmutex_misuse("mutex_exit", mtx, "exiting a mutex that the caller does not hold");
	__atomic_store_n(&mtx->mtx_owner, (uintptr_t)0, __ATOMIC_RELAXED);
	/* Asked before: it may be gone afterwards. */
	bool spin = psref_kmutex_is_spin(mtx);
	if (pthread_mutex_unlock(&mtx->mtx_lock) != 0)
		psref_kmutex_misuse("mutex_exit", mtx, "pthread_mutex_unlock failed");
	if (spin)
		psref_kmutex_spin_end();
}

/**
 * mutex_enter() of a spin mutex. One that is adaptive is a fatal diagnostic.
 *
 * Context, Requires: as of mutex_enter(). Source: mutex(9).
 */
static inline void mutex_spin_enter(kmutex_t *mtx)
{
	if (mtx != 0 && psref_kmutex_is_live(mtx) && !psref_kmutex_is_spin(mtx))
		psref_kmutex_misuse("mutex_spin_enter", mtx, "not a spin mutex");
	mutex_enter(mtx);
}

/**
 * mutex_exit() of a spin mutex. One that is adaptive is a fatal diagnostic.
 *
 * Context, Requires: as of mutex_exit(). Source: mutex(9).
 */
static inline void mutex_spin_exit(kmutex_t *mtx)
{
	if (mtx != 0 && psref_kmutex_is_live(mtx) && !psref_kmutex_is_spin(mtx))
		psref_kmutex_misuse("mutex_spin_exit", mtx, "not a spin mutex");
	mutex_exit(mtx);
}

/**
 * Takes a mutex if nobody holds it, the caller included.
 *
 * Returns 1 if the caller has it now, else 0.
 *
 * Context: not in signal handlers; never sleeps for the mutex: for a virtual CPU where it is a spin mutex. Source: mutex(9).
 *
 * Requires: mutex_init() made it.
 */
static inline int mutex_tryenter(kmutex_t *mtx)
{
	if (mtx == 0 || !psref_kmutex_is_live(mtx))
		psref_kmutex_misuse("mutex_tryenter", mtx, "");
	bool spin = psref_kmutex_is_spin(mtx);
	if (spin)
		psref_kmutex_spin_begin();
	if (pthread_mutex_trylock(&mtx->mtx_lock) != 0) {
		if (spin)
			psref_kmutex_spin_end();
		return 0;
	}
	__atomic_store_n(&mtx->mtx_owner, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
	return 1;
}

/**
 * Whether the calling thread holds the mutex; NULL is held by nobody. For assertions. (NetBSD's answers for spin mutexes
 * whether anybody does; this is exact for all.)
 *
 * Context: any, signal handlers too; never sleeps. Source: mutex(9).
 *
 * Requires: `mtx` is NULL or mutex_init() made it.
 */
static inline int mutex_owned(const kmutex_t *mtx)
{
	return mtx != 0 && psref_kmutex_is_live(mtx) && psref_kmutex_is_mine(mtx);
}

/**
 * Whether the calling thread may take the mutex: it is one, and not held by the caller. For assertions: positive, as
 * mutex_owned() is. (NetBSD's knows that with LOCKDEBUG only, else it answers 1.)
 *
 * Context: any, signal handlers too; never sleeps. Source: mutex(9).
 *
 * Requires: `mtx` is readable.
 */
static inline int mutex_ownable(const kmutex_t *mtx)
{
	return psref_kmutex_is_live(mtx) && !psref_kmutex_is_mine(mtx);
}

/** A mutex that mutex_obj_alloc() made. Fields are the library's. */
struct psref_kmutex_obj {
	kmutex_t mo_lock;
	unsigned mo_refcnt;
};

/**
 * Allocates a mutex, with one reference, and makes it as mutex_init() does.
 *
 * Returns NULL where there is no memory.
 *
 * Context: not in signal handlers. Source: mutex_obj(9).
 */
static inline kmutex_t *mutex_obj_tryalloc(kmutex_type_t type, int ipl)
{
	struct psref_kmutex_obj *mo = (struct psref_kmutex_obj *)malloc(sizeof *mo);
	if (mo == 0)
		return 0;
	mutex_init(&mo->mo_lock, type, ipl);
	mo->mo_refcnt = 1;
	return &mo->mo_lock;
}

/**
 * The same, and never returns NULL: no memory is a fatal diagnostic.
 *
 * Context: not in signal handlers. Source: mutex_obj(9).
 */
static inline kmutex_t *mutex_obj_alloc(kmutex_type_t type, int ipl)
{
	kmutex_t *mtx = mutex_obj_tryalloc(type, ipl);
	if (mtx == 0)
		psref_kmutex_no_memory("mutex_obj_alloc");
	return mtx;
}

/**
 * One more reference.
 *
 * Context: any; never sleeps. Source: mutex_obj(9).
 *
 * Requires: mutex_obj_alloc() made it, and the caller has a reference.
 */
static inline void mutex_obj_hold(kmutex_t *mtx)
{
	/* Relaxed: the caller's own reference keeps it. */
	(void)__atomic_fetch_add(&((struct psref_kmutex_obj *)mtx)->mo_refcnt, 1, __ATOMIC_RELAXED);
}

/**
 * One reference less; the last one destroys the mutex, as mutex_destroy() does, and frees it.
 *
 * Returns whether it was the last.
 *
 * Context: not in signal handlers. Source: mutex_obj(9).
 *
 * Requires: mutex_obj_alloc() made it, and the caller has a reference.
 */
static inline bool mutex_obj_free(kmutex_t *mtx)
{
	struct psref_kmutex_obj *mo = (struct psref_kmutex_obj *)mtx;
	/* Release and acquire: what others did with it comes before its end. */
	if (__atomic_sub_fetch(&mo->mo_refcnt, 1, __ATOMIC_ACQ_REL) != 0)
		return false;
	mutex_destroy(mtx);
	free(mo);
	return true;
}

/**
 * How many references there are; true at that moment only.
 *
 * Context: any; never sleeps. Source: mutex_obj(9).
 *
 * Requires: as of mutex_obj_hold().
 */
static inline unsigned mutex_obj_refcnt(kmutex_t *mtx)
{
	return __atomic_load_n(&((struct psref_kmutex_obj *)mtx)->mo_refcnt, __ATOMIC_RELAXED);
}

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
