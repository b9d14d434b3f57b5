// SPDX-License-Identifier: MIT OR Apache-2.0
// Pools of Rust programs as stocks of objects, by call: src/pools.rs, and the pool of src/slab.rs, whose objects go by a key.
#include "../stock.h"

void *bench_slab_pool(void);
void bench_slab_pool_free(void *pool);
void *bench_slab_pool_take(void *pool); // a key plus one
void bench_slab_pool_give(void *pool, void *key);

struct reusable {
	void *room[3];
};
void *bench_linear_pool(size_t objects);
void bench_linear_pool_free(void *pool);
void *bench_linear_pool_pull(void *pool, struct reusable *lent);
void bench_linear_pool_drop(struct reusable *lent);

const struct kind slab_pool_kind = { .setup = bench_slab_pool, .teardown = bench_slab_pool_free, .stock = true };

STOCK(slab_pool, void *, bench_slab_pool_take(stock), bench_slab_pool_give(stock, object))

static void *setup(void)
{
	return bench_linear_pool(stock_objects());
}

const struct kind linear_pool_kind = { .setup = setup, .teardown = bench_linear_pool_free, .stock = true };

// Not by STOCK: an object goes back by what lent it, not by its address.
void linear_pool_pairs(void *state, unsigned long turns)
{
	while (turns-- > 0) {
		struct reusable lent;
		void *object = bench_linear_pool_pull(state, &lent);
		USED(object);
		bench_linear_pool_drop(&lent);
	}
}

void linear_pool_eight(void *state, unsigned long turns)
{
	struct reusable lent[EIGHT];
	while (turns-- > 0) {
		_Pragma("GCC unroll 8")
		for (size_t i = 0; i < EIGHT; i++) {
			void *object = bench_linear_pool_pull(state, &lent[i]);
			USED(object);
		}
		_Pragma("GCC unroll 8")
		for (size_t i = EIGHT; i-- > 0;)
			bench_linear_pool_drop(&lent[i]);
	}
}
