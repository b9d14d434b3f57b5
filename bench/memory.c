// SPDX-License-Identifier: MIT OR Apache-2.0
// How much memory an object takes besides what its user embeds: the process before and after many were made.
#include "bench.h"

#include <psref/localcount.h>
#include <psref/kmutex.h>
#include <stdlib.h>
#include <string.h>

enum { OBJECTS = 262144 };

// Counted page by page by the kernel; the figures that it keeps as it goes are rough.
static double resident(void)
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
