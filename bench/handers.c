// SPDX-License-Identifier: MIT OR Apache-2.0
// Stocks that objects are taken from on one CPU and given back to on another. One more is one more line in this table.
#include "ways.h"

// name | kind | take | give
const struct hander handers[] = {
	{ HANDED, &objpool_kind, objpool_take, objpool_give },
	{ "objpool bulk, handed over", &objpool_kind, objpool_bulk_take, objpool_bulk_give },
	{ HANDED_ARRAY_QUEUE, &array_queue_kind, array_queue_take, array_queue_give },
	{ "Linux's ring, handed over", &ring_kind, ring_take, ring_give },
	{ "ck_ring MPMC, handed over", &ck_ring_kind, ck_ring_take, ck_ring_give },
	{ "ck_ring SPSC, handed over", &ck_ring_kind, ck_spsc_take, ck_spsc_give },
	{ "glibc malloc, handed over", &libc_kind, libc_take, libc_give },
	{ "jemalloc, handed over", &jemalloc_kind, jemalloc_take, jemalloc_give },
	{ "mimalloc, handed over", &mimalloc_kind, mimalloc_take, mimalloc_give },
};
const size_t hander_count = COUNT(handers);
