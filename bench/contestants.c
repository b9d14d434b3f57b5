// SPDX-License-Identifier: MIT OR Apache-2.0
// Ways to hold something for a while and let go of it. One more is one more line in this table.
#include "ways.h"

#include <math.h>
#include <string.h>

#define URCU "liburcu-dev"
#define CK "libck-dev"
#define CROSSBEAM "cargo, and crossbeam-epoch from its registry"

// No object, and threads need not be told of.
static const struct kind no_kind;

// name | nested | sleeps | kind | op | its own floor | package
const struct contestant contestants[] = {
	{ FLOOR, 1, false, &psref_kind, floor_pairs, NULL, NULL },
	{ LOCALCOUNT_FLOOR, 1, false, &localcount_kind, localcount_floor, NULL, NULL },
	{ SECTION_FLOOR, 1, false, &no_kind, section_floor, NULL, NULL },
	{ PASS_FLOOR, 1, false, &gate_kind, gate_floor, NULL, NULL },
	{ PAIR, 1, false, &psref_kind, psref_pairs, NULL, NULL },
	{ NESTED, 4, false, &psref_kind, psref_four, NULL, NULL },
	{ LOCALCOUNT, 1, false, &localcount_kind, localcount_pairs, LOCALCOUNT_FLOOR, NULL },
	{ SECTION, 1, false, &no_kind, section_pairs, SECTION_FLOOR, NULL },
	{ PASS, 1, false, &gate_kind, gate_passes, PASS_FLOOR, NULL },
	{ VISIT, 1, false, &gate_kind, gate_visits, PASS_FLOOR, NULL },
	{ "liburcu memb", 1, false, &memb_kind, memb_pairs, SECTION_FLOOR, URCU },
	{ "liburcu memb, inline", 1, false, &memb_kind, memb_inline_pairs, NULL, URCU },
	{ "liburcu bp", 1, false, &no_kind, bp_pairs, SECTION_FLOOR, URCU },
	{ "liburcu bp, inline", 1, false, &no_kind, bp_inline_pairs, NULL, URCU },
	{ "ck_epoch", 1, false, &ck_kind, ck_pairs, PASS_FLOOR, CK },
	{ "crossbeam-epoch pin", 1, false, &no_kind, crossbeam_pairs, PASS_FLOOR, CROSSBEAM },
	{ "shared atomic count", 1, false, &shared_kind, atomic_pairs, NULL, NULL },
	{ "rwlock, read", 1, false, &shared_kind, rwlock_pairs, NULL, NULL },
	{ "mutex count", 1, true, &shared_kind, mutex_pairs, NULL, NULL },
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
