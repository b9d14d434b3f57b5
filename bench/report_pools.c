// SPDX-License-Identifier: MIT OR Apache-2.0
// What is printed of stocks of objects: what is handed from CPU to CPU, and the memory of a pool.
#include "bench.h"

static void print_ways(const char *what, bool both_ways)
{
	const struct series *queue = series_find(both_ways ? TRADED_ARRAY_QUEUE : HANDED_ARRAY_QUEUE, 2);
	printf("\n%-34s %22s %22s %22s\n", what, "objects/s, x ArrayQueue", "ns an object", "millions a second");
	for (size_t i = 0; i < hander_count; i++) {
		const char *name = both_ways ? handers[i].both_ways : handers[i].name;
		const struct series *series = name != NULL ? series_find(name, 2) : NULL;
		if (series == NULL)
			continue;
		printf("%-34s", name);
		print_ratio(queue, series);
		print_value(series, 1);
		printf(" %22.1f\n", 1e3 / spread_of(series->samples, series->sample_count).median);
	}
}

static void print_handed(void)
{
	if (series_find(HANDED, 2) == NULL)
		return;
	print_ways("taken on one CPU, given on another", false);
	print_ways("the same both ways at once", true);
}

static void print_memory(const struct facts *facts)
{
	printf("\n%-34s %16s %16s %16s %16s\n", "memory of a pool, bytes", "beyond objects", "an object", "limit",
	       "Linux's, computed");
	for (size_t i = 0; i < POOL_SIZES; i++) {
		const struct pool_memory *m = &facts->pools[i];
		printf("%7zu objects, %4zu possible CPU%-3s %16.0f %16.2f %16.0f %17.0f\n", m->objects, m->cpus,
		       m->cpus == 1 ? "" : "s", m->bytes, m->bytes / (double)m->objects, m->limit, m->linux_bytes);
	}
}

void report_pools(const struct facts *facts)
{
	print_handed();
	print_memory(facts);
}
