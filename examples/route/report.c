/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* The end of a run: how long withdrawals waited, what was done, and whether the books balance. */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "route.h"

/* ---- waits ---- */

void
waits_add(struct waits *w, uint64_t ns, uint64_t *rng)
{
	/* Reservoir sampling: each wait is in the sample with the same chance. */
	const size_t i = w->count < WAITS_KEPT ? w->count : random_below(rng, w->count + 1);

	if (i < WAITS_KEPT)
		w->sample[i] = ns;
	if (ns > w->longest)
		w->longest = ns;
	w->count++;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t
median(struct waits *w)
{
	const size_t n = w->count < WAITS_KEPT ? w->count : WAITS_KEPT;

	qsort(w->sample, n, sizeof w->sample[0], compare);
	return n == 0 ? 0 : w->sample[n / 2];
}

static void
print_waits(const char *what, struct waits *w)
{
	printf("%-20s %14.1f %14.1f\n", what, (double)median(w) / 1e3, (double)w->longest / 1e3);
}

/* ---- the table ---- */

static void
print_count(const char *what, uint64_t n)
{
	printf("%-20s %14" PRIu64 "\n", what, n);
}

static void
print_rate(const char *what, uint64_t n, double seconds)
{
	printf("%-20s %14" PRIu64 " %14.0f a second\n", what, n, (double)n / seconds);
}

static void
print_table(const struct table *t, const struct forwarder *sum, struct control *c, double seconds)
{
	printf("%-20s %14s\n", "backend", psref_backend());
	printf("%-20s %14zu %14zu IPv6\n", "prefixes", t->entries, t->v6_entries);
	print_count("forwarding threads", t->readers);
	print_rate("look-ups", sum->lookups, seconds);
	print_count("  hits", sum->hits);
	print_count("  misses", sum->misses);
	printf("%-20s %14" PRIu64 " %14" PRIu64 " copies\n", "holds",
	    sum->acquired + sum->copied, sum->copied);
	print_rate("withdrawals", c->holder_waits.count, seconds);
	printf("%-20s %14s %14s\n", "waits, microseconds", "median", "longest");
	print_waits("  for look-ups", &c->lookup_waits);
	print_waits("  for holders", &c->holder_waits);
}

/* ---- the books ---- */

static bool
equal(const char *what, uint64_t seen, uint64_t expected)
{
	if (seen != expected)
		fprintf(stderr, "route: check failed: %s: %" PRIu64 ", expected %" PRIu64 "\n",
		    what, seen, expected);
	return seen == expected;
}

static bool
some(const char *what, uint64_t seen)
{
	if (seen == 0)
		fprintf(stderr, "route: check failed: %s: none\n", what);
	return seen != 0;
}

static bool
books_balance(const struct forwarder *sum, const struct control *c)
{
	uint64_t packets = 0;
	bool good = true;

	for (unsigned hop = 0; hop < NEXT_HOPS; hop++)
		packets += sum->packets[hop];

	good &= equal("holds released", sum->released, sum->acquired + sum->copied);
	good &= equal("hits and misses", sum->hits + sum->misses, sum->lookups);
	good &= equal("packets over all next hops", packets, sum->hits);
	good &= equal("routes destroyed", c->withdrawn, c->announced);
	good &= some("hits", sum->hits);
	good &= some("withdrawals under load", c->holder_waits.count);
	return good;
}

bool
report(const struct table *t, const struct forwarder *f, struct control *c, double seconds)
{
	struct forwarder sum = { .hits = 0 };

	for (unsigned i = 0; i < t->readers; i++) {
		sum.lookups += f[i].lookups;
		sum.hits += f[i].hits;
		sum.misses += f[i].misses;
		sum.acquired += f[i].acquired;
		sum.copied += f[i].copied;
		sum.released += f[i].released;
		for (unsigned hop = 0; hop < NEXT_HOPS; hop++)
			sum.packets[hop] += f[i].packets[hop];
	}
	print_table(t, &sum, c, seconds);

	const bool good = books_balance(&sum, c);

	if (good)
		puts("all checks passed");
	return good;
}
