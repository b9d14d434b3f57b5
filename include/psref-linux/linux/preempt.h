/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/preempt.h>: the thread takes a virtual CPU, which nobody else has meanwhile. */
#ifndef PSREF_LINUX_PREEMPT_H
#define PSREF_LINUX_PREEMPT_H

#include <psref/lwp.h>

#ifndef preempt_disable
#define preempt_disable() psref_kpreempt_disable()
#define preempt_enable() psref_kpreempt_enable()
#define preempt_disable_notrace() psref_kpreempt_disable()
#define preempt_enable_notrace() psref_kpreempt_enable()
#endif

#endif
