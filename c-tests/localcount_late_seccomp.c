// SPDX-License-Identifier: MIT OR Apache-2.0
// A filter that refuses membarrier after the library has found it working: drains and trydrains go on by visiting every
// CPU, and where that is refused too the program ends. They never go on without.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/localcount.h>
#include <psref/psref.h>

enum { WORKERS = 3 };

static struct localcount count;
static kmutex_t mutex;
static kcondvar_t cv;
static int left, turn_of_workers, done;

static void begin(void)
{
	no_second_look();
	cpu_number(0);
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "late");
	CHECK_EQ(localcount_init(&count), 0);
}

static void refuse_or_skip(long call, int error)
{
	if (refuse(call, error) != 0)
		SKIP("no seccomp filter here: %s", strerror(errno));
}

static void drain(void)
{
	mutex_enter(&mutex);
	localcount_drain(&count, &cv, &mutex);
	CHECK_EQ(LOAD(&left), 0);
	mutex_exit(&mutex);
	localcount_fini(&count);
	CHECK_EQ(localcount_init(&count), 0);
}

// Each round a reference of every worker's, which the main thread's drain or trydrain comes upon somewhere: just acquired,
// or just being released, in a section on another CPU.
static void *hold_for_a_moment(void *number)
{
	uint64_t seed = (uint64_t)(uintptr_t)number + 1;
	pin((unsigned)(uintptr_t)number);
	for (int turn = 1;; turn++) {
		int now;
		while ((now = LOAD(&turn_of_workers)) < turn && now >= 0)
			sched_yield();
		if (now < 0)
			return NULL;
		localcount_acquire(&count);
		ADD(&left, 1);
		ADD(&done, 1);
		spin(random_number(&seed) % 40000);
		ADD(&left, -1);
		localcount_release(&count, &cv, &mutex);
	}
}

static void drain_with(int error)
{
	pthread_t workers[WORKERS];
	unsigned turns = test_turns(300);
	begin();
	refuse_or_skip(SYS_membarrier, error);
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i] = start(hold_for_a_moment, (void *)(uintptr_t)i);
	double began = seconds();
	for (unsigned turn = 1; turn <= turns; turn++) {
		STORE(&done, 0);
		STORE(&turn_of_workers, (int)turn);
		while (LOAD(&done) < WORKERS)
			sched_yield();
		if (turn % 4 == 0 && localcount_trydrain(&count)) {
			CHECK_EQ(LOAD(&left), 0);
			localcount_fini(&count);
			CHECK_EQ(localcount_init(&count), 0);
		} else {
			drain();
		}
	}
	test_note("%u drains without membarrier met %d references each, %.0f us each with all around", turns, WORKERS,
		  (seconds() - began) / turns * 1e6);
	STORE(&turn_of_workers, -1);
	for (unsigned i = 0; i < WORKERS; i++)
		join(workers[i]);
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
			localcount_acquire(&count);
			CHECK(!localcount_trydrain(&count));
			localcount_release(&count, &cv, &mutex);
			drain();
			CHECK_EQ(sched_getaffinity(0, sizeof after, &after), 0);
			CHECK(CPU_EQUAL(&before, &after));
		}
	}
}

static void drain_with_nothing_left(void *tried)
{
	begin();
	if (refuse(SYS_membarrier, EPERM) != 0 || refuse(SYS_sched_setaffinity, EPERM) != 0)
		_exit(TEST_SKIPPED);
	if (tried != NULL)
		localcount_trydrain(&count);
	else
		drain();
	_exit(strcmp(psref_backend(), "rseq") == 0 ? 1 : 0);
}

static void without_membarrier_and_affinity_the_program_ends(void)
{
	for (intptr_t which = 0; which < 2; which++) {
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
	  TEST(without_membarrier_and_affinity_the_program_ends))
