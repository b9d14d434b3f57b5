// SPDX-License-Identifier: MIT OR Apache-2.0
// What is printed: ratios first, then nanoseconds, then the targets. A target is for information; the exit status does not
// depend on it.
#include "bench.h"

#include <string.h>

static void print_ratio(const struct series *series, const struct series *base)
{
	struct spread r = ratio_of(series, base);
	char text[64] = "-";
	if (r.count > 0)
		snprintf(text, sizeof text, "%.2f [%.2f, %.2f]", r.median, r.q1, r.q3);
	printf(" %22s", text);
}

static void print_value(const struct series *series, double unit)
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

static void print_pairs(void)
{
	static const unsigned threads[] = { 1, 2, THREADS };
	const struct series *floor = series_find(FLOOR, 1);
	for (int ratios = 1; ratios >= 0; ratios--) {
		printf("\n%-34s %22s %22s %14u on %u CPU%s\n",
		       ratios ? "hold and let go, x floor (1 thread)" : "the same, ns a pair", "1 thread", "2 threads", THREADS,
		       cpu_count(), cpu_count() == 1 ? "" : "s");
		for (size_t i = 0; i < contestant_count; i++) {
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

static void print_destroy(void)
{
	static const char *const names[] = { MEMBARRIER, DRAIN };
	printf("\n%-34s %22s %22s %22s %22s\n", "destroy", "x membarrier, alone", "x, 1 thread running", "us, alone",
	       "us, 1 thread running");
	for (size_t i = 0; i < COUNT(names); i++) {
		printf("%-34s", names[i]);
		for (unsigned threads = 1; threads <= 2; threads++)
			print_ratio(series_find(names[i], threads), series_find(MEMBARRIER, threads));
		for (unsigned threads = 1; threads <= 2; threads++)
			print_value(series_find(names[i], threads), 1e3);
		printf("\n");
	}
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

size_t targets_read(struct target *targets, size_t room)
{
	const struct series *floor = series_find(FLOOR, 1), *pair = series_find(PAIR, 1);
	const struct target all[] = {
		{ .text = "psref pair / floor", .series = pair, .base = floor, .limit = 2.2 },
		{ .text = "psref pair, 4 nested / floor", .series = series_find(NESTED, 1), .base = floor, .limit = 3.2 },
		{ .text = "psref pair, 2 threads / 1 thread", .series = series_find(PAIR, 2), .base = pair, .limit = 1.05 },
		{ .text = "unreferenced drain / membarrier", .series = series_find(DRAIN, 2),
		  .base = series_find(MEMBARRIER, 2), .limit = 1.15 },
		{ .text = "first use, ms", .series = series_find(FIRST_USE, 1), .limit = 5 },
	};
	size_t count = COUNT(all) < room ? COUNT(all) : room;
	memcpy(targets, all, count * sizeof *targets);
	for (size_t i = 0; i < count; i++) {
		struct target *t = &targets[i];
		if (t->base != NULL || t->series == NULL) {
			t->seen = ratio_of(t->series, t->base);
		} else {
			t->seen = spread_of(t->series->samples, t->series->sample_count);
			t->seen.q1 /= 1e6, t->seen.median /= 1e6, t->seen.q3 /= 1e6;
		}
	}
	return count;
}

static void print_targets(void)
{
	struct target targets[16];
	size_t count = targets_read(targets, COUNT(targets));
	printf("\n%-34s %22s %8s\n", "target", "median [quartiles]", "limit");
	for (size_t i = 0; i < count; i++) {
		const struct target *t = &targets[i];
		char text[64] = "not measured";
		if (t->seen.count > 0)
			snprintf(text, sizeof text, "%.2f [%.2f, %.2f]", t->seen.median, t->seen.q1, t->seen.q3);
		printf("%-34s %22s %8.2f  %s\n", t->text, text, t->limit,
		       t->seen.count == 0 ? "-" : t->seen.median <= t->limit ? "meets" : "MISSES");
	}
	const struct series *first = series_find(FIRST_USE, 1);
	printf("%-34s %22u %8u  %s\n", "first use changed the affinity", first_use_repinned(), 0,
	       first->sample_count == 0 ? "-" : first_use_repinned() == 0 ? "meets" : "MISSES");
}

void report_print(const struct facts *facts, double seconds)
{
	print_facts(facts, seconds);
	print_pairs();
	print_destroy();
	print_times();
	print_targets();
}
