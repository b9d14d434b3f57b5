// SPDX-License-Identifier: MIT OR Apache-2.0
// DPDK's mempool, which is inline by nature; and behind functions of a shared library, as the others are called. Its caches belong to
// threads, not CPUs.
#include "../stock.h"

#include <rte_mempool.h>

void *bench_dpdk_pool(size_t objects, size_t bytes);
void bench_dpdk_free(void *pool);
void bench_dpdk_join(void);
void bench_dpdk_leave(void);
void *bench_dpdk_take(void *pool);
void bench_dpdk_give(void *pool, void *object);

// What may lie in the caches of the threads that ran, for a thread cannot take from another's.
static void *setup(void)
{
	void *pool = bench_dpdk_pool(stock_objects() * 2, OBJECT_BYTES);
	if (pool == NULL)
		die("DPDK has no memory pool for us");
	return pool;
}

const struct kind dpdk_kind = { .setup = setup, .teardown = bench_dpdk_free, .join = bench_dpdk_join, .leave = bench_dpdk_leave, .stock = true };

STOCK(dpdk, void *, bench_dpdk_take(stock), bench_dpdk_give(stock, object))

static inline void *take(struct rte_mempool *pool)
{
	void *object;
	return rte_mempool_get(pool, &object) == 0 ? object : NULL;
}

STOCK(dpdk_inline, struct rte_mempool *, take(stock), rte_mempool_put(stock, object))

void dpdk_bulk(void *state, unsigned long turns)
{
	struct rte_mempool *pool = (struct rte_mempool *)state;
	void *held[EIGHT];
	while (turns-- > 0) {
		while (rte_mempool_get_bulk(pool, held, EIGHT) != 0)
			sched_yield();
		rte_mempool_put_bulk(pool, held, EIGHT);
	}
}
