// SPDX-License-Identifier: MIT OR Apache-2.0
// Built into a shared library of its own: see ck_stack.c.
#include <ck_stack.h>
#include <stdlib.h>

void *bench_ck_stack(void);
void *bench_ck_stack_take(void *stack);
void bench_ck_stack_give(void *stack, void *object);

void *bench_ck_stack(void)
{
	ck_stack_t *stack = aligned_alloc(128, 128);
	_Static_assert(sizeof *stack <= 128, "a line of its own");
	if (stack != NULL)
		ck_stack_init(stack);
	return stack;
}

void *bench_ck_stack_take(void *stack)
{
	return ck_stack_pop_mpmc(stack);
}

void bench_ck_stack_give(void *stack, void *object)
{
	ck_stack_push_mpmc(stack, object);
}
