/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/lwp.h>: who the calling thread is, curlwp_bind(9), kpreempt(9). Binding changes no affinity: it names
 * the virtual CPU that strict mode compares. Disabling preemption takes a virtual CPU: until it is enabled again
 * nobody else has that one.
 */
#ifndef PSREF_NETBSD_SYS_LWP_H
#define PSREF_NETBSD_SYS_LWP_H

#include <sys/atomic.h>
#include <sys/condvar.h>
#include <sys/queue.h>
#include <psref/lwp.h>

/** The calling thread. Opaque. */
#ifndef curlwp
#define curlwp psref_curlwp()
#endif

/** The flag of a bound thread in NetBSD. curlwp_bind() here returns 0 or 1: it is for curlwp_bindx() alone. */
#define LP_BOUND 0x80000000

#ifdef __cplusplus
extern "C" {
#endif

/** psref_curlwp_bind(). Source: curlwp_bind(9). */
static inline int
curlwp_bind(void)
{
	return psref_curlwp_bind();
}

/** psref_curlwp_bindx(). Source: curlwp_bind(9). */
static inline void
curlwp_bindx(int bound)
{
	psref_curlwp_bindx(bound);
}

/** psref_kpreempt_disable(). Source: kpreempt(9). */
static inline void
kpreempt_disable(void)
{
	psref_kpreempt_disable();
}

/** psref_kpreempt_enable(). Source: kpreempt(9). */
static inline void
kpreempt_enable(void)
{
	psref_kpreempt_enable();
}

/** psref_kpreempt_disabled(). Source: kpreempt(9). */
static inline bool
kpreempt_disabled(void)
{
	return psref_kpreempt_disabled();
}

#ifdef __cplusplus
}
#endif

#define KPREEMPT_DISABLE(l) ((void)(l), kpreempt_disable())
#define KPREEMPT_ENABLE(l) ((void)(l), kpreempt_enable())

#endif
