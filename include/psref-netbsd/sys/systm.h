/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/systm.h>: what a kernel source takes in without asking what it needs of it. Brings printf and its
 * kin, panic, assertions, mutexes, condition variables, atomics, read sections, CPUs, threads. NetBSD's log() is
 * missing: <math.h> has one.
 */
#ifndef PSREF_NETBSD_SYS_SYSTM_H
#define PSREF_NETBSD_SYS_SYSTM_H

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <lib/libkern/libkern.h>
#include <sys/atomic.h>
#include <sys/condvar.h>
#include <sys/cpu.h>
#include <sys/intr.h>
#include <sys/kernel.h>
#include <sys/lwp.h>
#include <sys/mutex.h>
#include <sys/param.h>
#include <sys/pserialize.h>

/** Why the kernel panicked: a program that does is gone. */
static const char *const panicstr __attribute__((__unused__)) = 0;

#ifdef __cplusplus
extern "C" {
#endif

/* One for the whole program, in whichever object file the linker finds it first. */
struct psref_netbsd_kernconfig {
	pthread_mutex_t lock;
	uintptr_t owner;
	unsigned depth;
};
struct psref_netbsd_kernconfig psref_netbsd_kernconfig __attribute__((__weak__)) = { PTHREAD_MUTEX_INITIALIZER, 0, 0 };

/** Whether the calling thread holds the lock of configuration. Source: kernconfig_lock(9). */
static inline bool
kernconfig_is_held(void)
{
	/* Relaxed: a thread that finds itself here wrote that itself. */
	return __atomic_load_n(&psref_netbsd_kernconfig.owner, __ATOMIC_RELAXED) == (uintptr_t)pthread_self();
}

/** For the kernel's start: does nothing. */
static inline void
kernconfig_lock_init(void)
{
}

/**
 * Takes the lock under which modules come and go; again, where the thread holds it.
 *
 * Context: may sleep; not in signal handlers. Source: kernconfig_lock(9).
 */
static inline void
kernconfig_lock(void)
{
	if (!kernconfig_is_held()) {
		if (pthread_mutex_lock(&psref_netbsd_kernconfig.lock) != 0)
			panic("kernconfig_lock: pthread_mutex_lock failed");
		__atomic_store_n(&psref_netbsd_kernconfig.owner, (uintptr_t)pthread_self(), __ATOMIC_RELAXED);
	}
	psref_netbsd_kernconfig.depth++;
}

/** Gives it back, as often as it was taken. Not holding it ends the program. Source: kernconfig_lock(9). */
static inline void
kernconfig_unlock(void)
{
	if (!kernconfig_is_held())
		panic("kernconfig_unlock: the calling thread does not hold the lock");
	if (--psref_netbsd_kernconfig.depth == 0) {
		__atomic_store_n(&psref_netbsd_kernconfig.owner, (uintptr_t)0, __ATOMIC_RELAXED);
		(void)pthread_mutex_unlock(&psref_netbsd_kernconfig.lock);
	}
}

#ifndef PSREF_NO_KMUTEX_NAMES
/**
 * Sleeps for `ticks` ticks, for ever where that is 0, without the mutex, if one is given; the mutex is held again on
 * return.
 *
 * Returns EWOULDBLOCK when the time is over, or EINTR where `interruptible` and a signal handler ran.
 *
 * Context: sleeps. Source: kpause(9).
 */
static inline int
kpause(const char *wmesg, bool interruptible, int ticks, kmutex_t *mtx)
{
	kcondvar_t cv;
	kmutex_t own;
	int error = 0;

	cv_init(&cv, wmesg);
	if (mtx == 0) {
		mutex_init(&own, MUTEX_DEFAULT, IPL_NONE);
		mutex_enter(&own);
	}
	/* Nobody wakes it: what returns 0 was no reason. */
	while (error == 0)
		error = psref_kcondvar_wait("kpause", &cv, mtx != 0 ? mtx : &own, ticks, interruptible);
	if (mtx == 0) {
		mutex_exit(&own);
		mutex_destroy(&own);
	}
	cv_destroy(&cv);
	return error;
}
#endif

/* nanosleep(2), which <time.h> keeps from strictly conforming programs. */
int _psref_netbsd_sleep(const struct timespec *time, struct timespec *left) __asm__("nanosleep");

/** Lets so many microseconds pass; gives the CPU away meanwhile. Source: delay(9). */
static inline void
delay(unsigned microseconds)
{
	struct timespec left;

	left.tv_sec = microseconds / 1000000;
	left.tv_nsec = (long)(microseconds % 1000000) * 1000;
	while (_psref_netbsd_sleep(&left, &left) != 0)
		;
}
#ifndef DELAY
#define DELAY(microseconds) delay(microseconds)
#endif

#ifdef __cplusplus
}
#endif

#endif
