/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/intr.h>: spl(9), softint(9). Nothing interrupts a thread here but signal handlers, which no level
 * keeps out: the spl functions do nothing, as in rump kernels. What runs in a software interrupt is kept out of data
 * of a CPU by percpu_getref() and kpreempt_disable(), of other data by mutexes.
 */
#ifndef PSREF_NETBSD_SYS_INTR_H
#define PSREF_NETBSD_SYS_INTR_H

#include <lib/libkern/libkern.h>
#include <psref/ipl.h>
#include <psref/lwp.h>

/* The names of machines. */
#ifndef PSREF_NO_KMUTEX_NAMES
#ifndef IPL_NET
#define IPL_NET IPL_VM
#endif
#ifndef IPL_BIO
#define IPL_BIO IPL_VM
#endif
#ifndef IPL_TTY
#define IPL_TTY IPL_VM
#endif
#ifndef IPL_SERIAL
#define IPL_SERIAL IPL_HIGH
#endif
#ifndef IPL_AUDIO
#define IPL_AUDIO IPL_SCHED
#endif
#ifndef IPL_CLOCK
#define IPL_CLOCK IPL_SCHED
#endif
#ifndef IPL_STATCLOCK
#define IPL_STATCLOCK IPL_CLOCK
#endif
#endif

/** A level, and what splraiseipl() takes. */
typedef int ipl_t;
typedef struct {
	uint8_t _ipl;
} ipl_cookie_t;

#ifdef __cplusplus
extern "C" {
#endif

/** The cookie of a level. Source: spl(9). */
static inline ipl_cookie_t
makeiplcookie(ipl_t level)
{
	ipl_cookie_t cookie;

	cookie._ipl = (uint8_t)level;
	return cookie;
}

/** Does nothing, and returns what splx() wants. Source: spl(9). */
static inline int
splraiseipl(ipl_cookie_t cookie __attribute__((__unused__)))
{
	return 0;
}

/** Does nothing. Source: spl(9). */
static inline void
splx(int level __attribute__((__unused__)))
{
}

static inline void
spl0(void)
{
}

static inline int splsoftclock(void) { return 0; }
static inline int splsoftbio(void) { return 0; }
static inline int splsoftnet(void) { return 0; }
static inline int splsoftserial(void) { return 0; }
static inline int splvm(void) { return 0; }
static inline int splsched(void) { return 0; }
static inline int splhigh(void) { return 0; }
static inline int splnet(void) { return 0; }
static inline int splbio(void) { return 0; }
static inline int spltty(void) { return 0; }
static inline int splserial(void) { return 0; }
static inline int splclock(void) { return 0; }
static inline int splstatclock(void) { return 0; }

/* softint_establish(): the level, and flags. */
#ifndef SOFTINT_CLOCK
#define SOFTINT_CLOCK PSREF_SOFTINT_CLOCK
#define SOFTINT_BIO PSREF_SOFTINT_BIO
#define SOFTINT_NET PSREF_SOFTINT_NET
#define SOFTINT_SERIAL PSREF_SOFTINT_SERIAL
#define SOFTINT_LVLMASK 0xff
#define SOFTINT_MPSAFE PSREF_SOFTINT_MPSAFE
#define SOFTINT_RCPU PSREF_SOFTINT_RCPU
#endif

/** psref_softint_establish(). Source: softint(9). */
static inline void *
softint_establish(unsigned flags, void (*function)(void *), void *argument)
{
	return psref_softint_establish(flags, function, argument);
}

/** psref_softint_disestablish(). Source: softint(9). */
static inline void
softint_disestablish(void *handle)
{
	psref_softint_disestablish(handle);
}

/** psref_softint_schedule(). Source: softint(9). */
static inline void
softint_schedule(void *handle)
{
	psref_softint_schedule(handle);
}

/** psref_cpu_intr_p(). Source: cpu(9). */
static inline bool
cpu_intr_p(void)
{
	return psref_cpu_intr_p();
}

/** psref_cpu_softintr_p(). Source: cpu(9). */
static inline bool
cpu_softintr_p(void)
{
	return psref_cpu_softintr_p();
}

#ifdef __cplusplus
}
#endif

#endif
