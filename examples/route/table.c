/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The routing table: two binary tries, a level for each bit of an address. Loading builds them,
 * nothing changes them afterwards; what comes and goes is the route an entry points to. So a
 * withdrawn prefix falls back to the next shorter one, as it should.
 */
#define _POSIX_C_SOURCE 200809L

#include <stdlib.h>

#include "route.h"

struct node {
	struct node *child[2];
	struct entry *entry;		/* where a prefix ends, else NULL */
};

static bool
bit(const struct address *a, unsigned i)
{
	return (a->byte[i / 8] & (0x80u >> i % 8)) != 0;
}

void
table_init(struct table *t, unsigned readers)
{
	*t = (struct table){ .readers = readers };
	t->reader = must_alloc(readers * sizeof *t->reader);
	for (unsigned i = 0; i < readers; i++)
		pthread_mutex_init(&t->reader[i].lock, NULL);
}

void
table_add(struct table *t, const struct prefix *p)
{
	struct node **link = &t->root[p->net.v6];

	for (unsigned i = 0;; i++) {
		if (*link == NULL && (*link = calloc(1, sizeof **link)) == NULL)
			die(1, "no memory for the table");
		if (i == p->len)
			break;
		link = &(*link)->child[bit(&p->net, i)];
	}
	if ((*link)->entry != NULL)
		return;

	struct entry *e = calloc(1, sizeof *e);

	if ((t->entries & (t->entries - 1)) == 0) {	/* full: double it */
		size_t room = t->entries == 0 ? 1 : t->entries * 2;

		t->entry = realloc(t->entry, room * sizeof(*t->entry));
	}
	if (e == NULL || t->entry == NULL)
		die(1, "no memory for the table");
	e->prefix = *p;
	atomic_init(&e->route, NULL);
	(*link)->entry = e;
	t->entry[t->entries++] = e;
	t->v6_entries += p->net.v6;
}

const struct route *
table_lookup(const struct table *t, const struct address *a)
{
	const unsigned bits = address_bits(a->v6);
	const struct route *best = NULL, *r;
	const struct node *n = t->root[a->v6];

	for (unsigned i = 0; n != NULL; n = n->child[bit(a, i++)]) {
		/* Acquire, pairs with the release store in announce(): a whole route or none. */
		if (n->entry != NULL &&
		    (r = atomic_load_explicit(&n->entry->route, memory_order_acquire)) != NULL)
			best = r;
		if (i == bits)
			break;
	}
	return best;
}

static void
free_nodes(struct node *n)
{
	if (n == NULL)
		return;
	free_nodes(n->child[0]);
	free_nodes(n->child[1]);
	free(n);
}

void
table_fini(struct table *t)
{
	for (unsigned i = 0; i < t->readers; i++)
		pthread_mutex_destroy(&t->reader[i].lock);
	free(t->reader);
	for (size_t i = 0; i < t->entries; i++)
		free(t->entry[i]);
	free(t->entry);
	free_nodes(t->root[0]);
	free_nodes(t->root[1]);
}
