// SPDX-License-Identifier: MIT OR Apache-2.0
// crossbeam's ArrayQueue as a stock of objects, by call: src/stock.rs.
#include "../stock.h"

#include <stdlib.h>

struct array_queue;
struct array_queue *bench_array_queue(size_t objects);
void bench_array_queue_free(struct array_queue *queue);
void *bench_array_queue_take(const struct array_queue *queue);
void bench_array_queue_give(const struct array_queue *queue, void *object);

struct stocked {
	struct array_queue *queue;
	char *memory;
};

static void *setup(void)
{
	struct stocked *stocked = (struct stocked *)malloc(sizeof *stocked);
	if (stocked == NULL || (stocked->memory = (char *)malloc(stock_objects() * OBJECT_BYTES)) == NULL)
		die("out of memory");
	stocked->queue = bench_array_queue(stock_objects());
	for (size_t i = 0; i < stock_objects(); i++)
		bench_array_queue_give(stocked->queue, stocked->memory + i * OBJECT_BYTES);
	return stocked;
}

static void teardown(void *state)
{
	struct stocked *stocked = (struct stocked *)state;
	size_t n = 0;
	while (bench_array_queue_take(stocked->queue) != NULL)
		n++;
	if (n != stock_objects())
		die("an ArrayQueue of %zu objects ended with %zu", stock_objects(), n);
	bench_array_queue_free(stocked->queue);
	free(stocked->memory);
	free(stocked);
}

const struct kind array_queue_kind = { .setup = setup, .teardown = teardown, .stock = true };

STOCK(array_queue, struct stocked *, bench_array_queue_take(stock->queue), bench_array_queue_give(stock->queue, object))
