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

static void ratio(struct target *targets, const char *text, const struct series *series, const struct series *base, double limit)
{
	next(targets, text, limit)->seen = ratio_of(series, base);
}

// In units of so many nanoseconds.
static void time_of(struct target *targets, const char *text, const struct series *series, double unit, double limit)
{
	struct target *target = next(targets, text, limit);
	target->seen = spread_of(series->samples, series->sample_count);
	target->seen.q1 /= unit, target->seen.median /= unit, target->seen.q3 /= unit;
}

static void threads(struct target *targets, const char *name, double oversubscribed)
{
	char text[64];
	snprintf(text, sizeof text, "%s, 2 threads / 1", name);
	ratio(targets, text, series_find(name, 2), series_find(name, 1), 1.05);
	snprintf(text, sizeof text, "%s, 8 on 2 / 1", name);
	ratio(targets, text, series_find(name, 8), series_find(name, 1), oversubscribed);
}

// A pair beside two empty calls; and more threads beside one.
static void pair(struct target *targets, const char *name, double limit)
{
	char text[64];
	const struct series *floor = floor_of(name);
	snprintf(text, sizeof text, "%s / %s", name, strcmp(floor->name, FLOOR) == 0 ? FLOOR : "own floor");
	ratio(targets, text, series_find(name, 1), floor, limit);
	threads(targets, name, strcmp(name, NESTED) == 0 ? 1.5 : 1.1);
}

// Inlined code beside two empty calls, which it does not make.
static void inlined(struct target *targets, const char *name, double limit)
{
	char text[64];
	snprintf(text, sizeof text, "%s / %s", name, FLOOR);
	ratio(targets, text, series_find(name, 1), series_find(FLOOR, 1), limit);
	threads(targets, name, strcmp(name, NESTED_INLINE) == 0 ? 1.5 : 1.1);
}

static void destroyer(struct target *targets, const char *name)
{
	char text[64];
	snprintf(text, sizeof text, "%s / %s", name, MEMBARRIER);
	ratio(targets, text, destroy_calls(name, 1), destroy_calls(MEMBARRIER, 1), 1.1);
}

static void pools(struct target *targets, const struct facts *facts)
{
	pair(targets, POOL, 2.4);
	ratio(targets, "objpool / mimalloc, 8 then 8", series_find(POOL_EIGHT, 1), series_find(MIMALLOC_EIGHT, 1), 1.05);
	threads(targets, POOL_EIGHT, 1.1);
	ratio(targets, "objpool / DPDK, 8 then 8, both inline", series_find(POOL_EIGHT_INLINE, 1), series_find(DPDK_EIGHT_INLINE, 1), 0.9);
	ratio(targets, "objpool, bulk of 8 / floor", series_find(POOL_BULK, 1), series_find(FLOOR, 1), 0.8);
	threads(targets, POOL_BULK, 1.1);
	ratio(targets, "handed over, objects/s: objpool / ArrayQueue", series_find(HANDED_ARRAY_QUEUE, 2), series_find(HANDED, 2), 3);
	targets[count - 1].at_least = true;
	ratio(targets, "both ways, objects/s: objpool / ArrayQueue", series_find(TRADED_ARRAY_QUEUE, 2), series_find(TRADED, 2), 3);
	targets[count - 1].at_least = true;
	time_of(targets, "objpool, empty: NULL, ns", series_find(POOL_EMPTY, 1), 1, 50);
	for (size_t i = 0; i < POOL_SIZES; i++) {
		char text[64];
		const struct pool_memory *m = &facts->pools[i];
		snprintf(text, sizeof text, "memory / limit, pool of %zu", m->objects);
		double share = m->bytes / m->limit;
		next(targets, text, 1)->seen = (struct spread){ share, share, share, m->bytes > 0 };
	}
}

size_t targets_read(struct target targets[TARGETS_MOST], const struct facts *facts)
{
	count = 0;
	pair(targets, PAIR, 2.1);
	pair(targets, NESTED, 3.1);
	pair(targets, LOCALCOUNT, 1.9);
	pair(targets, SECTION, 1.15);
	pair(targets, PASS, 2.2);
	pair(targets, VISIT, 2.2);
	inlined(targets, PAIR_INLINE, 1.35);
	inlined(targets, NESTED_INLINE, 1.35);
	inlined(targets, LOCALCOUNT_INLINE, 1.1);
	ratio(targets, "read section / liburcu memb, both inline", series_find(SECTION_INLINE, 1), series_find(MEMB_INLINE, 1), 1.05);
	threads(targets, SECTION_INLINE, 1.1);
	inlined(targets, POOL_INLINE, 1.5);
	pools(targets, facts);
	destroyer(targets, DRAIN);
	destroyer(targets, LOCALCOUNT_DRAIN);
	destroyer(targets, PERFORM);
	time_of(targets, "first class of a process, ms", series_find(FIRST_USE, 1), 1e6, 5);
	time_of(targets, "the second, us", series_find(LATER_USE, 1), 1e3, 20);
	return count;
}

void targets_print(const struct facts *facts)
{
	struct target targets[TARGETS_MOST];
	size_t n = targets_read(targets, facts);
	printf("\n%-44s %22s %8s\n", "target", "median [quartiles]", "limit");
	for (size_t i = 0; i < n; i++) {
		const struct target *t = &targets[i];
		char text[64] = "not measured";
		if (t->seen.count > 0)
			snprintf(text, sizeof text, "%.2f [%.2f, %.2f]", t->seen.median, t->seen.q1, t->seen.q3);
		bool meets = t->at_least ? t->seen.median >= t->limit : t->seen.median <= t->limit;
		printf("%-44s %22s %s%7.2f  %s\n", t->text, text, t->at_least ? ">" : " ", t->limit,
		       t->seen.count == 0 ? "-" : meets ? "meets" : "MISSES");
	}
	const struct series *first = series_find(FIRST_USE, 1);
	printf("%-44s %22u %8u  %s\n", "first use changed the affinity", first_use_repinned(), 0,
	       first->sample_count == 0 ? "-" : first_use_repinned() == 0 ? "meets" : "MISSES");
}
