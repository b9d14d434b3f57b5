// SPDX-License-Identifier: MIT OR Apache-2.0
// Object pools, the floor that takes the same arguments, and the C library's own allocator.
#include "stock.h"

#include <psref/objpool.h>
#include <stdlib.h>
#include <unistd.h>

void *floor_pop(struct objpool_head *head);
int floor_push(void *obj, struct objpool_head *head);

// As many for every CPU as a magazine may hold: then its size is the same on every machine.
size_t stock_objects(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	return 64 * (cpus > 8 ? (size_t)cpus : 8);
}

static void *setup(void)
{
	struct objpool_head *head = (struct objpool_head *)aligned_alloc(128, 128);
	_Static_assert(sizeof *head <= 128, "a line of its own");
	if (head == NULL || objpool_init(head, (int)stock_objects(), OBJECT_BYTES, 0, NULL, NULL, NULL) != 0)
		die("out of memory");
	return head;
}

static void remove_pool(void *state)
{
	objpool_free((struct objpool_head *)state);
	free(state);
}

// Takes all objects out; a pool that lost or gained some was not measured at what it should do.
static void empty(struct objpool_head *head)
{
	size_t n = 0;
	while (objpool_pop(head) != NULL)
		n++;
	if (n != stock_objects())
		die("a pool of %zu objects has %zu", stock_objects(), n);
}

static void teardown(void *state)
{
	empty((struct objpool_head *)state);
	remove_pool(state);
}

static void *setup_empty(void)
{
	void *state = setup();
	empty((struct objpool_head *)state);
	return state;
}

const struct kind objpool_kind = { .setup = setup, .teardown = teardown, .stock = true };
const struct kind empty_objpool_kind = { .setup = setup_empty, .teardown = remove_pool, .stock = true };

STOCK(objpool, struct objpool_head *, objpool_pop(stock), objpool_push(object, stock))
STOCK(objpool_floor, struct objpool_head *, floor_pop(stock), floor_push(object, stock))

void objpool_bulk(void *state, unsigned long turns)
{
	struct objpool_head *head = (struct objpool_head *)state;
	void *held[EIGHT];
	while (turns-- > 0) {
		objpool_pop_bulk(head, held, EIGHT);
		objpool_push_bulk(held, EIGHT, head);
	}
}

size_t objpool_bulk_take(void *state, void **objects, size_t n)
{
	return objpool_pop_bulk((struct objpool_head *)state, objects, n);
}

void objpool_bulk_give(void *state, void **objects, size_t n)
{
	objpool_push_bulk(objects, n, (struct objpool_head *)state);
}

void objpool_empty(void *state, unsigned long turns)
{
	struct objpool_head *head = (struct objpool_head *)state;
	while (turns-- > 0)
		if (objpool_pop(head) != NULL)
			die("an empty pool gave an object");
}

// ---- malloc

const struct kind libc_kind = { .stock = true };

STOCK(libc, void *, malloc(OBJECT_BYTES), free(object))
