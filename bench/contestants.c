// SPDX-License-Identifier: MIT OR Apache-2.0
// Ways to hold something for a while and let go of it, or to take something and give it back. One more is one more line in this table.
#include "ways.h"

#include <math.h>
#include <string.h>

#define URCU "liburcu-dev"
#define CK "libck-dev"
#define CRATES "cargo, and the crates of bench/peers/Cargo.toml from its registry"
#define DPDK "libdpdk-dev"
#define JEMALLOC "libjemalloc-dev"
#define MIMALLOC "libmimalloc-dev"

// No object, and threads need not be told of.
static const struct kind no_kind;

// name | nested | sleeps | kind | op | its own floor | package | what it does
const struct contestant contestants[] = {
	{ FLOOR, 1, false, &psref_kind, floor_pairs, NULL, NULL, 0 },
	{ LOCALCOUNT_FLOOR, 1, false, &localcount_kind, localcount_floor, NULL, NULL, 0 },
	{ SECTION_FLOOR, 1, false, &no_kind, section_floor, NULL, NULL, 0 },
	{ PASS_FLOOR, 1, false, &gate_kind, gate_floor, NULL, NULL, 0 },
	{ PAIR, 1, false, &psref_kind, psref_pairs, NULL, NULL, DOES_HOLD | IS_OURS },
	{ PAIR_INLINE, 1, false, &psref_kind, psref_inline_pairs, NULL, NULL, DOES_HOLD | IS_OURS | IS_INLINE },
	{ NESTED, 4, false, &psref_kind, psref_four, NULL, NULL, DOES_HOLD | IS_OURS },
	{ NESTED_INLINE, 4, false, &psref_kind, psref_inline_four, NULL, NULL, DOES_HOLD | IS_OURS | IS_INLINE },
	{ LOCALCOUNT, 1, false, &localcount_kind, localcount_pairs, LOCALCOUNT_FLOOR, NULL, DOES_HOLD | IS_OURS },
	{ LOCALCOUNT_INLINE, 1, false, &localcount_kind, localcount_inline_pairs, NULL, NULL, DOES_HOLD | IS_OURS | IS_INLINE },
	{ SECTION, 1, false, &no_kind, section_pairs, SECTION_FLOOR, NULL, DOES_LOOK | IS_OURS },
	{ SECTION_INLINE, 1, false, &no_kind, section_inline_pairs, NULL, NULL, DOES_LOOK | IS_OURS | IS_INLINE },
	{ PASS, 1, false, &gate_kind, gate_passes, PASS_FLOOR, NULL, DOES_HOLD | IS_OURS },
	{ PASS_INLINE, 1, false, &gate_kind, gate_inline_passes, NULL, NULL, DOES_HOLD | IS_OURS | IS_INLINE },
	{ VISIT, 1, false, &gate_kind, gate_visits, PASS_FLOOR, NULL, DOES_HOLD | IS_OURS },
	{ VISIT_INLINE, 1, false, &gate_kind, gate_inline_visits, NULL, NULL, DOES_HOLD | IS_OURS | IS_INLINE },
	{ "liburcu memb", 1, false, &memb_kind, memb_pairs, SECTION_FLOOR, URCU, DOES_LOOK },
	{ MEMB_INLINE, 1, false, &memb_kind, memb_inline_pairs, NULL, URCU, DOES_LOOK | IS_INLINE },
	{ "liburcu bp", 1, false, &no_kind, bp_pairs, SECTION_FLOOR, URCU, DOES_LOOK },
	{ "liburcu bp, inline", 1, false, &no_kind, bp_inline_pairs, NULL, URCU, DOES_LOOK | IS_INLINE },
	{ "liburcu qsbr, announcing", 1, false, &qsbr_kind, qsbr_pairs, SECTION_FLOOR, URCU, DOES_LOOK | IS_SHOWN },
	{ "liburcu qsbr, announcing, inline", 1, false, &qsbr_kind, qsbr_inline_pairs, NULL, URCU,
	  DOES_LOOK | IS_INLINE | IS_SHOWN },
	{ "ck_epoch", 1, false, &ck_kind, ck_pairs, PASS_FLOOR, CK, DOES_LOOK },
	{ "crossbeam-epoch pin", 1, false, &no_kind, crossbeam_pairs, PASS_FLOOR, CRATES, DOES_LOOK },
	{ "seize", 1, false, &seize_kind, seize_pairs, PASS_FLOOR, CRATES, DOES_LOOK },
	{ "ck_hp", 1, false, &ck_hp_kind, ck_hp_pairs, PASS_FLOOR, CK, DOES_HOLD },
	{ "haphazard", 1, false, &haphazard_kind, haphazard_pairs, PASS_FLOOR, CRATES, DOES_HOLD },
	{ "Arc, clone + drop", 1, false, &arc_kind, arc_pairs, PASS_FLOOR, CRATES, DOES_HOLD },
	{ "arc-swap", 1, false, &arc_swap_kind, arc_swap_pairs, PASS_FLOOR, CRATES, DOES_HOLD },
	{ "sharded-slab", 1, false, &slab_kind, slab_pairs, PASS_FLOOR, CRATES, DOES_HOLD },
	{ "shared atomic count", 1, false, &shared_kind, atomic_pairs, NULL, NULL, DOES_HOLD | IS_INLINE },
	{ "rwlock, read", 1, false, &shared_kind, rwlock_pairs, NULL, NULL, DOES_LOOK | DOES_HOLD },
	{ "mutex count", 1, true, &shared_kind, mutex_pairs, NULL, NULL, DOES_HOLD },
	// Stocks: named alike, for one object at a time and for eight.
	{ POOL_FLOOR, 1, false, &objpool_kind, objpool_floor_pairs, NULL, NULL, 0 },
	{ POOL, 1, false, &objpool_kind, objpool_pairs, POOL_FLOOR, NULL, DOES_TAKE | IS_OURS },
	{ POOL_INLINE, 1, false, &objpool_kind, objpool_inline_pairs, NULL, NULL, DOES_TAKE | IS_OURS | IS_INLINE },
	{ POOL_EIGHT, 8, false, &objpool_kind, objpool_eight, POOL_FLOOR, NULL, DOES_TAKE_8 | IS_OURS },
	{ POOL_EIGHT_INLINE, 8, false, &objpool_kind, objpool_inline_eight, NULL, NULL, DOES_TAKE_8 | IS_OURS | IS_INLINE },
	{ POOL_BULK, 8, false, &objpool_kind, objpool_bulk, POOL_FLOOR, NULL, DOES_BULK | IS_OURS },
	{ POOL_EMPTY, 1, false, &empty_objpool_kind, objpool_empty, POOL_FLOOR, NULL, IS_OURS },
	{ "Linux's ring, restated", 1, false, &ring_kind, ring_pairs, NULL, NULL, DOES_TAKE | IS_INLINE },
	{ "Linux's ring, 8 then 8", 8, false, &ring_kind, ring_eight, NULL, NULL, DOES_TAKE_8 | IS_INLINE },
	{ "ck_ring MPMC", 1, false, &ck_ring_kind, ck_ring_pairs, POOL_FLOOR, CK, DOES_TAKE },
	{ "ck_ring MPMC, 8 then 8", 8, false, &ck_ring_kind, ck_ring_eight, POOL_FLOOR, CK, DOES_TAKE_8 },
	{ "ck_stack MPMC", 1, false, &ck_stack_kind, ck_stack_pairs, POOL_FLOOR, CK, DOES_TAKE },
	{ "ck_stack MPMC, 8 then 8", 8, false, &ck_stack_kind, ck_stack_eight, POOL_FLOOR, CK, DOES_TAKE_8 },
	{ "ArrayQueue", 1, false, &array_queue_kind, array_queue_pairs, POOL_FLOOR, CRATES, DOES_TAKE },
	{ "ArrayQueue, 8 then 8", 8, false, &array_queue_kind, array_queue_eight, POOL_FLOOR, CRATES, DOES_TAKE_8 },
	{ "sharded-slab pool", 1, false, &slab_pool_kind, slab_pool_pairs, POOL_FLOOR, CRATES, DOES_TAKE },
	{ "sharded-slab pool, 8 then 8", 8, false, &slab_pool_kind, slab_pool_eight, POOL_FLOOR, CRATES, DOES_TAKE_8 },
	{ "lockfree-object-pool", 1, false, &linear_pool_kind, linear_pool_pairs, POOL_FLOOR, CRATES, DOES_TAKE },
	{ "lockfree-object-pool, 8 then 8", 8, false, &linear_pool_kind, linear_pool_eight, POOL_FLOOR, CRATES, DOES_TAKE_8 },
	{ "DPDK mempool", 1, false, &dpdk_kind, dpdk_pairs, POOL_FLOOR, DPDK, DOES_TAKE },
	{ "DPDK mempool, 8 then 8", 8, false, &dpdk_kind, dpdk_eight, POOL_FLOOR, DPDK, DOES_TAKE_8 },
	{ "DPDK mempool, inline", 1, false, &dpdk_kind, dpdk_inline_pairs, NULL, DPDK, DOES_TAKE | IS_INLINE },
	{ DPDK_EIGHT_INLINE, 8, false, &dpdk_kind, dpdk_inline_eight, NULL, DPDK, DOES_TAKE_8 | IS_INLINE },
	{ "DPDK mempool, inline, bulk of 8", 8, false, &dpdk_kind, dpdk_bulk, NULL, DPDK, DOES_BULK | IS_INLINE },
	{ "glibc malloc", 1, false, &libc_kind, libc_pairs, POOL_FLOOR, NULL, DOES_TAKE },
	{ "glibc malloc, 8 then 8", 8, false, &libc_kind, libc_eight, POOL_FLOOR, NULL, DOES_TAKE_8 },
	{ "jemalloc", 1, false, &jemalloc_kind, jemalloc_pairs, POOL_FLOOR, JEMALLOC, DOES_TAKE },
	{ "jemalloc, 8 then 8", 8, false, &jemalloc_kind, jemalloc_eight, POOL_FLOOR, JEMALLOC, DOES_TAKE_8 },
	{ "mimalloc", 1, false, &mimalloc_kind, mimalloc_pairs, POOL_FLOOR, MIMALLOC, DOES_TAKE },
	{ MIMALLOC_EIGHT, 8, false, &mimalloc_kind, mimalloc_eight, POOL_FLOOR, MIMALLOC, DOES_TAKE_8 },
};
const size_t contestant_count = COUNT(contestants);

const struct contestant *contestant_find(const char *name)
{
	for (size_t i = 0; i < contestant_count; i++)
		if (strcmp(contestants[i].name, name) == 0)
			return &contestants[i];
	die("no contestant is called %s", name);
}

void *contestant_setup(const struct contestant *contestant)
{
	return contestant->kind->setup != NULL ? contestant->kind->setup() : NULL;
}

void contestant_teardown(const struct contestant *contestant, void *state)
{
	if (contestant->kind->teardown != NULL)
		contestant->kind->teardown(state);
}

void contestant_join(const struct contestant *contestant)
{
	if (contestant->kind->join != NULL)
		contestant->kind->join();
}

void contestant_leave(const struct contestant *contestant)
{
	if (contestant->kind->leave != NULL)
		contestant->kind->leave();
}

const struct series *floor_of(const char *name)
{
	const struct series *floor = series_find(FLOOR, 1);
	const char *own = contestant_find(name)->floor;
	if (own == NULL)
		return floor;
	const struct series *other = series_find(own, 1);
	struct spread ratio = ratio_of(other, floor);
	// Seen to differ: by more than 3 %, and in three rounds of four to the same side.
	bool differs = fabs(ratio.median - 1) > 0.03 && (ratio.q1 > 1 || ratio.q3 < 1);
	return differs ? other : floor;
}
