/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Linux's <linux/cpumask.h>: how many CPUs there can be. No number up to the highest is left out. */
#ifndef PSREF_LINUX_CPUMASK_H
#define PSREF_LINUX_CPUMASK_H

#include <psref/lwp.h>

#ifndef num_possible_cpus
#define num_possible_cpus() psref_ncpu()
#define num_online_cpus() psref_ncpu()
#define nr_cpu_ids psref_ncpu()
#define cpu_possible(cpu) ((unsigned int)(cpu) < psref_ncpu())
#define for_each_possible_cpu(cpu) for ((cpu) = 0; cpu_possible(cpu); (cpu)++)
#endif

#endif
