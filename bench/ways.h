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

// peers/ck.c
extern const struct kind ck_kind PEER;
void ck_pairs(void *state, unsigned long turns) PEER;
void ck_synchronize(void) PEER;

// peers/ck_ring.c
extern const struct kind ck_ring_kind PEER;
STOCK_WAYS(ck_ring, PEER)
STOCK_WAYS(ck_spsc, PEER)

// peers/array_queue.c
extern const struct kind array_queue_kind PEER;
STOCK_WAYS(array_queue, PEER)

// peers/malloc.c
extern const struct kind jemalloc_kind PEER, mimalloc_kind PEER;
STOCK_WAYS(jemalloc, PEER)
STOCK_WAYS(mimalloc, PEER)

// peers/crossbeam.c
void crossbeam_pairs(void *state, unsigned long turns) PEER;
void crossbeam_synchronize(void) PEER;

#endif
