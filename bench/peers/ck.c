// SPDX-License-Identifier: MIT OR Apache-2.0
// Concurrency Kit's epochs by call: they are inline functions, so ck_call.c puts them behind functions of a shared library.
#include "../ways.h"

void *bench_ck_record(void);
void bench_ck_begin(void *record);
void bench_ck_end(void *record);
void bench_ck_synchronize(void *record);

// A thread's record is on the list of all records for good, so every thread makes one and keeps it.
static _Thread_local void *mine;

static void join(void)
{
	if (mine == NULL)
		mine = bench_ck_record();
	if (mine == NULL)
		die("out of memory");
}

const struct kind ck_kind = { .join = join };

void ck_pairs(void *state, unsigned long turns)
{
	void *record = mine;
	(void)state;
	while (turns-- > 0) {
		bench_ck_begin(record);
		bench_ck_end(record);
	}
}

void ck_synchronize(void)
{
	join();
	bench_ck_synchronize(mine);
}
