// SPDX-License-Identifier: MIT OR Apache-2.0
// How much memory an object takes besides what its user embeds: the process before and after many were made.
#include "bench.h"

#include <psref/localcount.h>
#include <psref/kmutex.h>
#include <psref/objpool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OBJECTS = 262144 };

// Counted page by page by the kernel; the figures that it keeps as it goes are rough.
double resident(void)
{
	char line[128];
	double kilobytes = 0;
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "Rss: %lf", &kilobytes) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kilobytes * 1024;
}

double memory_of_localcount(void)
{
	struct localcount *counts = (struct localcount *)malloc(OBJECTS * sizeof *counts);
	kmutex_t interlock;
	kcondvar_t cv;
	if (counts == NULL)
		die("out of memory");
	mutex_init(&interlock, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "memory");
	memset(counts, 0, OBJECTS * sizeof *counts);
	double before = resident();
	for (size_t i = 0; i < OBJECTS; i++)
		if (localcount_init(&counts[i]) != 0)
			die("out of memory");
	// In use on every CPU: memory that was never touched would not be seen.
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		cpu_pin(cpu);
		for (size_t i = 0; i < OBJECTS; i++) {
			localcount_acquire(&counts[i]);
			localcount_release(&counts[i], &cv, &interlock);
		}
	}
	cpu_pin(0);
	double after = resident();
	for (size_t i = 0; i < OBJECTS; i++) {
		if (!localcount_trydrain(&counts[i]))
			die("a localcount that nobody holds did not drain");
		localcount_fini(&counts[i]);
	}
	cv_destroy(&cv);
	mutex_destroy(&interlock);
	free(counts);
	return before > 0 ? (after - before) / OBJECTS : 0;
}

// Many pools of few objects, and few of many: what each takes that has been used on every CPU, with magazines that were full and
// empty; less the objects, which have all been touched.
enum { MOST_POOLS = 256, MOST_OBJECTS = 1048576 };

static int touch(void *object, void *context)
{
	(void)context;
	*(volatile char *)object = 1;
	return 0;
}

static void use(struct objpool_head *head)
{
	void *objects[256];
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
		cpu_pin(cpu);
		size_t n = objpool_pop_bulk(head, objects, COUNT(objects));
		for (size_t i = 0; i < n; i++)
			if (objpool_push(objects[i], head) != 0)
				die("a pool refused its own object");
	}
	cpu_pin(0);
}

static double memory_of_pool(int objects, int size, size_t pools)
{
	struct objpool_head *heads = (struct objpool_head *)calloc(pools, sizeof *heads);
	if (heads == NULL)
		die("out of memory");
	// The first one makes the process larger by more than itself.
	struct objpool_head first = { .nr_objs = 0 };
	if (objpool_init(&first, objects, size, 0, NULL, touch, NULL) != 0)
		die("out of memory");
	use(&first);
	memset(heads, 0, pools * sizeof *heads);
	double before = resident();
	for (size_t i = 0; i < pools; i++) {
		if (objpool_init(&heads[i], objects, size, 0, NULL, touch, NULL) != 0)
			die("out of memory");
		use(&heads[i]);
	}
	double after = resident();
	for (size_t i = 0; i < pools; i++)
		objpool_free(&heads[i]);
	objpool_free(&first);
	free(heads);
	return before > 0 ? (after - before) / (double)pools - (double)objects * size : 0;
}

void memory_of_pools(struct pool_memory memory[POOL_SIZES])
{
	static const struct {
		int objects, size;
		size_t pools;
	} sizes[POOL_SIZES] = { { 64, 256, MOST_POOLS }, { MOST_OBJECTS, 64, 2 } }; // objects that fill pages whole
	for (size_t i = 0; i < POOL_SIZES; i++) {
		struct pool_memory *m = &memory[i];
		m->objects = (size_t)sizes[i].objects;
		m->cpus = (size_t)sysconf(_SC_NPROCESSORS_CONF);
		m->bytes = memory_of_pool(sizes[i].objects, sizes[i].size, sizes[i].pools);
		m->limit = 4.0 * (double)m->objects + 8192.0 * (double)m->cpus;
		m->linux_bytes = memory_of_linux_pool(m->objects, m->cpus);
	}
}
