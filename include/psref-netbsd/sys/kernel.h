/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* NetBSD's <sys/kernel.h>: time in ticks, and what a kernel tells of its start. */
#ifndef PSREF_NETBSD_SYS_KERNEL_H
#define PSREF_NETBSD_SYS_KERNEL_H

#include <time.h>
#include <lib/libkern/libkern.h>
#include <psref/wait.h>

/** Ticks a second, and microseconds in one. */
static const int hz __attribute__((__unused__)) = PSREF_HZ;
static const int tick __attribute__((__unused__)) = 1000000 / PSREF_HZ;

/** Never: a program's start is over before its main(). */
static const int cold __attribute__((__unused__)) = 0;
static const int doing_shutdown __attribute__((__unused__)) = 0;

#ifdef __cplusplus
extern "C" {
#endif

/* clock_gettime(2), which <time.h> keeps from strictly conforming programs. */
int _psref_netbsd_clock(int clock, struct timespec *now) __asm__("clock_gettime");

/** Ticks since the machine was started; wraps. By CLOCK_MONOTONIC. */
static inline unsigned
getticks(void)
{
	struct timespec now;

	(void)_psref_netbsd_clock(1 /* CLOCK_MONOTONIC */, &now);
	return (unsigned)now.tv_sec * PSREF_HZ + (unsigned)(now.tv_nsec / (1000000000 / PSREF_HZ));
}

#ifdef __cplusplus
}
#endif

#endif
