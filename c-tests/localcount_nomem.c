// SPDX-License-Identifier: MIT OR Apache-2.0
// No memory: init answers ENOMEM and leaks nothing; what was initialised needs none.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/localcount.h>

enum { MOST = 1000000 };

static struct localcount *counts; // MOST of them
static kmutex_t mutex;
static kcondvar_t cv;
static int tid;

static void begin(void)
{
	no_second_look();
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "nomem");
	counts = (struct localcount *)calloc(MOST, sizeof *counts);
	CHECK(counts != NULL);
	memset(counts, 0, MOST * sizeof *counts); // not when they are measured
}

static unsigned init_until_refused(void)
{
	unsigned n = 0;
	int answer = 0;
	while (n < MOST && (answer = localcount_init(&counts[n])) == 0)
		n++;
	CHECK(n < MOST);
	CHECK_EQ(answer, ENOMEM);
	return n;
}

static void check_refused_without_a_leak(unsigned times)
{
	struct localcount refused;
	struct footprint before = footprint_now();
	for (unsigned i = 0; i < times; i++) {
		errno = 4711;
		CHECK_EQ(localcount_init(&refused), ENOMEM);
	}
	check_footprint("refusals", times, before);
}

static void use_and_finish(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		localcount_acquire(&counts[i]);
		CHECK_EQ(localcount_debug_refcnt(&counts[i]), 1);
		localcount_release(&counts[i], &cv, &mutex);
		if (i % 2 == 0) {
			mutex_enter(&mutex);
			localcount_drain(&counts[i], &cv, &mutex);
			mutex_exit(&mutex);
		} else {
			CHECK(localcount_trydrain(&counts[i]));
		}
		localcount_fini(&counts[i]);
	}
}

static void use_once(void)
{
	CHECK_EQ(localcount_init(&counts[0]), 0);
	use_and_finish(1);
}

static void *use_here(void *unused)
{
	use_once();
	return unused;
}

static void init_answers_ENOMEM_and_works_again_when_there_is_memory(void)
{
	begin();
	use_once();
	limit_memory(true);
	unsigned n = init_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	use_and_finish(n / 2); // what there is can be used, and used again
	for (unsigned i = 0; i < n / 2; i++)
		CHECK_EQ(localcount_init(&counts[i]), 0);
	CHECK_EQ(localcount_init(&counts[n]), ENOMEM);
	limit_memory(false);
	CHECK_EQ(localcount_init(&counts[n]), 0);
	use_and_finish(n + 1);
	// Nothing was lost: as many again need nothing new.
	limit_memory(true);
	for (unsigned i = 0; i <= n; i++)
		CHECK_EQ(localcount_init(&counts[i]), 0);
	limit_memory(false);
	use_and_finish(n + 1);
	test_note("%u counts before memory ran out", n);
}

static void a_first_init_without_memory_answers_ENOMEM(void)
{
	begin();
	limit_memory(true);
	unsigned n = init_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	limit_memory(false);
	CHECK_EQ(localcount_init(&counts[n]), 0);
	use_and_finish(n + 1);
}

static void refused_call(long call)
{
	if (!test_memory_is_ours())
		SKIP("a filter would hit what the test runs under");
	begin();
	use_once();
	if (refuse(call, ENOMEM) != 0)
		SKIP("no seccomp filter here: %s", strerror(errno));
	unsigned n = init_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	use_and_finish(n); // what was made before is sound
	CHECK_EQ(init_until_refused(), n);
	use_and_finish(n);
}

static void init_answers_ENOMEM_where_mmap_fails(void)
{
	refused_call(SYS_mmap);
}

static void init_answers_ENOMEM_where_mprotect_fails(void)
{
	refused_call(SYS_mprotect);
}

// The library took the one it needs when it was loaded.
static void init_works_where_the_program_has_taken_all_pthread_keys(void)
{
	pthread_key_t key;
	begin();
	while (pthread_key_create(&key, NULL) == 0)
		;
	use_once();
	elsewhere(use_here, NULL);
}

// One call each, by number, with a count that could not be made.
static void use_the_refused(void *which)
{
	limit_memory(true);
	unsigned n = init_until_refused();
	limit_memory(false);
	struct localcount *refused = &counts[n];
	switch ((int)(intptr_t)which) {
	case 0: localcount_acquire(refused); break;
	case 1: localcount_release(refused, &cv, &mutex); break;
	case 2: localcount_trydrain(refused); break;
	case 3: localcount_fini(refused); break;
	default:
		mutex_enter(&mutex);
		localcount_drain(refused, &cv, &mutex);
		break;
	}
}

static void use_of_what_could_not_be_made_is_told(void)
{
	static const char *const who[] = { "localcount_acquire: ", "localcount_release: ", "localcount_trydrain: ",
					   "localcount_fini: ", "localcount_drain: " };
	if (!test_memory_is_ours())
		SKIP("limits on memory would hit what the test runs under");
	begin();
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(use_the_refused, (void *)i);
		CHECK_FATAL(ended, who[i], "is finished or was never initialised, expected localcount_init");
	}
}

static void *drain(void *unused)
{
	mutex_enter(&mutex);
	STORE(&tid, thread_id());
	localcount_drain(&counts[0], &cv, &mutex);
	mutex_exit(&mutex);
	return unused;
}

static void *use_when_told(void *go)
{
	wait_until_set((int *)go);
	for (int i = 0; i < 1000; i++) {
		localcount_acquire(&counts[1]);
		localcount_release(&counts[1], &cv, &mutex);
	}
	return NULL;
}

// A thread that was there before comes to use it for the first time when there is no memory left.
static void the_first_use_of_a_thread_needs_no_memory(void)
{
	pthread_t users[10];
	int go = 0;
	begin();
	CHECK_EQ(localcount_init(&counts[1]), 0);
	for (unsigned i = 0; i < COUNT(users); i++)
		users[i] = start(use_when_told, &go);
	limit_memory(true);
	STORE(&go, 1);
	for (unsigned i = 0; i < COUNT(users); i++)
		join(users[i]);
	CHECK(localcount_trydrain(&counts[1]));
	localcount_fini(&counts[1]);
}

// It cannot fail, so it may not need any: the first drain of the process, in a thread that has never called malloc.
static void a_drain_that_waits_needs_no_memory(void)
{
	begin();
	CHECK_EQ(localcount_init(&counts[0]), 0);
	localcount_acquire(&counts[0]);
	mutex_enter(&mutex);
	pthread_t drainer = start(drain, NULL);
	limit_memory(true);
	mutex_exit(&mutex);
	wait_until_asleep(&tid);
	localcount_release(&counts[0], &cv, &mutex);
	join(drainer);
	localcount_fini(&counts[0]);
}

TEST_MAIN(TEST(init_answers_ENOMEM_and_works_again_when_there_is_memory),
	  TEST(a_first_init_without_memory_answers_ENOMEM),
	  TEST(init_answers_ENOMEM_where_mmap_fails),
	  TEST(init_answers_ENOMEM_where_mprotect_fails),
	  TEST(init_works_where_the_program_has_taken_all_pthread_keys),
	  TEST(use_of_what_could_not_be_made_is_told),
	  TEST(the_first_use_of_a_thread_needs_no_memory),
	  TEST(a_drain_that_waits_needs_no_memory))
