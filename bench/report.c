// SPDX-License-Identifier: MIT OR Apache-2.0
// What is printed: ratios first, then nanoseconds, then pools, then what destroying costs, then the targets.
#include "bench.h"

#include <string.h>

void print_ratio(const struct series *series, const struct series *base)
{
	struct spread r = ratio_of(series, base);
	char text[64] = "-";
	if (r.count > 0)
		snprintf(text, sizeof text, "%.2f [%.2f, %.2f]", r.median, r.q1, r.q3);
	printf(" %22s", text);
}

void print_value(const struct series *series, double unit)
{
	char text[64] = "-";
	if (series != NULL && series->sample_count > 0) {
		struct spread s = spread_of(series->samples, series->sample_count);
		snprintf(text, sizeof text, "%.2f [%.2f, %.2f]", s.median / unit, s.q1 / unit, s.q3 / unit);
	}
	printf(" %22s", text);
}

static void print_facts(const struct facts *facts, double seconds)
{
	printf("psref %s, back end %s; %s, Linux %s, glibc %s\n", facts->version, facts->backend, facts->cpu, facts->kernel,
	       facts->libc);
	printf("CPUs %s (hardware threads of the first core: %s), threads %s, governor %s, load %.1f before, %.1f after\n",
	       facts->cpus, facts->siblings, cpu_pinned() ? "pinned" : "NOT pinned", facts->governor, facts->load[0],
	       facts->load[1]);
	printf("%zu rounds in %.0f s, shuffled; medians [quartiles]; a ratio is taken within its round\n",
	       series_at(0)->round_count, seconds);
}

static void print_pairs(bool stocks)
{
	static const unsigned threads[] = { 1, 2, THREADS };
	const struct series *floor = series_find(FLOOR, 1);
	for (int ratios = 1; ratios >= 0; ratios--) {
		printf("\n%-34s %22s %22s %14u on %u CPU%s\n",
		       !ratios ? "the same, ns a pair" :
		       stocks  ? "take and give back, x floor" :
		                 "hold and let go, x floor (1 thread)",
		       "1 thread", "2 threads", THREADS, cpu_count(), cpu_count() == 1 ? "" : "s");
		for (size_t i = 0; i < contestant_count; i++) {
			if (contestants[i].op == NULL || contestants[i].kind->stock != stocks)
				continue;
			printf("%-34s", contestants[i].name);
			for (size_t j = 0; j < COUNT(threads); j++) {
				const struct series *series = series_find(contestants[i].name, threads[j]);
				if (ratios)
					print_ratio(series, floor);
				else
					print_value(series, 1);
			}
			printf("\n");
		}
	}
}

static void print_left_out(void)
{
	for (size_t i = 0; i < contestant_count; i++)
		if (contestants[i].op == NULL)
			printf("left out: %s (needs %s)\n", contestants[i].name, contestants[i].needs);
}

static void print_times(void)
{
	static const struct {
		const char *name, *base, *unit;
		unsigned threads;
		double ns;
	} lines[] = {
		{ FUTEX, FUTEX, "us", 2, 1e3 },
		{ WAKE, FUTEX, "us", 2, 1e3 },
		{ FIRST_USE, NULL, "ms", 1, 1e6 },
		{ LATER_USE, NULL, "us", 1, 1e3 },
	};
	printf("\n%-34s %22s %22s %10s %10s\n", "how long", "x futex", "", "99 %", "longest");
	for (size_t i = 0; i < COUNT(lines); i++) {
		const struct series *series = series_find(lines[i].name, lines[i].threads);
		printf("%-34s", lines[i].name);
		print_ratio(series, lines[i].base == NULL ? NULL : series_find(lines[i].base, lines[i].threads));
		print_value(series, lines[i].ns);
		if (series != NULL)
			printf(" %10.2f %10.2f", quantile(series->samples, series->sample_count, 0.99) / lines[i].ns,
			       quantile(series->samples, series->sample_count, 1) / lines[i].ns);
		printf(" %s\n", lines[i].unit);
	}
}

void report_print(const struct facts *facts, double seconds)
{
	print_facts(facts, seconds);
	print_pairs(false);
	print_pairs(true);
	report_pools(facts);
	print_left_out();
	report_destroy();
	batches_report();
	print_times();
	report_footprint(facts);
	printf("\na localcount used on %u CPU%s takes %.1f bytes besides itself, %.1f a CPU\n", cpu_count(),
	       cpu_count() == 1 ? "" : "s", facts->localcount_bytes, facts->localcount_bytes / cpu_count());
	targets_print(facts);
}
