// SPDX-License-Identifier: MIT OR Apache-2.0
// Holds of Rust programs, by call: src/arcs.rs, src/hazards.rs, src/seizing.rs, src/slab.rs. What they keep in their stack frame lies in
// ours; those files check that there is room.
#include "../ways.h"

const void *bench_arc(void);
const void *bench_arc_clone(const void *object);
void bench_arc_drop(const void *object);

struct lent {
	void *room[2];
};
void *bench_arc_swap(void);
void bench_arc_swap_free(void *place);
void bench_arc_swap_load(void *place, struct lent *lent);
void bench_arc_swap_drop(struct lent *lent);

void *bench_haphazard(void);
void bench_haphazard_free(void *place);
void *bench_haphazard_join(void);
void bench_haphazard_leave(void *hazard);
const void *bench_haphazard_protect(void *hazard, void *place);
void bench_haphazard_reset(void *hazard);
void bench_haphazard_reclaim(void);

struct seized {
	void *room[5];
};
void *bench_seize(void);
void bench_seize_enter(void *collector, struct seized *guard);
void bench_seize_leave(struct seized *guard);
void bench_seize_reclaim(void);

struct entry {
	void *room[6];
};
void *bench_slab(void);
void bench_slab_free(void *slab);
void bench_slab_get(void *slab, struct entry *entry);
void bench_slab_drop(struct entry *entry);

static void *arc_setup(void)
{
	return (void *)(uintptr_t)bench_arc();
}

static void arc_teardown(void *state)
{
	bench_arc_drop(state);
}

const struct kind arc_kind = { .setup = arc_setup, .teardown = arc_teardown };

void arc_pairs(void *state, unsigned long turns)
{
	while (turns-- > 0)
		bench_arc_drop(bench_arc_clone(state));
}

const struct kind arc_swap_kind = { .setup = bench_arc_swap, .teardown = bench_arc_swap_free };

void arc_swap_pairs(void *state, unsigned long turns)
{
	struct lent lent;
	while (turns-- > 0) {
		bench_arc_swap_load(state, &lent);
		bench_arc_swap_drop(&lent);
	}
}

// A thread's hazard pointer.
static _Thread_local void *hazard;

static void haphazard_join(void)
{
	hazard = bench_haphazard_join();
}

static void haphazard_leave(void)
{
	bench_haphazard_leave(hazard);
}

const struct kind haphazard_kind = {
	.setup = bench_haphazard,
	.teardown = bench_haphazard_free,
	.join = haphazard_join,
	.leave = haphazard_leave,
};

void haphazard_pairs(void *state, unsigned long turns)
{
	void *mine = hazard;
	while (turns-- > 0) {
		bench_haphazard_protect(mine, state);
		bench_haphazard_reset(mine);
	}
}

void haphazard_reclaim(void)
{
	bench_haphazard_reclaim();
}

const struct kind seize_kind = { .setup = bench_seize };

void seize_pairs(void *state, unsigned long turns)
{
	struct seized guard;
	while (turns-- > 0) {
		bench_seize_enter(state, &guard);
		bench_seize_leave(&guard);
	}
}

void seize_reclaim(void)
{
	bench_seize_reclaim();
}

const struct kind slab_kind = { .setup = bench_slab, .teardown = bench_slab_free };

void slab_pairs(void *state, unsigned long turns)
{
	struct entry entry;
	while (turns-- > 0) {
		bench_slab_get(state, &entry);
		bench_slab_drop(&entry);
	}
}
