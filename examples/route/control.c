/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Birth and death of routes. One thread does both, as a routing daemon would:
 *
 *   announce	create: allocate, fill, psref_target_init; then publish by a release store
 *   withdraw	unpublish; wait for look-ups; psref_target_destroy waits for holders; free
 *
 * The order of death is the whole art. Unpublish first, or somebody finds the route again. Wait
 * for look-ups next, or one that has found it has not yet acquired it. Only then wait for holders:
 * there can be no new ones.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>

#include "route.h"

/* ---- birth ---- */

void
announce(struct control *c, struct entry *e)
{
	struct route *r = must_alloc(sizeof *r);

	r->prefix = e->prefix;
	r->serial = ++c->serial;
	r->next_hop = (unsigned)(r->serial % NEXT_HOPS);
	atomic_init(&r->magic, ROUTE_MAGIC);
	psref_target_init(&r->target, route_class);

	/* Release, pairs with the acquire load in table_lookup(): all of the above comes first. */
	atomic_store_explicit(&e->route, r, memory_order_release);
	c->announced++;
}

/* ---- death ---- */

/* Through volatile, or the compiler drops stores to memory that is about to be freed. */
static void
poison(void *p, size_t size)
{
	for (volatile unsigned char *byte = p; size-- > 0; byte++)
		*byte = 0xdb;
}

struct withdrawal
withdraw(struct control *c, struct entry *e)
{
	/* Relaxed: E2, only we store here. */
	struct route *r = atomic_load_explicit(&e->route, memory_order_relaxed);
	struct withdrawal took;

	/* Relaxed: lookup_wait orders it before every look-up that begins later. */
	atomic_store_explicit(&e->route, NULL, memory_order_relaxed);

	const uint64_t unpublished = now_ns();
	lookup_wait(c->table);

	const uint64_t unseen = now_ns();
	psref_target_destroy(&r->target, route_class);

	took.for_lookups = unseen - unpublished;
	took.for_holders = now_ns() - unseen;
	poison(r, sizeof *r);
	free(r);
	c->withdrawn++;
	return took;
}

/* ---- the thread ---- */

static void
sleep_until(uint64_t ns)
{
	const struct timespec ts = {
		.tv_sec = (time_t)(ns / 1000000000u),
		.tv_nsec = (long)(ns % 1000000000u),
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* Withdraws a route and announces a new one for the same prefix a moment later, again and again. */
void *
control_main(void *arg)
{
	struct control *c = arg;
	const uint64_t period = c->rate == 0 ? 0 : 1000000000u / c->rate;
	uint64_t next = now_ns();

	while (!atomic_load_explicit(&stopping, memory_order_relaxed)) {
		struct entry *e = c->table->entry[random_below(&c->rng, c->table->entries)];

		const struct withdrawal took = withdraw(c, e);

		waits_add(&c->lookup_waits, took.for_lookups, &c->rng);
		waits_add(&c->holder_waits, took.for_holders, &c->rng);
		next += period;
		if (next > now_ns())
			sleep_until(next);
		else
			next = now_ns();	/* late: do not catch up in a burst */
		announce(c, e);
	}
	return NULL;
}
