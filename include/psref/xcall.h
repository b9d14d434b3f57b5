/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Cross-calls, xcall(9), for ported kernel code: functions that run on every CPU, or on one, and barriers that wait for all of
 * them.
 *
 * Generated from ffi/src/xcall.rs by `make headers`.
 */

#ifndef PSREF_XCALL_H
#define PSREF_XCALL_H

#include <stdint.h>
#include <psref/base.h>
#include <psref/ipl.h>
#include <psref/lwp.h>

/** Flags of a call of high priority at a soft level, IPL_SOFTCLOCK to IPL_SOFTSERIAL. */
#define XC_HIGHPRI_IPL(ipl) (XC_HIGHPRI | xc_encode_ipl(ipl))

/** In flags: the function must not sleep, and runs as a software interrupt does. */
#define XC_HIGHPRI 1

/** A CPU of `<psref/lwp.h>`. */
struct cpu_info;

/** What runs on a CPU. */
typedef void (*xcfunc_t)(void *arg1, void *arg2);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes `func` run on every possible CPU, once each, with that virtual CPU taken: no other thread has preemption disabled
 * there, holds a reference of percpu(9) or runs a software interrupt. Read sections that were open when this was called have
 * ended before. What the caller did before is visible to the function.
 *
 * Functions run in threads of the library's own, one for each CPU that the process may use, which the first call starts; those
 * run it for the other CPUs too. They have all signals blocked and take none of the caller's locks. With flags 0 the function may
 * sleep; while it does in a function of this library its CPU is not taken. With XC_HIGHPRI or XC_HIGHPRI_IPL() it must not:
 * psref_cpu_softintr_p() is true.
 *
 * Of either kind one call is under way at a time; the next waits here. Other flags, a NULL function and a call in a software
 * interrupt, in a cross-call, with preemption disabled (a spin mutex, a reference) or inside a read section are fatal
 * diagnostics, and so is a thread that cannot be started.
 *
 * Returns a ticket for xc_wait().
 *
 * Context: may sleep; not in signal handlers; with adaptive mutexes held that no such function takes. Costs a grace period.
 * Source: xcall(9).
 *
 * Requires: the function may be called so in any thread until xc_wait() returns.
 */
uint64_t xc_broadcast(unsigned int flags, xcfunc_t func, void *arg1, void *arg2);

/**
 * As xc_broadcast(), on one CPU. What is no CPU is a fatal diagnostic.
 *
 * Context: as of xc_broadcast(). Source: xcall(9).
 *
 * Requires: as of xc_broadcast().
 */
uint64_t xc_unicast(unsigned int flags, xcfunc_t func, void *arg1, void *arg2, struct cpu_info *ci);

/**
 * Waits until a call is done: its function has returned everywhere, and what it did is visible. Tickets may be waited for
 * late, more than once, by any thread, or not at all. One that was never given out is a fatal diagnostic, and so is a wait
 * where xc_broadcast() is.
 *
 * A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error, with the CPUs that it waits
 * for, and goes on. In a forked child, calls of other threads are done; one of the thread that forked runs again where it had
 * not returned.
 *
 * Context: may sleep; not in signal handlers; with adaptive mutexes held that no such function takes. Source: xcall(9).
 */
void xc_wait(uint64_t ticket);

/**
 * Waits until every CPU has passed through the caller's hands: sections with preemption disabled, references of percpu(9),
 * software interrupts and read sections that were there when this was called have ended. XC_HIGHPRI and XC_HIGHPRI_IPL() wait
 * for no fewer.
 *
 * Context: as of xc_broadcast(). pserialize_perform() waits for read sections alone, and needs no threads. Source: xcall(9).
 */
void xc_barrier(unsigned int flags);

/**
 * What XC_HIGHPRI_IPL() adds to XC_HIGHPRI: a soft level, from IPL_SOFTCLOCK to IPL_SOFTSERIAL. Others are a fatal diagnostic.
 *
 * Context: any; never sleeps. Source: xcall(9).
 */
unsigned int xc_encode_ipl(int ipl);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_XCALL_H */
