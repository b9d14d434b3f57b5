// SPDX-License-Identifier: MIT OR Apache-2.0
// Concurrency Kit's lock-free stack as a stock of objects, by call like its epochs: see ck_stack_call.c. Who is late reads the link in an
// object that was taken meanwhile, so the link is the object's first word and the objects' memory stays: what a pool of type-stable
// objects may do, and an allocator may not.
#include "../stock.h"

#include <stdlib.h>

void *bench_ck_stack(void);
void *bench_ck_stack_take(void *stack);
void bench_ck_stack_give(void *stack, void *object);

struct stocked {
	void *stack;
	char *memory;
};

static void *setup(void)
{
	struct stocked *stocked = (struct stocked *)malloc(sizeof *stocked);
	if (stocked == NULL)
		die("out of memory");
	stocked->stack = bench_ck_stack();
	stocked->memory = (char *)malloc(stock_objects() * OBJECT_BYTES);
	if (stocked->stack == NULL || stocked->memory == NULL)
		die("out of memory");
	for (size_t i = 0; i < stock_objects(); i++)
		bench_ck_stack_give(stocked->stack, stocked->memory + i * OBJECT_BYTES);
	return stocked;
}

static void teardown(void *state)
{
	struct stocked *stocked = (struct stocked *)state;
	size_t n = 0;
	while (bench_ck_stack_take(stocked->stack) != NULL)
		n++;
	if (n != stock_objects())
		die("a ck_stack of %zu objects ended with %zu", stock_objects(), n);
	free(stocked->stack);
	free(stocked->memory);
	free(stocked);
}

const struct kind ck_stack_kind = { .setup = setup, .teardown = teardown, .stock = true };

STOCK(ck_stack, struct stocked *, bench_ck_stack_take(stock->stack), bench_ck_stack_give(stock->stack, object))
