// SPDX-License-Identifier: MIT OR Apache-2.0
// The targets. They are for information; the exit status does not depend on them.
#include "bench.h"

#include <string.h>

static size_t count;

static struct target *next(struct target *targets, const char *name, double limit)
{
	if (count == TARGETS_MOST)
		die("more than %d targets", TARGETS_MOST);
	struct target *target = &targets[count++];
	memset(target, 0, sizeof *target);
	snprintf(target->text, sizeof target->text, "%s", name);
	target->limit = limit;
	return target;
}

// A pair beside two empty calls; and two threads beside one.
static void pair(struct target *targets, const char *name, double limit, bool two)
{
	char text[64];
	const struct series *floor = floor_of(name);
	snprintf(text, sizeof text, "%s / %s", name, strcmp(floor->name, FLOOR) == 0 ? FLOOR : "own floor");
	struct target *target = next(targets, text, limit);
	target->series = series_find(name, 1);
	target->base = floor;
	target->seen = ratio_of(target->series, target->base);
	if (!two)
		return;
	snprintf(text, sizeof text, "%s, 2 threads / 1", name);
	target = next(targets, text, 1.05);
	target->series = series_find(name, 2);
	target->base = series_find(name, 1);
	target->seen = ratio_of(target->series, target->base);
}

static void destroyer(struct target *targets, const char *name)
{
	char text[64];
	snprintf(text, sizeof text, "%s / %s", name, MEMBARRIER);
	struct target *target = next(targets, text, 1.15);
	target->series = destroy_calls(name, 1);
	target->base = destroy_calls(MEMBARRIER, 1);
	target->seen = ratio_of(target->series, target->base);
}

size_t targets_read(struct target targets[TARGETS_MOST])
{
	count = 0;
	pair(targets, PAIR, 2.2, true);
	pair(targets, NESTED, 3.2, false);
	pair(targets, LOCALCOUNT, 2.0, true);
	pair(targets, SECTION, 1.2, true);
	pair(targets, PASS, 2.2, true);
	pair(targets, VISIT, 2.2, true);
	destroyer(targets, DRAIN);
	destroyer(targets, LOCALCOUNT_DRAIN);
	destroyer(targets, PERFORM);
	struct target *first = next(targets, "first use, ms", 5);
	first->series = series_find(FIRST_USE, 1);
	first->seen = spread_of(first->series->samples, first->series->sample_count);
	first->seen.q1 /= 1e6, first->seen.median /= 1e6, first->seen.q3 /= 1e6;
	return count;
}

void targets_print(void)
{
	struct target targets[TARGETS_MOST];
	size_t n = targets_read(targets);
	printf("\n%-44s %22s %8s\n", "target", "median [quartiles]", "limit");
	for (size_t i = 0; i < n; i++) {
		const struct target *t = &targets[i];
		char text[64] = "not measured";
		if (t->seen.count > 0)
			snprintf(text, sizeof text, "%.2f [%.2f, %.2f]", t->seen.median, t->seen.q1, t->seen.q3);
		printf("%-44s %22s %8.2f  %s\n", t->text, text, t->limit,
		       t->seen.count == 0 ? "-" : t->seen.median <= t->limit ? "meets" : "MISSES");
	}
	const struct series *first = series_find(FIRST_USE, 1);
	printf("%-44s %22u %8u  %s\n", "first use changed the affinity", first_use_repinned(), 0,
	       first->sample_count == 0 ? "-" : first_use_repinned() == 0 ? "meets" : "MISSES");
}
