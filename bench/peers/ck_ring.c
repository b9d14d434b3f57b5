// SPDX-License-Identifier: MIT OR Apache-2.0
// Concurrency Kit's ring as a stock of objects, by call like its epochs: see ck_call.c. With one thread that takes and one that
// gives its form for one producer and one consumer does, too.
#include "../stock.h"

#include <stdlib.h>

void *bench_ck_ring(size_t objects);
void bench_ck_ring_free(void *ring);
void *bench_ck_ring_take(void *ring);
void bench_ck_ring_give(void *ring, void *object);
void *bench_ck_spsc_take(void *ring);
void bench_ck_spsc_give(void *ring, void *object);

struct stocked {
	void *ring;
	char *memory;
};

static void *setup(void)
{
	struct stocked *stocked = (struct stocked *)malloc(sizeof *stocked);
	if (stocked == NULL)
		die("out of memory");
	stocked->ring = bench_ck_ring(stock_objects());
	stocked->memory = (char *)malloc(stock_objects() * OBJECT_BYTES);
	if (stocked->ring == NULL || stocked->memory == NULL)
		die("out of memory");
	for (size_t i = 0; i < stock_objects(); i++)
		bench_ck_ring_give(stocked->ring, stocked->memory + i * OBJECT_BYTES);
	return stocked;
}

static void teardown(void *state)
{
	struct stocked *stocked = (struct stocked *)state;
	size_t n = 0;
	while (bench_ck_ring_take(stocked->ring) != NULL)
		n++;
	if (n != stock_objects())
		die("a ck_ring of %zu objects ended with %zu", stock_objects(), n);
	bench_ck_ring_free(stocked->ring);
	free(stocked->memory);
	free(stocked);
}

const struct kind ck_ring_kind = { .setup = setup, .teardown = teardown, .spins = true, .stock = true };

STOCK(ck_ring, struct stocked *, bench_ck_ring_take(stock->ring), bench_ck_ring_give(stock->ring, object))
STOCK(ck_spsc, struct stocked *, bench_ck_spsc_take(stock->ring), bench_ck_spsc_give(stock->ring, object))
