/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * What the parts of the example share: a route, the table of routes, the threads' books.
 *
 * Invariants:
 *   E1. A route that an entry points to is live: its target accepts holds, its memory is whole.
 *   E2. Only the control thread changes an entry, so only it destroys routes.
 *   E3. A forwarder touches a route inside lookup_enter/lookup_exit or with a hold on it,
 *       and never otherwise.
 */
#ifndef ROUTE_H
#define ROUTE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <psref/psref.h>

enum { CACHE_LINE = 64, NEXT_HOPS = 8 };

/* ---- prefix.c, load.c: addresses, prefixes, and files of them ---- */

struct address {
	bool v6;
	unsigned char byte[16];		/* network order; IPv4 uses the first four */
};

struct prefix {
	struct address net;		/* all bits after the first `len` are zero */
	unsigned len;
};

static inline unsigned
address_bits(bool v6)
{
	return v6 ? 128 : 32;
}

/* Returns NULL, or what is wrong with the text. */
const char *prefix_parse(const char *text, struct prefix *);

struct table;

/* Adds the prefixes of a file to the table. A bad file ends the program with status 2. */
void load_prefixes(struct table *, const char *path);

/* ---- table.c: the routing table ---- */

struct route {
	struct psref_target target;	/* who holds this route: the library's part */
	struct prefix prefix;
	unsigned next_hop;
	uint64_t serial;		/* no two routes have the same, ever */
	_Atomic uint64_t magic;		/* ROUTE_MAGIC while the route lives */
};

#define ROUTE_MAGIC UINT64_C(0x526f757465206f6b)

/* A prefix of the table, for ever; and its route, while one is announced. */
struct entry {
	struct prefix prefix;
	_Atomic(struct route *) route;
};

/* One forwarder's look-up lock, on a cache line that no other thread writes. */
struct reader {
	_Alignas(CACHE_LINE) pthread_mutex_t lock;
};

struct table {
	struct node *root[2];		/* binary tries for IPv4 and IPv6; immutable once loaded */
	struct entry **entry;
	size_t entries, v6_entries;
	struct reader *reader;		/* one per forwarder */
	unsigned readers;
};

void table_init(struct table *, unsigned readers);
void table_add(struct table *, const struct prefix *);
void table_fini(struct table *);

/*
 * The route of the longest announced prefix that holds the address, or NULL.
 * The caller is inside lookup_enter/lookup_exit: the answer is good until lookup_exit, no longer.
 */
const struct route *table_lookup(const struct table *, const struct address *);

/*
 * The protection of look-ups. It keeps a route from being freed between the moment it is found
 * and the moment psref_acquire has returned; what comes later, the passive reference protects.
 *
 * Here it is one lock per forwarder. Whoever has unpublished a route takes each of them once:
 * then every look-up that could have seen the route is over. This is a poor man's grace period,
 * and pserialize(9) is the real one. With it, lookup_enter is `s = pserialize_read_enter()`,
 * lookup_exit is `pserialize_read_exit(s)`, lookup_wait is `pserialize_perform(psz)`, and
 * nothing else in the program changes.
 */
static inline void
lookup_enter(struct reader *r)
{
	pthread_mutex_lock(&r->lock);
}

static inline void
lookup_exit(struct reader *r)
{
	pthread_mutex_unlock(&r->lock);
}

static inline void
lookup_wait(struct table *t)
{
	for (unsigned i = 0; i < t->readers; i++) {
		pthread_mutex_lock(&t->reader[i].lock);
		pthread_mutex_unlock(&t->reader[i].lock);
	}
}

/* ---- forward.c: the life of a route ---- */

struct forwarder {
	/* The line that the main thread reads while we run. */
	_Alignas(CACHE_LINE) _Atomic uint64_t lookups;

	_Alignas(CACHE_LINE) pthread_t thread;
	const struct table *table;
	struct reader *reader;
	uint64_t rng;
	uint64_t hits, misses;
	uint64_t acquired, copied, released;
	uint64_t packets[NEXT_HOPS];	/* forwarded, by next hop */
};

void *forward_main(void *forwarder);

/* ---- control.c: birth and death of routes ---- */

/* How long a withdrawal waited, in nanoseconds. */
struct withdrawal {
	uint64_t for_lookups, for_holders;
};

enum { WAITS_KEPT = 1 << 16 };

/* Many such waits: the longest, and a fair sample for the median. */
struct waits {
	uint64_t count, longest;
	uint64_t sample[WAITS_KEPT];
};

struct control {
	pthread_t thread;
	struct table *table;
	unsigned rate;			/* withdrawals a second; 0: no pause between them */
	uint64_t rng;
	uint64_t serial;
	uint64_t announced, withdrawn;	/* routes made, routes destroyed */
	struct waits lookup_waits, holder_waits;	/* of withdrawals under load */
};

void announce(struct control *, struct entry *);
struct withdrawal withdraw(struct control *, struct entry *);
void *control_main(void *control);

/* ---- report.c: the sums ---- */

void waits_add(struct waits *, uint64_t ns, uint64_t *rng);

/* Prints the table; false if the books do not balance. */
bool report(const struct table *, const struct forwarder *, struct control *, double seconds);

/* ---- ../route.c ---- */

extern struct psref_class *route_class;
extern atomic_bool stopping;

_Noreturn void die(int status, const char *fmt, ...)
#ifdef __GNUC__
    __attribute__((__format__(__printf__, 2, 3)))
#endif
    ;

/* Memory that is zero, aligned to a cache line, and there. */
void *must_alloc(size_t size);

static inline uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* splitmix64: any state is a good one, so a thread's number will do as its seed. */
static inline uint64_t
random_u64(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline size_t
random_below(uint64_t *state, size_t n)
{
	return (size_t)(random_u64(state) % n);
}

#endif
