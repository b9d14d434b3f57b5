/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The life of a route: found, held, used, let go, by many threads at once.
 *
 * A forwarder makes up a destination, looks its route up, and takes a passive reference before it
 * leaves the look-up. From then on the route stays, however long the packet takes: through a
 * queue, into a second stage that holds the route by itself. What a forwarder writes is its own.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "route.h"

/* One packet in so many ... */
enum {
	STRAY_ODDS = 8,			/* goes anywhere, not to a prefix of the table */
	MIRROR_ODDS = 64,		/* takes a second stage */
	QUEUE_ODDS = 4096,		/* waits in a queue */
};

enum { QUEUE_NS_MAX = 100 * 1000 };

static bool
one_in(struct forwarder *f, unsigned odds)
{
	return random_below(&f->rng, odds) == 0;
}

/* Sets all bits after the first `len` at random. */
static void
scatter(struct forwarder *f, struct address *a, unsigned len)
{
	uint64_t noise = 0;

	for (unsigned i = 0; i < address_bits(a->v6); i += 8) {
		const unsigned fixed = len <= i ? 0 : len >= i + 8 ? 8 : len - i;

		if (i % 64 == 0)
			noise = random_u64(&f->rng);
		a->byte[i / 8] |= (unsigned char)((noise & 0xff) >> fixed);
		noise >>= 8;
	}
}

static struct address
pick_destination(struct forwarder *f)
{
	struct address a = { .v6 = false };
	unsigned len = 0;

	if (one_in(f, STRAY_ODDS)) {
		a.v6 = random_u64(&f->rng) & 1;
	} else {
		const struct table *t = f->table;
		const struct prefix *p = &t->entry[random_below(&f->rng, t->entries)]->prefix;

		a = p->net;
		len = p->len;
	}
	scatter(f, &a, len);
	return a;
}

/* A held route is alive, and still the one we took: freed memory is soon another route's. */
static void
check_alive(const struct route *r, uint64_t serial)
{
	const uint64_t magic = atomic_load_explicit(&r->magic, memory_order_relaxed);
	const uint64_t seen = *(const volatile uint64_t *)&r->serial;

	if (magic == ROUTE_MAGIC && seen == serial)
		return;
	fprintf(stderr, "route: route %p was freed while held: magic %#" PRIx64
	    " (expected %#" PRIx64 "), serial %#" PRIx64 " (expected %#" PRIx64 ")\n",
	    (const void *)r, magic, ROUTE_MAGIC, seen, serial);
	abort();
}

static void
queue(struct forwarder *f)
{
	const struct timespec ts = { .tv_nsec = (long)random_below(&f->rng, QUEUE_NS_MAX) };

	if (random_u64(&f->rng) & 1)
		sched_yield();
	else
		nanosleep(&ts, NULL);
}

static void
transmit(struct forwarder *f, const struct route *r, uint64_t serial)
{
	check_alive(r, serial);
	if (one_in(f, QUEUE_ODDS)) {
		queue(f);
		check_alive(r, serial);
	}
}

/* The second stage has a hold of its own: the packet's first hold ends before the stage begins. */
static void
mirror(struct forwarder *f, const struct route *r, uint64_t serial, struct psref *first)
{
	struct psref second;

	psref_copy(&second, first, route_class);
	f->copied++;
	psref_release(first, &r->target, route_class);
	f->released++;

	if (!psref_held(&r->target, route_class)) {
		fprintf(stderr, "route: psref_held denies a hold that psref_copy made\n");
		abort();
	}
	transmit(f, r, serial);
	psref_release(&second, &r->target, route_class);
	f->released++;
}

static void
forward_packet(struct forwarder *f)
{
	const struct address destination = pick_destination(f);
	const struct route *r;
	struct psref psref;

	lookup_enter(f->reader);
	r = table_lookup(f->table, &destination);
	/*
	 * ENOENT: the route is being destroyed; as good as withdrawn. It cannot happen while
	 * withdraw() waits for look-ups before it drains, but the order could be the other one.
	 */
	if (r != NULL && psref_acquire(&psref, &r->target, route_class) != 0)
		r = NULL;
	lookup_exit(f->reader);

	if (r == NULL) {
		f->misses++;
		return;
	}
	f->hits++;
	f->acquired++;

	const uint64_t serial = r->serial;

	transmit(f, r, serial);
	f->packets[r->next_hop]++;
	if (one_in(f, MIRROR_ODDS)) {
		mirror(f, r, serial, &psref);
	} else {
		psref_release(&psref, &r->target, route_class);
		f->released++;
	}
}

void *
forward_main(void *arg)
{
	struct forwarder *f = arg;

	for (uint64_t n = 1; !atomic_load_explicit(&stopping, memory_order_relaxed); n++) {
		forward_packet(f);
		atomic_store_explicit(&f->lookups, n, memory_order_relaxed);
	}
	return NULL;
}
