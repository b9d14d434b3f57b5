/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* Statistics of interfaces and protocols, a counter for each on every CPU. */
#ifndef IFSTATS_H
#define IFSTATS_H

#include <sys/types.h>
#include <sys/percpu.h>

enum { IFS_IPACKETS, IFS_OPACKETS, IFS_IBYTES, IFS_OBYTES, IFS_NSTATS };

struct interface {
	percpu_t *if_stats;
};

void if_stats_init(struct interface *);
void if_stats_fini(struct interface *);
void if_stat_add(struct interface *, unsigned, uint64_t);
uint64_t *if_stat_getref(struct interface *);
void if_stat_putref(struct interface *);
void if_stat_add2(struct interface *, unsigned, uint64_t, unsigned, uint64_t);
void if_stats_collect(struct interface *, uint64_t *, bool);

/* As sysctl(9) wants them: copied to the caller's, ENOMEM where that has no room; NULL asks how much it would need. */
int netstat_copy(percpu_t *, unsigned, uint64_t *, size_t *);

#endif
