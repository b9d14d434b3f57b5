// SPDX-License-Identifier: MIT OR Apache-2.0
// What the tables are made of. Every op is a function of its own, compiled like any C program, that calls the contestant in a
// loop. A floor's loop is the same as its contestant's but for the names it calls.
#ifndef PSREF_BENCH_WAYS_H
#define PSREF_BENCH_WAYS_H

#include "bench.h"

// psref.c
extern const struct kind psref_kind;
void floor_pairs(void *state, unsigned long turns);
void psref_pairs(void *state, unsigned long turns);
void psref_four(void *state, unsigned long turns);

// counts.c
extern const struct kind localcount_kind, gate_kind;
void localcount_pairs(void *state, unsigned long turns);
void localcount_floor(void *state, unsigned long turns);
void section_pairs(void *state, unsigned long turns);
void section_floor(void *state, unsigned long turns);
void gate_passes(void *state, unsigned long turns);
void gate_visits(void *state, unsigned long turns);
void gate_floor(void *state, unsigned long turns);

// inline.c: the same loops, with the library's code in them
void psref_inline_pairs(void *state, unsigned long turns);
void psref_inline_four(void *state, unsigned long turns);
void localcount_inline_pairs(void *state, unsigned long turns);
void section_inline_pairs(void *state, unsigned long turns);
void gate_inline_passes(void *state, unsigned long turns);
void gate_inline_visits(void *state, unsigned long turns);

// shared.c
extern const struct kind shared_kind;
void atomic_pairs(void *state, unsigned long turns);
void mutex_pairs(void *state, unsigned long turns);
void rwlock_pairs(void *state, unsigned long turns);

// pools.c. A stock is taken from and given back to; `take` and `give` are for so many objects, one after the other unless they
// say bulk. stock.h makes all four of one.
enum { OBJECT_BYTES = 256, EIGHT = 8 };
size_t stock_objects(void); // that a stock has
#define STOCK_WAYS(name, attribute)                                        \
	void name##_pairs(void *state, unsigned long turns) attribute;     \
	void name##_eight(void *state, unsigned long turns) attribute;     \
	size_t name##_take(void *state, void **objects, size_t n) attribute; \
	void name##_give(void *state, void **objects, size_t n) attribute;
extern const struct kind objpool_kind, empty_objpool_kind, libc_kind;
STOCK_WAYS(objpool, )
STOCK_WAYS(objpool_floor, )
STOCK_WAYS(objpool_inline, )
STOCK_WAYS(libc, )
void objpool_bulk(void *state, unsigned long turns);
size_t objpool_bulk_take(void *state, void **objects, size_t n);
void objpool_bulk_give(void *state, void **objects, size_t n);
void objpool_empty(void *state, unsigned long turns);

// ring.c
extern const struct kind ring_kind;
STOCK_WAYS(ring, )

// Files of peers/, which are there only where the library was: weak, so that the tables find NULL where it was not.
#define PEER __attribute__((weak))

// peers/urcu.c, peers/urcu_inline.c
extern const struct kind memb_kind PEER;
void memb_pairs(void *state, unsigned long turns) PEER;
void memb_inline_pairs(void *state, unsigned long turns) PEER;
void memb_synchronize(void) PEER;
void bp_pairs(void *state, unsigned long turns) PEER;
void bp_inline_pairs(void *state, unsigned long turns) PEER;
void bp_synchronize(void) PEER;
extern const struct kind qsbr_kind PEER;
void qsbr_pairs(void *state, unsigned long turns) PEER;
void qsbr_inline_pairs(void *state, unsigned long turns) PEER;
void qsbr_synchronize(void) PEER;

// peers/ck.c
extern const struct kind ck_kind PEER;
void ck_pairs(void *state, unsigned long turns) PEER;
void ck_synchronize(void) PEER;

// peers/ck_hp.c
extern const struct kind ck_hp_kind PEER;
void ck_hp_pairs(void *state, unsigned long turns) PEER;
void ck_hp_reclaim_one(void) PEER;

// peers/ck_ring.c, peers/ck_stack.c
extern const struct kind ck_ring_kind PEER;
STOCK_WAYS(ck_ring, PEER)
STOCK_WAYS(ck_spsc, PEER)
extern const struct kind ck_stack_kind PEER;
STOCK_WAYS(ck_stack, PEER)

// peers/array_queue.c
extern const struct kind array_queue_kind PEER;
STOCK_WAYS(array_queue, PEER)

// peers/dpdk.c
extern const struct kind dpdk_kind PEER;
STOCK_WAYS(dpdk, PEER)
STOCK_WAYS(dpdk_inline, PEER)
void dpdk_bulk(void *state, unsigned long turns) PEER;

// peers/malloc.c
extern const struct kind jemalloc_kind PEER, mimalloc_kind PEER;
STOCK_WAYS(jemalloc, PEER)
STOCK_WAYS(mimalloc, PEER)

// peers/crossbeam.c
void crossbeam_pairs(void *state, unsigned long turns) PEER;
void crossbeam_synchronize(void) PEER;

// peers/rust_holds.c
extern const struct kind arc_kind PEER, arc_swap_kind PEER, haphazard_kind PEER, seize_kind PEER, slab_kind PEER;
void arc_pairs(void *state, unsigned long turns) PEER;
void arc_swap_pairs(void *state, unsigned long turns) PEER;
void haphazard_pairs(void *state, unsigned long turns) PEER;
void haphazard_reclaim(void) PEER;
void seize_pairs(void *state, unsigned long turns) PEER;
void seize_reclaim(void) PEER;
void slab_pairs(void *state, unsigned long turns) PEER;

// peers/rust_pools.c
extern const struct kind slab_pool_kind PEER, linear_pool_kind PEER;
STOCK_WAYS(slab_pool, PEER)
void linear_pool_pairs(void *state, unsigned long turns) PEER;
void linear_pool_eight(void *state, unsigned long turns) PEER;

#endif
