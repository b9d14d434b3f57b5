// SPDX-License-Identifier: MIT OR Apache-2.0
// Callers' bugs with read sections and handles: each done in a forked child, which must die by abort() with a message. And
// performs that take long, which only tell who is inside.
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/pserialize.h>

static pserialize_t psz, gone;
static int tid, go_on;

static void set_up(void)
{
	psz = pserialize_create();
	gone = pserialize_create();
	CHECK(psz != NULL && gone != NULL);
	pserialize_destroy(gone);
}

static void perform_inside(void *which)
{
	int s;
	alarm(5); // a hang is no answer
	switch ((int)(intptr_t)which) {
	case 0: // with what only this thread has
		pserialize_read_enter();
		pserialize_perform(psz);
		break;
	case 1:
		pserialize_read_enter();
		pserialize_perform(NULL);
		break;
	case 2: // the inner section has ended, the outer has not
		s = pserialize_read_enter();
		pserialize_read_exit(pserialize_read_enter());
		pserialize_perform(psz);
		pserialize_read_exit(s);
		break;
	case 3: // performs before and between do not make it forget
		pserialize_perform(psz);
		s = pserialize_read_enter();
		pserialize_read_exit(s);
		pserialize_perform(psz);
		pserialize_read_enter();
		pserialize_perform(psz);
		break;
	default: break;
	}
}

static void perform_inside_a_section_of_the_thread_is_told_and_does_not_hang(void)
{
	set_up();
	for (intptr_t which = 0; which < 4; which++) {
		struct ended ended = in_child(perform_inside, (void *)which);
		CHECK_FATAL(ended,
			    "pserialize_perform: called inside a read section of this very thread, which it would wait for, expected "
			    "outside");
	}
}

static void perform_in_handler(int signal_number)
{
	(void)signal_number;
	pserialize_perform(psz);
}

static void interrupt_a_section(void *unused)
{
	(void)unused;
	alarm(5);
	handle_with(perform_in_handler, SIGUSR1, 0);
	pserialize_read_enter();
	raise(SIGUSR1);
}

static void perform_in_a_handler_on_top_of_a_section_is_told(void)
{
	test_not_under_qemu("qemu-user enters handlers with a stack that is not aligned");
	set_up();
	struct ended ended = in_child(interrupt_a_section, NULL);
	CHECK_FATAL(ended, "pserialize_perform: called inside a read section of this very thread");
}

static void *exit_only(void *unused)
{
	pserialize_read_exit(0);
	return unused;
}

static void exit_too_often(void *which)
{
	int s, t;
	switch ((int)(intptr_t)which) {
	case 0: pserialize_read_exit(0); break;
	case 1:
		s = pserialize_read_enter();
		pserialize_read_exit(s);
		pserialize_read_exit(s);
		break;
	case 2:
		s = pserialize_read_enter();
		t = pserialize_read_enter();
		pserialize_read_exit(t);
		pserialize_read_exit(s);
		pserialize_read_exit(s);
		break;
	case 3: // a section is its thread's alone
		pserialize_read_enter();
		elsewhere(exit_only, NULL);
		break;
	default: break;
	}
}

static void check_too_often(void)
{
	for (intptr_t which = 0; which < 4; which++) {
		struct ended ended = in_child(exit_too_often, (void *)which);
		CHECK_FATAL(ended, "pserialize_read_exit: mismatching pserialize_read_exit(): this thread is in no read section, expected "
				   "one for every exit");
	}
}

static void a_mismatching_exit_is_told(void)
{
	check_too_often(); // as the first thing a program does
	set_up();
	pserialize_read_exit(pserialize_read_enter());
	check_too_often(); // and when the thread is known
}

static void enter_too_often(void *n)
{
	for (uintptr_t i = (uintptr_t)n; i > 0; i--)
		pserialize_read_enter();
}

static void more_than_65535_sections_in_a_thread_are_told(void)
{
	struct ended ended = in_child(enter_too_often, (void *)(uintptr_t)65535);
	CHECK_EXITED(ended);
	for (int readied = 0; readied < 2; readied++) {
		ended = in_child(enter_too_often, (void *)(uintptr_t)65536);
		CHECK_FATAL(ended, "pserialize_read_enter: 65535 read sections are open in this thread, expected fewer: is an exit missing?");
		set_up();
	}
}

static void with_no_handle(void *which)
{
	static uint64_t garbage[64];
	switch ((int)(intptr_t)which) {
	case 0: pserialize_destroy(gone); break;
	case 1: pserialize_perform(gone); break;
	case 2: pserialize_destroy((pserialize_t)(void *)garbage); break;
	case 3: pserialize_perform((pserialize_t)(void *)garbage); break;
	case 4: pserialize_perform((pserialize_t)(void *)((char *)(void *)psz + 1)); break;
	case 5:
		pserialize_destroy(psz);
		pserialize_destroy(psz);
		break;
	default: break;
	}
}

static void a_handle_that_is_none_is_told(void)
{
	static const char *const said[] = {
		"pserialize_destroy: pserialize already destroyed: ",
		"pserialize_perform: pserialize already destroyed: ",
		"pserialize_destroy: no pserialize: ",
		"pserialize_perform: no pserialize: ",
		"pserialize_perform: no pserialize: ",
		"pserialize_destroy: pserialize already destroyed: ",
	};
	set_up();
	for (size_t i = 0; i < COUNT(said); i++) {
		struct ended ended = in_child(with_no_handle, (void *)i);
		CHECK_FATAL(ended, said[i]);
		if (i < 2)
			CHECK(has_address(ended.words, gone));
		if (i == 5)
			CHECK(has_address(ended.words, psz));
		if (strstr(said[i], ": no ") != NULL)
			CHECK(strstr(ended.words, ", expected what pserialize_create returned, or NULL") != NULL);
	}
}

static void destroying_NULL_is_nothing(void)
{
	pserialize_destroy(NULL);
	set_up();
	pserialize_destroy(NULL);
	pserialize_destroy(psz);
}

static void *read_until_told(void *its_tid)
{
	int s = pserialize_read_enter();
	STORE((int *)its_tid, thread_id());
	wait_until_set(&go_on);
	pserialize_read_exit(s);
	return NULL;
}

static void *perform(void *unused)
{
	STORE(&tid, thread_id());
	pserialize_perform(psz);
	return unused;
}

// The test's own child writes the thread ids that it expects ahead of the library's words.
static void perform_for_long(void *n)
{
	static int tids[64];
	pthread_t readers[64];
	unsigned count = (unsigned)(uintptr_t)n;
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	for (unsigned i = 0; i < count; i++) {
		readers[i] = start(read_until_told, &tids[i]);
		wait_until_set(&tids[i]);
		fprintf(stderr, "(%d)", tids[i]);
	}
	pthread_t performer = start(perform, NULL);
	nap(350000);
	STORE(&go_on, 1);
	join(performer);
	for (unsigned i = 0; i < count; i++)
		join(readers[i]);
}

static void a_perform_that_takes_long_names_the_threads_that_are_inside(void)
{
	static const unsigned counts[] = { 1, 2, 16, 20 };
	set_up();
	for (unsigned i = 0; i < COUNT(counts); i++) {
		struct ended ended = in_child(perform_for_long, (void *)(uintptr_t)counts[i]);
		CHECK_EXITED(ended);
		char *words = strstr(ended.words, "psref: pserialize_perform has waited 0 s for read sections of:\n");
		CHECK(words != NULL);
		// On a slow machine there is another report, when some have left and others are named.
		char *again = strstr(words + 1, "psref: pserialize_perform has waited");
		if (again != NULL)
			*again = '\0';
		unsigned named = 0;
		for (char *place = ended.words; (place = strchr(place, '(')) != NULL && place < words; place++) {
			char line[64];
			snprintf(line, sizeof line, "psref:   thread %d\n", atoi(place + 1));
			named += strstr(words, line) != NULL;
		}
		CHECK_EQ(named, counts[i] < 16 ? counts[i] : 16);
		CHECK_EQ(strstr(words, "psref:   and 4 more\n") != NULL, counts[i] == 20);
		CHECK_EQ(strstr(words, " more\n") != NULL, counts[i] == 20);
	}
}

static void wait_for_another_perform(void *unused)
{
	static int its_tid;
	(void)unused;
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	pthread_t reader = start(read_until_told, &its_tid);
	wait_until_set(&its_tid);
	pthread_t leader = start(perform, NULL), follower;
	wait_until_asleep(&tid);
	follower = start(perform, NULL);
	nap(350000);
	STORE(&go_on, 1);
	join(leader);
	join(follower);
	join(reader);
}

static void a_perform_that_waits_for_another_tells_that(void)
{
	set_up();
	struct ended ended = in_child(wait_for_another_perform, NULL);
	CHECK_EXITED(ended);
	CHECK(strstr(ended.words, "psref: pserialize_perform has waited 0 s for another that is under way\n") != NULL);
	CHECK(strstr(ended.words, "psref: pserialize_perform has waited 0 s for read sections of:\n") != NULL);
}

static void *end_inside(void *its_tid)
{
	STORE((int *)its_tid, thread_id());
	pserialize_read_enter();
	return NULL;
}

static void perform_after_a_thread_ended_inside(void *unused)
{
	static int its_tid;
	(void)unused;
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	elsewhere(end_inside, &its_tid);
	fprintf(stderr, "psref:   thread %d, which ended inside: for ever\n;", its_tid);
	alarm(1);
	pserialize_perform(psz);
}

static void a_thread_that_ended_inside_is_waited_for_for_ever_and_named(void)
{
	set_up();
	struct ended ended = in_child(perform_after_a_thread_ended_inside, NULL);
	CHECK(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGALRM);
	char *words = strchr(ended.words, ';'), expected[80];
	CHECK(words != NULL);
	snprintf(expected, sizeof expected, "%.*s", (int)(words - ended.words), ended.words);
	if (strstr(words, expected) == NULL)
		FAIL("no \"%s\" in: %.300s", expected, words);
}

TEST_MAIN(TEST(perform_inside_a_section_of_the_thread_is_told_and_does_not_hang),
	  TEST(perform_in_a_handler_on_top_of_a_section_is_told),
	  TEST(a_mismatching_exit_is_told),
	  TEST(more_than_65535_sections_in_a_thread_are_told),
	  TEST(a_handle_that_is_none_is_told),
	  TEST(destroying_NULL_is_nothing),
	  TEST(a_perform_that_takes_long_names_the_threads_that_are_inside),
	  TEST(a_perform_that_waits_for_another_tells_that),
	  TEST(a_thread_that_ended_inside_is_waited_for_for_ever_and_named))
