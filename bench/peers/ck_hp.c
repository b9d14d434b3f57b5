// SPDX-License-Identifier: MIT OR Apache-2.0
// Concurrency Kit's hazard pointers by call: they are inline functions, so ck_hp_call.c puts them behind functions of a shared library.
#include "../ways.h"

void *bench_ck_hp_record(void);
void *bench_ck_hp_protect(void *record, void **place);
void bench_ck_hp_clear(void *record);
void bench_ck_hp_reclaim(void *record);

// On the list of all records for good, so every thread makes one and keeps it.
static _Thread_local void *mine;

static void join(void)
{
	if (mine == NULL)
		mine = bench_ck_hp_record();
	if (mine == NULL)
		die("out of memory");
}

// An object, and the place that everybody finds it in.
static void *setup(void)
{
	static struct {
		_Alignas(128) void *place;
		long object;
	} one;
	one.place = &one.object;
	return &one.place;
}

const struct kind ck_hp_kind = { .setup = setup, .join = join };

void ck_hp_pairs(void *state, unsigned long turns)
{
	void *record = mine;
	while (turns-- > 0) {
		bench_ck_hp_protect(record, (void **)state);
		bench_ck_hp_clear(record);
	}
}

void ck_hp_reclaim_one(void)
{
	join();
	bench_ck_hp_reclaim(mine);
}
