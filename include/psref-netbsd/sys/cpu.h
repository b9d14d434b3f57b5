/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * NetBSD's <sys/cpu.h>: virtual CPUs, one for each that the machine can have. struct cpu_info is opaque.
 */
#ifndef PSREF_NETBSD_SYS_CPU_H
#define PSREF_NETBSD_SYS_CPU_H

#include <sys/lwp.h>
#include <sys/pserialize.h>
#include <psref/lwp.h>

/** How many there are. */
#ifndef ncpu
#define ncpu ((int)psref_ncpu())
#endif
#ifndef ncpuonline
#define ncpuonline ncpu
#endif

/** Always: a kernel's start is over before a program's main(). */
static const bool mp_online __attribute__((__unused__)) = true;

#ifdef __cplusplus
extern "C" {
#endif

/** psref_curcpu(): that of the calling thread, a moment ago where nothing holds it. Source: cpu(9). */
static inline struct cpu_info *
curcpu(void)
{
	return psref_curcpu();
}

/** psref_cpu_index(). Source: cpu(9). */
static inline unsigned
cpu_index(const struct cpu_info *ci)
{
	return psref_cpu_index(ci);
}

/** psref_cpu_lookup(). Source: cpu(9). */
static inline struct cpu_info *
cpu_lookup(unsigned index)
{
	return psref_cpu_lookup(index);
}

#ifdef __cplusplus
}
#endif


/** for (CPU_INFO_FOREACH(cii, ci)): each struct cpu_info *ci, where cii is a CPU_INFO_ITERATOR. */
#define CPU_INFO_ITERATOR int
#define CPU_INFO_FOREACH(cii, ci)                                                                                      \
	(cii) = 0; (cii) < ncpu && ((ci) = cpu_lookup((unsigned)(cii))) != 0; (cii)++

#endif
