// SPDX-License-Identifier: MIT OR Apache-2.0
// A filter that refuses membarrier after the library has found it working: drains go on by visiting every CPU, and where
// that is refused too the program ends. They never go on without.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/psref.h>

enum { WORKERS = 3, PLACES = 8, MAGIC = 0x600d, POISON = 0xdead };

static struct psref_class *class_;

struct object {
	struct psref_target target;
	unsigned magic;
} __attribute__((aligned(128)));

static struct object objects[PLACES];
static int left, running;

static void refuse_or_skip(long call, int error)
{
	if (refuse(call, error) != 0)
		SKIP("no seccomp filter here: %s", strerror(errno));
}

static bool has_sections(void)
{
	return strcmp(psref_backend(), "rseq") == 0;
}

static void begin(void)
{
	setenv("PSREF_DRAIN_WARN", "3600", 1);
	class_ = psref_class_create("late", 0);
	CHECK(class_ != NULL);
	for (unsigned i = 0; i < PLACES; i++) {
		psref_target_init(&objects[i].target, class_);
		objects[i].magic = MAGIC;
	}
}

static void end(void)
{
	for (unsigned i = 0; i < PLACES; i++)
		psref_target_destroy(&objects[i].target, class_);
	psref_class_destroy(class_);
}

static void *hold_until_drained(void *psref)
{
	CHECK_EQ(psref_acquire((struct psref *)psref, &objects[0].target, class_), 0);
	ADD(&left, 1);
	while (!LOAD((unsigned char *)&objects[0].target.prt_draining))
		nap(100);
	nap(2000);
	ADD(&left, -1);
	psref_release((struct psref *)psref, &objects[0].target, class_);
	return NULL;
}

static void drain_with(int error)
{
	struct psref psref;
	begin();
	refuse_or_skip(SYS_membarrier, error);
	for (unsigned turn = 0; turn < 20; turn++) {
		pthread_t holder = start(hold_until_drained, &psref);
		wait_until_set(&left);
		psref_target_destroy(&objects[0].target, class_);
		CHECK_EQ(LOAD(&left), 0);
		join(holder);
		psref_target_init(&objects[0].target, class_);
	}
	end();
}

static void drains_wait_as_before_after_EPERM(void)
{
	drain_with(EPERM);
}

static void drains_wait_as_before_after_ENOSYS(void)
{
	drain_with(ENOSYS);
}

static void the_callers_affinity_mask_comes_back(void)
{
	cpu_set_t before, after;
	begin();
	refuse_or_skip(SYS_membarrier, EPERM);
	for (unsigned mask = 0; mask < 3; mask++) {
		if (mask > 0)
			pin(mask); // to one CPU, then to another
		CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
		for (unsigned turn = 0; turn < 20; turn++) {
			psref_target_drain(&objects[turn % PLACES].target, class_);
			CHECK_EQ(sched_getaffinity(0, sizeof after, &after), 0);
			CHECK(CPU_EQUAL(&before, &after));
		}
	}
	end();
}

// Threads that acquire while the object drains, on every CPU, some pinned where the drainer is not.
static void *race(void *number)
{
	uint64_t seed = (uint64_t)(uintptr_t)number + 1;
	if (number != NULL)
		pin((unsigned)(uintptr_t)number);
	for (bool first = true;;) {
		struct object *object = &objects[random_number(&seed) % PLACES];
		struct psref psref;
		if (psref_acquire(&psref, &object->target, class_) != 0) {
			if (LOAD(&left) == PLACES)
				break; // all are drained
			continue;
		}
		if (LOAD(&object->magic) != MAGIC)
			FAIL("a hold began after the drain");
		psref_release(&psref, &object->target, class_);
		if (first)
			ADD(&running, 1);
		first = false;
	}
	return NULL;
}

static void no_hold_begins_after_a_drain_without_membarrier(void)
{
	unsigned turns = test_turns(40);
	begin();
	cpu_number(0);
	refuse_or_skip(SYS_membarrier, EPERM);
	double began = seconds();
	for (unsigned turn = 0; turn < turns; turn++) {
		pthread_t threads[WORKERS];
		STORE(&left, 0);
		STORE(&running, 0);
		for (unsigned i = 0; i < WORKERS; i++)
			threads[i] = start(race, (void *)(uintptr_t)i);
		while (LOAD(&running) < WORKERS)
			sched_yield();
		for (unsigned i = 0; i < PLACES; i++) {
			psref_target_drain(&objects[i].target, class_);
			STORE(&objects[i].magic, (unsigned)POISON);
			ADD(&left, 1);
		}
		for (unsigned i = 0; i < WORKERS; i++)
			join(threads[i]);
		end();
		begin();
	}
	test_note("%u drains without membarrier, threads racing, %.0f us each with all around", turns * PLACES,
		  (seconds() - began) / (turns * PLACES) * 1e6);
	end();
}

static void drain_with_nothing_left(void *which)
{
	struct psref hold;
	begin();
	// One hold elsewhere in the class: not even a look that finds nobody may be trusted.
	CHECK_EQ(psref_acquire(&hold, &objects[1].target, class_), 0);
	if (refuse(SYS_membarrier, EPERM) != 0 || refuse(SYS_sched_setaffinity, EPERM) != 0)
		_exit(TEST_SKIPPED);
	switch ((int)(intptr_t)which) {
	case 0: psref_target_drain(&objects[0].target, class_); break;
	case 1: psref_target_destroy(&objects[0].target, class_); break;
	default:
		psref_release(&hold, &objects[1].target, class_);
		psref_class_destroy(class_);
		break;
	}
	_exit(has_sections() ? 1 : 0);
}

static void without_membarrier_and_affinity_the_program_ends(void)
{
	for (intptr_t which = 0; which < 3; which++) {
		struct ended ended = in_child(drain_with_nothing_left, (void *)which);
		if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == TEST_SKIPPED)
			SKIP("no seccomp filter here");
		if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0)
			SKIP("the back end is atomic: drains need no membarrier");
		CHECK_FATAL(ended, "membarrier was refused", "not every CPU could be visited");
	}
}

TEST_MAIN(TEST(drains_wait_as_before_after_EPERM),
	  TEST(drains_wait_as_before_after_ENOSYS),
	  TEST(the_callers_affinity_mask_comes_back),
	  TEST(no_hold_begins_after_a_drain_without_membarrier),
	  TEST(without_membarrier_and_affinity_the_program_ends))
