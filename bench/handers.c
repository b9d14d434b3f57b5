// SPDX-License-Identifier: MIT OR Apache-2.0
// Stocks that objects are taken from on one CPU and given back to on another. One more is one more line in this table.
#include "ways.h"

// name | the same both ways | kind | take | give
const struct hander handers[] = {
	{ HANDED, TRADED, &objpool_kind, objpool_take, objpool_give },
	{ "objpool bulk, handed over", "objpool bulk, both ways", &objpool_kind, objpool_bulk_take, objpool_bulk_give },
	{ HANDED_ARRAY_QUEUE, TRADED_ARRAY_QUEUE, &array_queue_kind, array_queue_take, array_queue_give },
	{ "Linux's ring, handed over", "Linux's ring, both ways", &ring_kind, ring_take, ring_give },
	{ "ck_ring MPMC, handed over", "ck_ring MPMC, both ways", &ck_ring_kind, ck_ring_take, ck_ring_give },
	{ "ck_stack, handed over", "ck_stack, both ways", &ck_stack_kind, ck_stack_take, ck_stack_give },
	{ "ck_ring SPSC, handed over", NULL, &ck_ring_kind, ck_spsc_take, ck_spsc_give },
	{ "sharded-slab pool, handed over", "sharded-slab pool, both ways", &slab_pool_kind, slab_pool_take, slab_pool_give },
	{ "DPDK mempool, handed over", "DPDK mempool, both ways", &dpdk_kind, dpdk_take, dpdk_give },
	{ "glibc malloc, handed over", "glibc malloc, both ways", &libc_kind, libc_take, libc_give },
	{ "jemalloc, handed over", "jemalloc, both ways", &jemalloc_kind, jemalloc_take, jemalloc_give },
	{ "mimalloc, handed over", "mimalloc, both ways", &mimalloc_kind, mimalloc_take, mimalloc_give },
};
const size_t hander_count = COUNT(handers);
