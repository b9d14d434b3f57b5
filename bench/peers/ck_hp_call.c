// SPDX-License-Identifier: MIT OR Apache-2.0
// Built into a shared library of its own: see ck_hp.c.
#include <ck_hp.h>
#include <ck_pr.h>
#include <stdlib.h>

void *bench_ck_hp_record(void);
void *bench_ck_hp_protect(void *record, void **place);
void bench_ck_hp_clear(void *record);
void bench_ck_hp_reclaim(void *record);

// One hazard pointer a thread; what is retired waits for the purge.
enum { DEGREE = 1, THRESHOLD = 1024 };

static ck_hp_t all;

struct object {
	ck_hp_hazard_t hazard;
};

__attribute__((constructor)) static void begin(void)
{
	ck_hp_init(&all, DEGREE, THRESHOLD, free);
}

void *bench_ck_hp_record(void)
{
	struct {
		_Alignas(128) ck_hp_record_t record;
		_Alignas(128) void *pointers[DEGREE];
	} *mine = aligned_alloc(128, sizeof *mine);
	if (mine != NULL)
		ck_hp_register(&all, &mine->record, mine->pointers);
	return mine;
}

// Shows what is in the place, and looks again: it may have been replaced, and reclaimed, before it was shown.
void *bench_ck_hp_protect(void *record, void **place)
{
	void *object;
	do {
		object = ck_pr_load_ptr(place);
		ck_hp_set_fence(record, 0, object);
	} while (ck_pr_load_ptr(place) != object);
	return object;
}

void bench_ck_hp_clear(void *record)
{
	ck_pr_fence_release();
	ck_hp_clear(record);
}

void bench_ck_hp_reclaim(void *record)
{
	struct object *object = malloc(sizeof *object);
	if (object == NULL)
		abort();
	ck_hp_retire(record, &object->hazard, object, object);
	ck_hp_purge(record);
}
