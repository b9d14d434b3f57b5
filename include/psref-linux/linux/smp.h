/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/smp.h>: on which CPU. They are virtual: see preempt_disable(). */
#ifndef PSREF_LINUX_SMP_H
#define PSREF_LINUX_SMP_H

#include <linux/cpumask.h>
#include <linux/preempt.h>

#ifndef smp_processor_id
#define smp_processor_id() ((int)psref_cpu_index(psref_curcpu()))
#define raw_smp_processor_id() smp_processor_id()
/** Takes a virtual CPU, and its number; put_cpu() gives it back. */
#define get_cpu() (preempt_disable(), smp_processor_id())
#define put_cpu() preempt_enable()
#endif

#endif
