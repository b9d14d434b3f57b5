// SPDX-License-Identifier: MIT OR Apache-2.0
// No memory: create answers NULL and ENOMEM and leaks nothing, and NULL can be performed with; sections and performs need none.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/pserialize.h>

enum { MOST = 1000000 };

static pserialize_t *handles; // MOST of them
static int go, entered, tid;

static void begin(void)
{
	no_second_look();
	handles = (pserialize_t *)calloc(MOST, sizeof(pserialize_t));
	CHECK(handles != NULL);
	memset(handles, 0xff, MOST * sizeof(pserialize_t)); // not when they are measured
}

static unsigned create_until_refused(void)
{
	unsigned n = 0;
	errno = 0;
	while (n < MOST && (handles[n] = pserialize_create()) != NULL)
		n++;
	CHECK(n < MOST);
	CHECK_EQ(errno, ENOMEM);
	return n;
}

static void check_refused_without_a_leak(unsigned times)
{
	struct footprint before = footprint_now();
	for (unsigned i = 0; i < times; i++) {
		errno = 0;
		CHECK(pserialize_create() == NULL);
		CHECK_EQ(errno, ENOMEM);
	}
	check_footprint("refusals", times, before);
}

static void use_and_destroy(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		pserialize_read_exit(pserialize_read_enter());
		if (i % 64 == 0)
			pserialize_perform(handles[i]);
		pserialize_destroy(handles[i]);
	}
}

static void create_answers_ENOMEM_and_works_again_when_there_is_memory(void)
{
	begin();
	handles[0] = pserialize_create();
	use_and_destroy(1);
	limit_memory(true);
	unsigned n = create_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	pserialize_perform(handles[n]); // NULL
	limit_memory(false);
	handles[n] = pserialize_create();
	CHECK(handles[n] != NULL);
	use_and_destroy(n + 1);
	// Nothing was lost: as many again need nothing new.
	limit_memory(true);
	for (unsigned i = 0; i <= n; i++)
		CHECK((handles[i] = pserialize_create()) != NULL);
	limit_memory(false);
	use_and_destroy(n + 1);
	test_note("%u handles before memory ran out", n);
}

static void a_first_create_without_memory_answers_ENOMEM(void)
{
	begin();
	limit_memory(true);
	unsigned n = create_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	limit_memory(false);
	handles[n] = pserialize_create();
	CHECK(handles[n] != NULL);
	use_and_destroy(n + 1);
}

static void create_answers_ENOMEM_where_mmap_fails(void)
{
	if (!test_memory_is_ours())
		SKIP("a filter would hit what the test runs under");
	begin();
	handles[0] = pserialize_create();
	use_and_destroy(1);
	if (refuse(SYS_mmap, ENOMEM) != 0)
		SKIP("no seccomp filter here: %s", strerror(errno));
	unsigned n = create_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	use_and_destroy(n);
	CHECK_EQ(create_until_refused(), n);
	use_and_destroy(n);
}

static void *read_here(void *unused)
{
	pserialize_read_exit(pserialize_read_enter());
	return unused;
}

// The library took the one it needs when it was loaded: threads that end give back what they had.
static void create_works_where_the_program_has_taken_all_pthread_keys(void)
{
	pthread_key_t key;
	begin();
	while (pthread_key_create(&key, NULL) == 0)
		;
	handles[0] = pserialize_create();
	CHECK(handles[0] != NULL);
	elsewhere(read_here, NULL);
	struct footprint before = footprint_now();
	for (unsigned turn = 0; turn < test_turns(5000); turn++)
		elsewhere(read_here, NULL);
	check_footprint("threads", test_turns(5000), before);
	use_and_destroy(1);
}

static void *read_when_told(void *unused)
{
	wait_until_set(&go);
	int s = pserialize_read_enter();
	ADD(&entered, 1);
	while (LOAD(&go) < 2)
		nap(100);
	pserialize_read_exit(s);
	return unused;
}

// They cannot fail, so they may not need any: threads that were there before come to use them for the first time when there
// is no memory left.
static void first_sections_need_no_memory(void)
{
	pthread_t readers[10];
	begin();
	handles[0] = pserialize_create();
	for (unsigned i = 0; i < COUNT(readers); i++)
		readers[i] = start(read_when_told, NULL);
	limit_memory(true);
	STORE(&go, 2);
	for (unsigned i = 0; i < COUNT(readers); i++)
		join(readers[i]);
	pserialize_perform(handles[0]);
	pserialize_destroy(handles[0]);
}

static void *perform(void *unused)
{
	while (LOAD(&entered) == 0)
		nap(100);
	STORE(&tid, thread_id());
	pserialize_perform(NULL);
	return unused;
}

// Nor may the first perform of the process, in a thread that has never called malloc.
static void a_perform_that_waits_needs_no_memory(void)
{
	begin();
	handles[0] = pserialize_create();
	pthread_t reader = start(read_when_told, NULL), performer = start(perform, NULL);
	limit_memory(true);
	STORE(&go, 1);
	wait_until_asleep(&tid);
	STORE(&go, 2);
	join(reader);
	join(performer);
	pserialize_destroy(handles[0]);
}

static void *read_for_ever(void *unused)
{
	wait_until_set(&go);
	pserialize_read_enter();
	ADD(&entered, 1);
	while (unused == NULL)
		pause();
	return unused;
}

// A thread's record is memory for ever; a section cannot answer an error.
static void read_in_too_many_threads(void *unused)
{
	enum { THREADS = 300 };
	pthread_attr_t small;
	(void)unused;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 << 10);
	for (int i = 0; i < THREADS; i++) {
		pthread_t thread;
		CHECK_EQ(pthread_create(&thread, &small, read_for_ever, NULL), 0);
	}
	limit_memory(true);
	STORE(&go, 1);
	while (LOAD(&entered) < THREADS)
		nap(100);
}

static void a_thread_without_memory_for_its_record_is_told(void)
{
	if (!test_memory_is_ours())
		SKIP("limits on memory would hit what the test runs under");
	struct ended ended = in_child(read_in_too_many_threads, NULL);
	CHECK_FATAL(ended, "no memory for a thread's record (errno 12)");
}

TEST_MAIN(TEST(create_answers_ENOMEM_and_works_again_when_there_is_memory),
	  TEST(a_first_create_without_memory_answers_ENOMEM),
	  TEST(create_answers_ENOMEM_where_mmap_fails),
	  TEST(create_works_where_the_program_has_taken_all_pthread_keys),
	  TEST(first_sections_need_no_memory),
	  TEST(a_perform_that_waits_needs_no_memory),
	  TEST(a_thread_without_memory_for_its_record_is_told))
