// SPDX-License-Identifier: MIT OR Apache-2.0
// The interface of pserialize(9), one behaviour a test, but for performs that wait: those are in pserialize_perform.c.
#include <psref/pserialize.h>
#include <psref/pserialize.h>

// Nothing but the header stands above: what it needs it includes.
static pserialize_t alone;
static struct pserialize **same = &alone;

#include "test.h"
#include "threads.h"

static void the_functions_have_the_types_of_the_manual(void)
{
	pserialize_t (*volatile create)(void) = pserialize_create;
	void (*volatile destroy)(pserialize_t) = pserialize_destroy;
	void (*volatile perform)(pserialize_t) = pserialize_perform;
	int (*volatile enter)(void) = pserialize_read_enter;
	void (*volatile exit_)(int) = pserialize_read_exit;
	bool (*volatile in)(void) = pserialize_in_read_section;
	bool (*volatile not_in)(void) = pserialize_not_in_read_section;
	alone = create();
	CHECK(*same != NULL);
	CHECK(!in() && not_in());
	int s = enter();
	CHECK(in() && !not_in());
	exit_(s);
	CHECK(!in() && not_in());
	perform(alone);
	destroy(alone);
}

static void sections_nest_and_end_in_reverse_order(void)
{
	enum { DEEP = 1000 };
	static int s[DEEP];
	alone = pserialize_create();
	for (int turn = 0; turn < 10; turn++) {
		for (int depth = 0; depth < DEEP; depth++) {
			CHECK_EQ(pserialize_in_read_section(), depth > 0);
			s[depth] = pserialize_read_enter();
			CHECK(pserialize_in_read_section());
		}
		for (int depth = DEEP; depth-- > 0;) {
			CHECK(pserialize_in_read_section());
			pserialize_read_exit(s[depth]);
			CHECK_EQ(pserialize_not_in_read_section(), depth == 0);
		}
		pserialize_perform(alone); // another sequence
	}
	pserialize_destroy(alone);
}

static void sections_nest_65535_deep(void)
{
	for (int turn = 0; turn < 3; turn++) {
		for (int depth = 0; depth < 65535; depth++)
			CHECK_EQ(pserialize_read_enter(), 0);
		for (int depth = 65535; depth > 0; depth--) {
			CHECK(pserialize_in_read_section());
			pserialize_read_exit(0);
		}
		CHECK(pserialize_not_in_read_section());
		pserialize_perform(NULL); // whoever lost count would be told
	}
}

static void *look(void *inside)
{
	*(bool *)inside = pserialize_in_read_section() || !pserialize_not_in_read_section();
	return NULL;
}

static void a_section_is_its_threads_alone(void)
{
	bool inside = true;
	int s = pserialize_read_enter();
	elsewhere(look, &inside);
	CHECK(!inside);
	pserialize_read_exit(s);
}

static void NULL_may_be_performed_with_before_any_create(void)
{
	for (int i = 0; i < 100; i++) {
		pserialize_perform(NULL);
		pserialize_read_exit(pserialize_read_enter());
	}
}

static void sections_may_come_before_everything_else(void)
{
	int s = pserialize_read_enter(), t = pserialize_read_enter();
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(t);
	pserialize_read_exit(s);
	CHECK(pserialize_not_in_read_section());
	alone = pserialize_create();
	pserialize_perform(alone);
	s = pserialize_read_enter();
	pserialize_read_exit(s);
	pserialize_perform(alone);
	pserialize_destroy(alone);
}

static void perform_where_nobody_is_inside_does_not_wait(void)
{
	unsigned turns = test_turns(10000);
	alone = pserialize_create();
	double began = seconds();
	for (unsigned turn = 0; turn < turns; turn++) {
		pserialize_read_exit(pserialize_read_enter());
		pserialize_perform(alone);
	}
	test_note("%.2f us a perform with nobody inside", (seconds() - began) / turns * 1e6);
	pserialize_destroy(alone);
}

static void handles_are_distinct_and_each_can_be_used(void)
{
	static pserialize_t handles[1000];
	for (int turn = 0; turn < 3; turn++) {
		for (unsigned i = 0; i < COUNT(handles); i++) {
			handles[i] = pserialize_create();
			CHECK(handles[i] != NULL);
			for (unsigned other = 0; other < i; other++)
				CHECK(handles[i] != handles[other]);
		}
		for (unsigned i = 0; i < COUNT(handles); i++) {
			pserialize_perform(handles[i]);
			pserialize_destroy(handles[i]);
		}
	}
}

static void handles_come_and_go_in_the_same_memory(void)
{
	unsigned turns = test_turns(100000);
	pserialize_destroy(pserialize_create());
	struct footprint before = footprint_now();
	for (unsigned turn = 0; turn < turns; turn++) {
		alone = pserialize_create();
		if (turn % 16 == 0)
			pserialize_perform(alone);
		pserialize_destroy(alone);
	}
	check_footprint("handles", turns, before);
}

static void errno_stays_as_it_was(void)
{
	errno = 4711;
	int s = pserialize_read_enter(); // the first
	CHECK_EQ(errno, 4711);
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(s);
	CHECK_EQ(errno, 4711);
	alone = pserialize_create();
	errno = 4711;
	for (int i = 0; i < 3; i++) {
		pserialize_read_exit(pserialize_read_enter());
		CHECK_EQ(errno, 4711);
	}
	pserialize_destroy(alone);
}

// Threads that read, and end.
static void *read_once(void *unused)
{
	CHECK(pserialize_not_in_read_section());
	int s = pserialize_read_enter(), t = pserialize_read_enter();
	pserialize_read_exit(t);
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(s);
	return unused;
}

static void threads_live_and_die(unsigned n)
{
	pthread_t some[8];
	for (unsigned born = 0; born < n; born += (unsigned)COUNT(some)) {
		for (unsigned i = 0; i < COUNT(some); i++)
			some[i] = start(read_once, NULL);
		if (born % 64 == 0)
			pserialize_perform(alone); // meets their ends
		for (unsigned i = 0; i < COUNT(some); i++)
			join(some[i]);
	}
}

static void ten_thousand_threads_leave_no_memory_behind(void)
{
	unsigned turns = test_turns(10000);
	alone = pserialize_create();
	threads_live_and_die(64);
	struct footprint before = footprint_now();
	threads_live_and_die(turns);
	check_footprint("threads", turns, before);
	pserialize_perform(alone);
	pserialize_destroy(alone);
}

// The same where a read section is all that the program ever uses: nothing readied what a thread's end needs.
static void threads_of_a_program_that_only_reads_leave_no_memory_behind(void)
{
	unsigned turns = test_turns(3000);
	struct footprint before = { 0, 0 };
	for (unsigned turn = 0; turn < turns + 16; turn++) {
		if (turn == 16)
			before = footprint_now();
		elsewhere(read_once, NULL);
	}
	check_footprint("threads", turns, before);
}

// A key whose destructor reads, perhaps after the library's own destructor has run.
static pthread_key_t key;

static void read_late(void *rounds)
{
	read_once(NULL);
	if ((intptr_t)rounds > 1)
		pthread_setspecific(key, (void *)((intptr_t)rounds - 1));
}

static void *read_and_leave_the_rest_to_the_destructor(void *rounds)
{
	pthread_setspecific(key, rounds);
	return read_once(NULL);
}

static void threads_may_read_in_their_last_destructors(void)
{
	unsigned turns = test_turns(2000);
	struct footprint before = { 0, 0 };
	CHECK_EQ(pthread_key_create(&key, read_late), 0); // before the library's: runs first, then again after it
	alone = pserialize_create();
	for (unsigned turn = 0; turn < turns + 10; turn++) {
		if (turn == 10)
			before = footprint_now();
		elsewhere(read_and_leave_the_rest_to_the_destructor, (void *)(intptr_t)3);
		if (turn % 8 == 0)
			pserialize_perform(alone);
	}
	check_footprint("threads with late destructors", turns, before);
	pserialize_destroy(alone);
}

TEST_MAIN(TEST(the_functions_have_the_types_of_the_manual),
	  TEST(sections_nest_and_end_in_reverse_order),
	  TEST(sections_nest_65535_deep),
	  TEST(a_section_is_its_threads_alone),
	  TEST(NULL_may_be_performed_with_before_any_create),
	  TEST(sections_may_come_before_everything_else),
	  TEST(perform_where_nobody_is_inside_does_not_wait),
	  TEST(handles_are_distinct_and_each_can_be_used),
	  TEST(handles_come_and_go_in_the_same_memory),
	  TEST(errno_stays_as_it_was),
	  TEST(ten_thousand_threads_leave_no_memory_behind),
	  TEST(threads_of_a_program_that_only_reads_leave_no_memory_behind),
	  TEST(threads_may_read_in_their_last_destructors))
