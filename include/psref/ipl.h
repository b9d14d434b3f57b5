/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's interrupt priority levels, for the calls that take one. Numbers of amd64; here they mean nothing, but ported
 * code compares them. PSREF_NO_KMUTEX_NAMES leaves them out.
 */
#ifndef PSREF_IPL_H
#define PSREF_IPL_H

#ifndef PSREF_NO_KMUTEX_NAMES

#ifndef IPL_NONE
#define IPL_NONE 0
#endif
#ifndef IPL_PREEMPT
#define IPL_PREEMPT 1
#endif
#ifndef IPL_SOFTCLOCK
#define IPL_SOFTCLOCK 2
#endif
#ifndef IPL_SOFTBIO
#define IPL_SOFTBIO 3
#endif
#ifndef IPL_SOFTNET
#define IPL_SOFTNET 4
#endif
#ifndef IPL_SOFTSERIAL
#define IPL_SOFTSERIAL 5
#endif
#ifndef IPL_VM
#define IPL_VM 6
#endif
#ifndef IPL_SCHED
#define IPL_SCHED 7
#endif
#ifndef IPL_HIGH
#define IPL_HIGH 8
#endif

#endif /* PSREF_NO_KMUTEX_NAMES */

#endif
