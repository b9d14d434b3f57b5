// SPDX-License-Identifier: MIT OR Apache-2.0
// What is printed of destroying: beside a membarrier while the caller has its CPU for itself; and how the calls are
// distributed where it shares that CPU with threads that hold and let go.
#include "bench.h"

static void print_undisturbed(void)
{
	printf("\n%-34s %22s %22s %22s %22s\n", "destroy", "x membarrier, alone", "x, 1 thread running", "us, alone",
	       "us, 1 thread running");
	for (size_t i = 0; i < destroyer_count; i++) {
		const char *name = destroyers[i].name;
		if (destroy_calls(name, 0) == NULL)
			continue;
		printf("%-34s", name);
		for (unsigned others = 0; others <= 1; others++)
			print_ratio(destroy_calls(name, others), destroy_calls(MEMBARRIER, others));
		for (unsigned others = 0; others <= 1; others++)
			print_value(destroy_calls(name, others), 1e3);
		printf("\n");
	}
}

static void print_share(double count, double all)
{
	printf(" %7.1f%%", 100 * count / all);
}

// More than one mode: the median tells the usual one, and what was waited for somebody is told by itself.
static void print_distribution(unsigned others)
{
	char title[64];
	snprintf(title, sizeof title, "us, %u busy on %u CPU%s", others, cpu_count(), cpu_count() == 1 ? "" : "s");
	printf("\n%-34s %22s %9s %9s %9s %8s %9s %8s %6s\n", title, "median", "90 %", "99 %", "longest", "slept", "of these",
	       "> 1 ms", "calls");
	for (size_t i = 0; i < destroyer_count; i++) {
		const struct series *calls = destroy_calls(destroyers[i].name, others);
		const struct series *waited = destroy_waited(destroyers[i].name, others);
		if (calls == NULL || calls->sample_count == 0)
			continue;
		size_t count = calls->sample_count, late = 0;
		for (size_t j = 0; j < count; j++)
			late += calls->samples[j] > 1e6;
		printf("%-34s", destroyers[i].name);
		print_value(calls, 1e3);
		printf(" %9.1f %9.1f %9.0f", quantile(calls->samples, count, 0.9) / 1e3, quantile(calls->samples, count, 0.99) / 1e3,
		       quantile(calls->samples, count, 1) / 1e3);
		print_share((double)waited->sample_count, (double)count);
		if (waited->sample_count > 0)
			printf(" %9.1f", quantile(waited->samples, waited->sample_count, 0.5) / 1e3);
		else
			printf(" %9s", "-");
		print_share((double)late, (double)count);
		printf(" %6zu\n", count);
	}
}

void report_destroy(void)
{
	print_undisturbed();
	for (unsigned i = 0; i < CROWDS; i++)
		if (crowds[i] > 0 && crowd_possible(crowds[i]))
			print_distribution(crowds[i]);
}
