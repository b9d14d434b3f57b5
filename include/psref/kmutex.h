/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Mutexes and condition variables under NetBSD's names, mutex(9) and, from <psref/kcondvar.h>, condvar(9), for the interlocks
 * that localcount(9) and its kin are given. A mutex is a pthread mutex that knows its owner. A program that needs neither is
 * better served by <pthread.h>.
 *
 * Misuse ends the program with a message that names the function, the object and who holds it. mutex_* and cv_* are inline
 * functions: the library exports no such symbol. PSREF_NO_KMUTEX_NAMES leaves everything out but the structures' tags.
 */
#ifndef PSREF_KMUTEX_H
#define PSREF_KMUTEX_H

struct kmutex;
struct kcondvar;

#ifndef PSREF_NO_KMUTEX_NAMES

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
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

typedef struct kmutex kmutex_t;

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

#ifdef __cplusplus
}
#endif

#include <psref/kcondvar.h>

#endif /* PSREF_NO_KMUTEX_NAMES */

#endif
