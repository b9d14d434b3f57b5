/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* In the idiom of NetBSD's network statistics. */
#include <sys/cdefs.h>
__KERNEL_RCSID(0, "ifstats.c");

#include <sys/param.h>
#include <sys/systm.h>
#include <sys/kmem.h>
#include <sys/xcall.h>

#include "ifstats.h"

#define IF_STATS_SIZE (sizeof(uint64_t) * IFS_NSTATS)

void
if_stats_init(struct interface *ifp)
{

	ifp->if_stats = percpu_alloc(IF_STATS_SIZE);
}

void
if_stats_fini(struct interface *ifp)
{

	percpu_free(ifp->if_stats, IF_STATS_SIZE);
	ifp->if_stats = NULL;
}

void
if_stat_add(struct interface *ifp, unsigned which, uint64_t n)
{
	uint64_t *stats;
	int s;

	s = splnet();
	stats = percpu_getref(ifp->if_stats);
	stats[which] += n;
	percpu_putref(ifp->if_stats);
	splx(s);
}

/* For several additions that are collected together. */
uint64_t *
if_stat_getref(struct interface *ifp)
{

	return percpu_getref(ifp->if_stats);
}

void
if_stat_putref(struct interface *ifp)
{

	percpu_putref(ifp->if_stats);
}

void
if_stat_add2(struct interface *ifp, unsigned which, uint64_t n, unsigned other, uint64_t m)
{
	uint64_t *stats = if_stat_getref(ifp);

	stats[which] += n;
	stats[other] += m;
	if_stat_putref(ifp);
}

struct collect {
	uint64_t *sum;
	unsigned ncounters;
	bool zero;
};

static void
stats_add_cpu(void *p, void *arg, struct cpu_info *ci __unused)
{
	struct collect *collect = arg;
	uint64_t *stats = p;
	unsigned i;

	for (i = 0; i < collect->ncounters; i++) {
		collect->sum[i] += stats[i];
		if (collect->zero)
			stats[i] = 0;
	}
}

void
if_stats_collect(struct interface *ifp, uint64_t *sum, bool zero)
{
	struct collect collect = { .sum = sum, .ncounters = IFS_NSTATS, .zero = zero };

	memset(sum, 0, IF_STATS_SIZE);
	percpu_foreach_xcall(ifp->if_stats, XC_HIGHPRI_IPL(IPL_SOFTNET), stats_add_cpu, &collect);
}

int
netstat_copy(percpu_t *stat, unsigned ncounters, uint64_t *to, size_t *room)
{
	const size_t size = sizeof(uint64_t) * ncounters;
	struct collect collect = { .ncounters = ncounters };
	int error = 0;

	if (to == NULL) {
		*room = size;
		return 0;
	}
	collect.sum = kmem_zalloc(size, KM_SLEEP);
	percpu_foreach_xcall(stat, XC_HIGHPRI_IPL(IPL_SOFTNET), stats_add_cpu, &collect);
	if (*room < size)
		error = ENOMEM;
	else
		memcpy(to, collect.sum, size);
	*room = MIN(*room, size);
	kmem_free(collect.sum, size);
	return error;
}
