/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the inline functions of <psref/kmutex.h> need of the library: sleeping, waking and diagnostics; and those of NetBSD's
 * <sys/module_hook.h>. Include those.
 *
 * Generated from ffi/src/wait.rs by `make headers`.
 */

#ifndef PSREF_WAIT_H
#define PSREF_WAIT_H

#include <stdbool.h>
#include <stdint.h>
#include <psref/base.h>

/** Ticks a second: what cv_timedwait() counts in. */
#define PSREF_HZ 100

/** mtx_state of a mutex between mutex_init() and mutex_destroy(). */
#define PSREF_KMUTEX_LIVE 1263359064

/** The same of one that was made in strict mode. */
#define PSREF_KMUTEX_STRICT 1263359065

/** mtx_state of a mutex after mutex_destroy(). */
#define PSREF_KMUTEX_DEAD 1802335352

/** cv_wmesg of a condition variable after cv_destroy(): no string's address. */
#define PSREF_KCONDVAR_DEAD 1

/** A condition variable, condvar(9): defined in <psref/kmutex.h>. */
struct kcondvar;

/** A mutex, mutex(9): defined in <psref/kmutex.h>. */
struct kmutex;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Ends the program with a message: `who` was called, and `wrong` is what was wrong with it; the message adds who holds the
 * mutex. A mutex that is NULL, destroyed or never initialised is named as that instead.
 *
 * Context: any, signal handlers too. For the functions of <psref/kmutex.h>.
 *
 * Requires: `mtx` is NULL or readable.
 */
void psref_kmutex_misuse(const char *who, const struct kmutex *mtx, const char *wrong) __attribute__((noreturn));

/**
 * mtx_state of a mutex that is made now: PSREF_KMUTEX_LIVE, or in strict mode PSREF_KMUTEX_STRICT.
 *
 * Context: any, signal handlers too. For the functions of <psref/kmutex.h>.
 */
uint32_t psref_kmutex_state(void);

/**
 * Before a mutex is taken that is not PSREF_KMUTEX_LIVE, or that the caller holds: ends the program with a message,
 * unless it is only strict and may be taken: an adaptive one not inside a read section of the calling thread.
 *
 * Context: any. For the functions of <psref/kmutex.h>.
 *
 * Requires: `mtx` is NULL or readable.
 */
void psref_kmutex_may_enter(const char *who, const struct kmutex *mtx);

/**
 * Waits for a mutex that somebody holds. An adaptive one: without the virtual CPU that the thread may have, which it takes
 * again; with a spin mutex held that is a fatal diagnostic, in strict mode with preemption disabled too.
 *
 * Context: sleeps. For the functions of <psref/kmutex.h>. Source: mutex(9).
 *
 * Requires: `mtx` was made by mutex_init().
 */
void psref_kmutex_lock(const char *who, struct kmutex *mtx);

/**
 * Before a spin mutex is taken: takes a virtual CPU, as psref_kpreempt_disable() does.
 *
 * Context: sleeps where all are taken. For the functions of <psref/kmutex.h>.
 */
void psref_kmutex_spin_begin(void);

/**
 * After a spin mutex was given back.
 *
 * Context: any; never sleeps. For the functions of <psref/kmutex.h>.
 */
void psref_kmutex_spin_end(void);

/**
 * Ends the program: no memory for a mutex.
 *
 * Context: any. For the functions of <psref/kmutex.h>.
 *
 * Requires: `who` is a terminated string.
 */
void psref_kmutex_no_memory(const char *who) __attribute__((noreturn));

/**
 * As psref_kcondvar_wait(), for `*ns` nanoseconds at most, of which it subtracts what has passed.
 *
 * Context: sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
 *
 * Requires: as of psref_kcondvar_wait(); `ns` is the caller's.
 */
int psref_kcondvar_wait_ns(const char *who, struct kcondvar *cv, struct kmutex *mtx, uint64_t *ns, bool interruptible);

/**
 * The waits of condvar(9): drops the mutex, sleeps and takes the mutex again. No `ticks`: for ever. `who` is the function
 * that diagnostics name.
 *
 * Returns 0: woken, or for no reason; EWOULDBLOCK: the time is over; EINTR, if `interruptible`: a signal handler ran,
 * installed with SA_RESTART or without.
 *
 * Negative ticks, a mutex that the caller does not hold, and a condition variable that was never initialised or is destroyed
 * are fatal diagnostics.
 *
 * Context: sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
 *
 * Requires: the condition variable and the mutex live until this returns.
 */
int psref_kcondvar_wait(const char *who, struct kcondvar *cv, struct kmutex *mtx, int ticks, bool interruptible);

/**
 * Wakes at most `n` of those who wait; the first ones first, where no real-time priorities say otherwise.
 *
 * Context: any; never sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
 *
 * Requires: the condition variable lives until this returns.
 */
void psref_kcondvar_wake(const char *who, struct kcondvar *cv, uint32_t n);

/**
 * Whether somebody waits whom no wake was meant for. Threads of a process that this one was forked from do not count.
 *
 * Context: any; never sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
 *
 * Requires: the condition variable is one, and lives until this returns.
 */
bool psref_kcondvar_has_waiters(const struct kcondvar *cv);

/**
 * Ends the program with a message if threads are inside a wait, woken or not, or if this is no condition variable.
 *
 * Context: any; never sleeps. For the functions of <psref/kmutex.h>. Source: condvar(9).
 *
 * Requires: `cv` is NULL or readable.
 */
void psref_kcondvar_check_idle(const char *who, const struct kcondvar *cv);

/**
 * The mutex that hooks are drained with, and in `*cv` the condition variable: the same in the program and in all of its plug-ins.
 *
 * Context: any, signal handlers too; never sleeps. For the functions of <sys/module_hook.h>.
 *
 * Requires: `cv` is the caller's to write.
 */
struct kmutex *psref_module_hook_interlock(struct kcondvar **cv);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_WAIT_H */
