/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/module_hook.h>: functions that a module offers while it is there. Whoever calls one counts itself in
 * the hook's localcount, found in a read section; whoever takes it away waits for both.
 *
 * Header only. A source that defines module_hook_*() itself, as NetBSD's kern_module_hook.c, compiles too.
 */
#ifndef PSREF_NETBSD_SYS_MODULE_HOOK_H
#define PSREF_NETBSD_SYS_MODULE_HOOK_H

#include <sys/atomic.h>
#include <sys/condvar.h>
#include <sys/localcount.h>
#include <sys/mutex.h>
#include <sys/param.h>
#include <sys/pserialize.h>
#include <sys/systm.h>

#ifndef PSREF_NO_KMUTEX_NAMES

#ifdef __cplusplus
extern "C" {
#endif

/* Not static: the functions below are not. */
__attribute__((__weak__)) void
psref_netbsd_hook_set(bool *hooked, struct localcount *lc)
{
	KASSERT(kernconfig_is_held());
	KASSERT(!*hooked);
	if (localcount_init(lc) != 0)
		panic("module_hook_set: no memory for a localcount");
	/* Release: who finds it hooked finds the function and the count. */
	atomic_store_release(hooked, true);
}

__attribute__((__weak__)) void
psref_netbsd_hook_unset(bool *hooked, struct localcount *lc)
{
	kcondvar_t *cv;
	kmutex_t *lock = psref_module_hook_interlock(&cv);

	KASSERT(kernconfig_is_held());
	KASSERT(*hooked);
	atomic_store_relaxed(hooked, false);
	/* Whoever saw it hooked has counted itself when this returns. */
	pserialize_perform(NULL);
	mutex_enter(lock);
	localcount_drain(lc, cv, lock);
	mutex_exit(lock);
	localcount_fini(lc);
}

__attribute__((__weak__)) bool
psref_netbsd_hook_tryenter(bool *hooked, struct localcount *lc)
{
	int s = pserialize_read_enter();
	bool there = atomic_load_acquire(hooked);

	if (there)
		localcount_acquire(lc);
	pserialize_read_exit(s);
	return there;
}

__attribute__((__weak__)) void
psref_netbsd_hook_exit(struct localcount *lc)
{
	kcondvar_t *cv;
	kmutex_t *lock = psref_module_hook_interlock(&cv);

	localcount_release(lc, cv, lock);
}

/*
 * Under the kernel's names, in a form that a definition of the same name in the same source may follow.
 */
#ifdef __cplusplus
#define _PSREF_NETBSD_REPLACEABLE static inline
#else
#define _PSREF_NETBSD_REPLACEABLE extern __inline __attribute__((__gnu_inline__, __always_inline__))
#endif

/** For the kernel's start: does nothing. */
_PSREF_NETBSD_REPLACEABLE void
module_hook_init(void)
{
}

/**
 * Makes a hook known, whose function is set. Its caller holds the lock of configuration, and it is not hooked.
 *
 * Context: may sleep. Source: module_hook(9).
 */
_PSREF_NETBSD_REPLACEABLE void
module_hook_set(bool *hooked, struct localcount *lc)
{
	psref_netbsd_hook_set(hooked, lc);
}

/**
 * Takes a hook away: when this returns nobody is in its function, nor comes there. Its caller holds the lock of
 * configuration.
 *
 * Context: sleeps. Source: module_hook(9).
 */
_PSREF_NETBSD_REPLACEABLE void
module_hook_unset(bool *hooked, struct localcount *lc)
{
	psref_netbsd_hook_unset(hooked, lc);
}

/** Whether the hook is there; if so it stays until module_hook_exit(). Context: any. Source: module_hook(9). */
_PSREF_NETBSD_REPLACEABLE bool
module_hook_tryenter(bool *hooked, struct localcount *lc)
{
	return psref_netbsd_hook_tryenter(hooked, lc);
}

/** Leaves, after a module_hook_tryenter() that answered true. Source: module_hook(9). */
_PSREF_NETBSD_REPLACEABLE void
module_hook_exit(struct localcount *lc)
{
	psref_netbsd_hook_exit(lc);
}

#undef _PSREF_NETBSD_REPLACEABLE

#ifdef __cplusplus
}
#endif

/** Declares `extern struct hook_t hook`, for functions of that type. One source defines it. Source: module_hook(9). */
#define MODULE_HOOK(hook, type, arguments)                                                                             \
	extern struct hook##_t {                                                                                       \
		kmutex_t mtx;                                                                                          \
		kcondvar_t cv;                                                                                         \
		struct localcount lc;                                                                                  \
		type(*f) arguments;                                                                                    \
		bool hooked;                                                                                           \
	} hook __cacheline_aligned

/** From now on calls of the hook call the function. Under kernconfig_lock(). */
#define MODULE_HOOK_SET(hook, function)                                                                                \
	do {                                                                                                           \
		KASSERT(!(hook).hooked);                                                                               \
		(hook).f = (function);                                                                                 \
		module_hook_set(&(hook).hooked, &(hook).lc);                                                           \
	} while (0)

/** Nobody is in the hook's function when this is done, nor comes there. Under kernconfig_lock(). */
#define MODULE_HOOK_UNSET(hook)                                                                                        \
	do {                                                                                                           \
		KASSERT((hook).f != NULL);                                                                             \
		module_hook_unset(&(hook).hooked, &(hook).lc);                                                         \
		(hook).f = NULL;                                                                                       \
	} while (0)

/** result = what the hook's function answers to the arguments (in parentheses); where it is not there, `otherwise`. */
#define MODULE_HOOK_CALL(hook, arguments, otherwise, result)                                                           \
	do {                                                                                                           \
		if (module_hook_tryenter(&(hook).hooked, &(hook).lc)) {                                                \
			(result) = (*(hook).f)arguments;                                                               \
			module_hook_exit(&(hook).lc);                                                                  \
		} else {                                                                                               \
			(result) = otherwise;                                                                          \
		}                                                                                                      \
	} while (0)

/** Calls the hook's function; where it is not there, does `otherwise`. */
#define MODULE_HOOK_CALL_VOID(hook, arguments, otherwise)                                                              \
	do {                                                                                                           \
		if (module_hook_tryenter(&(hook).hooked, &(hook).lc)) {                                                \
			(*(hook).f)arguments;                                                                          \
			module_hook_exit(&(hook).lc);                                                                  \
		} else {                                                                                               \
			otherwise;                                                                                     \
		}                                                                                                      \
	} while (0)

#endif /* PSREF_NO_KMUTEX_NAMES */

#endif
