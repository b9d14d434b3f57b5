// SPDX-License-Identifier: MIT OR Apache-2.0
// No memory, no threads: what cannot fail says so and ends the program, what was made needs none, and nothing is leaked.
#define TEST_BINDS_ITSELF 1
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/kmutex.h>
#include <psref/percpu.h>
#include <psref/xcall.h>

enum { SIZE = 1 << 20 };

static percpu_t *pc;

static void alloc_for_ever(void *unused)
{
	(void)unused;
	limit_memory(true);
	for (;;)
		percpu_alloc(SIZE);
}

static void alloc_small_for_ever(void *unused)
{
	(void)unused;
	limit_memory(true);
	for (;;)
		percpu_create(8192, NULL, NULL, NULL);
}

static void alloc_too_much(void *size)
{
	percpu_alloc((size_t)size);
}

static void no_memory_is_a_fatal_diagnostic(void)
{
	if (!test_memory_is_ours())
		SKIP("limits on memory would hit what the test runs under");
	struct ended ended = in_child(alloc_for_ever, NULL);
	CHECK_FATAL(ended, "percpu_alloc: no memory for 1048576 bytes on each CPU (errno 12)");
	ended = in_child(alloc_small_for_ever, NULL);
	CHECK_FATAL(ended, "percpu_create: no memory for 8192 bytes on each CPU (errno 12)");
	pc = percpu_alloc(SIZE); // the parent has some
	percpu_free(pc, SIZE);
}

static void more_than_there_can_be_is_a_fatal_diagnostic(void)
{
	static const size_t sizes[] = { SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX - 4095 };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct ended ended = in_child(alloc_too_much, (void *)sizes[i]);
		CHECK_FATAL(ended, "percpu_alloc: no memory for");
	}
}

static void use_and_free_need_no_memory(void)
{
	pc = percpu_alloc(SIZE);
	percpu_t *small = percpu_alloc(16);
	percpu_getref(pc);
	percpu_putref(pc);
	limit_memory(true);
	for (unsigned i = 0; i < 1000; i++) {
		percpu_getref(pc);
		percpu_getref(small);
		percpu_putref(small);
		percpu_putref(pc);
	}
	percpu_free(pc, SIZE);
	percpu_free(small, 16);
	limit_memory(false);
}

#ifdef __GLIBC__
#include <malloc.h>

static void use_in_handler(int signal_number)
{
	(void)signal_number;
	percpu_getref(pc);
	percpu_putref(pc);
}

// What it interrupts may be malloc.
static void the_first_reference_may_be_a_handlers(void)
{
	pc = percpu_alloc(16);
	handle_with(use_in_handler, SIGUSR1, 0);
	size_t before = mallinfo2().uordblks;
	raise(SIGUSR1);
	CHECK_EQ(mallinfo2().uordblks, before);
	percpu_free(pc, 16);
}
#else
static void the_first_reference_may_be_a_handlers(void)
{
	SKIP("how much malloc gave out is known with glibc only");
}
#endif

static void alloc_and_free_leak_nothing(void)
{
	static const size_t sizes[] = { 8, 100, 4096, SIZE };
	for (size_t i = 0; i < COUNT(sizes); i++) {
		percpu_free(percpu_alloc(sizes[i]), sizes[i]);
		struct footprint before = footprint_now();
		for (unsigned turn = 0; turn < test_turns(10000); turn++)
			percpu_free(percpu_alloc(sizes[i]), sizes[i]);
		check_footprint("allocations", test_turns(10000), before);
	}
}

static void softint(void *unused)
{
	(void)unused;
}

static void establish_and_disestablish_leak_nothing(void)
{
	psref_softint_disestablish(psref_softint_establish(0, softint, NULL));
	struct footprint before = footprint_now();
	for (unsigned turn = 0; turn < test_turns(10000); turn++) {
		void *si = psref_softint_establish(0, softint, NULL);
		psref_softint_schedule(si);
		psref_softint_disestablish(si);
	}
	check_footprint("software interrupts", test_turns(10000), before);
}

static void call_without_threads(void *unused)
{
	(void)unused;
	if (refuse(SYS_clone3, EAGAIN) != 0 || refuse(SYS_clone, EAGAIN) != 0)
		_exit(TEST_SKIPPED);
	errno = 0;
	if (psref_softint_establish(0, softint, NULL) != NULL || errno != ENOMEM)
		_exit(1);
	xc_barrier(0);
}

static void threads_that_cannot_be_started_are_told(void)
{
	struct ended ended = in_child(call_without_threads, NULL);
	if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == TEST_SKIPPED)
		SKIP("no seccomp filter can be installed here");
	CHECK_FATAL(ended, "xc_barrier: a thread that runs cross-calls cannot be started (errno 12)", "xcall(9) cannot fail");
}

static void alloc_mutexes_for_ever(void *unused)
{
	(void)unused;
	limit_memory(true);
	while (mutex_obj_tryalloc(MUTEX_DEFAULT, IPL_NONE) != NULL)
		;
	mutex_obj_alloc(MUTEX_DEFAULT, IPL_NONE);
}

static void mutexes_without_memory_are_told(void)
{
	if (!test_memory_is_ours())
		SKIP("limits on memory would hit what the test runs under");
	struct ended ended = in_child(alloc_mutexes_for_ever, NULL);
	CHECK_FATAL(ended, "mutex_obj_alloc: no memory");
}

TEST_MAIN(TEST(no_memory_is_a_fatal_diagnostic),
	  TEST(more_than_there_can_be_is_a_fatal_diagnostic),
	  TEST(use_and_free_need_no_memory),
	  TEST(the_first_reference_may_be_a_handlers),
	  TEST(alloc_and_free_leak_nothing),
	  TEST(establish_and_disestablish_leak_nothing),
	  TEST(threads_that_cannot_be_started_are_told),
	  TEST(mutexes_without_memory_are_told))
