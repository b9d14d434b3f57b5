// SPDX-License-Identifier: MIT OR Apache-2.0
// A forked child has one thread. The read sections of the others are gone with them, its own are not.
#include "test.h"
#include "threads.h"

#include <psref/pserialize.h>

enum { READERS = 4 };

static pserialize_t psz;
static int entered, may_end, storming, tid, left, back;

static pid_t fork_or_fail(void)
{
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		FAIL("fork: %s", strerror(errno));
	return child;
}

static void expect_success(pid_t child)
{
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL("a child ended with wait status %#x", (unsigned)status);
}

static void *read_until_told(void *number)
{
	pin((unsigned)(uintptr_t)number);
	int s = pserialize_read_enter(), t = pserialize_read_enter();
	ADD(&entered, 1);
	wait_until_set(&may_end);
	pserialize_read_exit(t);
	pserialize_read_exit(s);
	return NULL;
}

static void begin(pthread_t *readers)
{
	no_second_look();
	cpu_number(0);
	psz = pserialize_create();
	CHECK(psz != NULL);
	for (unsigned i = 0; i < READERS; i++)
		readers[i] = start(read_until_told, (void *)(uintptr_t)i);
	while (LOAD(&entered) < READERS)
		sched_yield();
}

static void end(const pthread_t *readers)
{
	STORE(&may_end, 1);
	for (unsigned i = 0; i < READERS; i++)
		join(readers[i]);
	pserialize_perform(psz);
	pserialize_destroy(psz);
}

static void read_and_perform(void)
{
	CHECK(pserialize_not_in_read_section());
	int s = pserialize_read_enter();
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(s);
	pserialize_perform(psz);
	pserialize_perform(NULL);
}

static void a_child_does_not_wait_for_sections_of_threads_that_vanished(void)
{
	pthread_t readers[READERS];
	begin(readers);
	for (int turn = 0; turn < 20; turn++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			read_and_perform();
			pserialize_destroy(psz);
			_exit(0);
		}
		expect_success(child);
	}
	end(readers);
}

static void a_child_of_a_program_that_has_only_read_does_not_wait_either(void)
{
	pthread_t reader = start(read_until_told, (void *)(uintptr_t)1);
	no_second_look();
	wait_until_set(&entered);
	pid_t child = fork_or_fail();
	if (child == 0) {
		read_and_perform();
		_exit(0);
	}
	expect_success(child);
	STORE(&may_end, 1);
	join(reader);
}

static void *perform(void *unused)
{
	STORE(&tid, thread_id());
	pserialize_perform(psz);
	CHECK_EQ(LOAD(&left), 1);
	STORE(&back, 1);
	return unused;
}

// The forking thread's own section goes on in the child: a perform there waits for it.
static void read_fork_and_go_on(void)
{
	int s = pserialize_read_enter(), t = pserialize_read_enter();
	pid_t child = fork_or_fail();
	if (child == 0) {
		CHECK(pserialize_in_read_section());
		pthread_t performer = start(perform, NULL);
		wait_until_asleep(&tid);
		pserialize_read_exit(t);
		wait_until_asleep(&tid);
		CHECK_EQ(LOAD(&back), 0);
		STORE(&left, 1);
		pserialize_read_exit(s);
		join(performer);
		read_and_perform();
		_exit(0);
	}
	expect_success(child);
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(t);
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(s);
	CHECK(pserialize_not_in_read_section());
}

static void a_childs_own_section_is_waited_for(void)
{
	pthread_t readers[READERS];
	begin(readers);
	read_fork_and_go_on();
	end(readers);
}

static void *read_fork_and_go_on_here(void *unused)
{
	read_fork_and_go_on();
	return unused;
}

static void a_childs_own_section_is_waited_for_whichever_thread_forks(void)
{
	pthread_t readers[READERS];
	begin(readers);
	elsewhere(read_fork_and_go_on_here, NULL);
	end(readers);
}

static void the_parent_does_not_notice(void)
{
	pthread_t readers[READERS];
	begin(readers);
	pid_t child = fork_or_fail();
	if (child == 0) {
		read_and_perform();
		_exit(0);
	}
	expect_success(child);
	pthread_t performer = start(perform, NULL);
	wait_until_asleep(&tid);
	CHECK_EQ(LOAD(&back), 0); // the child performed for itself
	STORE(&left, 1);
	STORE(&may_end, 1);
	join(performer);
	end(readers);
}

static void *perform_too(void *unused)
{
	pserialize_perform(psz);
	return unused;
}

// One thread leads a perform and one follows it when the process forks: in the child nobody does.
static void fork_while_performs_sleep(void)
{
	pthread_t readers[READERS];
	begin(readers);
	pthread_t leader = start(perform, NULL);
	wait_until_asleep(&tid);
	pthread_t follower = start(perform_too, NULL);
	nap(2000);
	for (int turn = 0; turn < 20; turn++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			read_and_perform();
			pid_t grandchild = fork_or_fail();
			if (grandchild == 0) {
				read_and_perform();
				_exit(0);
			}
			expect_success(grandchild);
			STORE(&left, 1);
			elsewhere(perform, NULL);
			_exit(0);
		}
		expect_success(child);
	}
	CHECK_EQ(LOAD(&back), 0);
	STORE(&left, 1);
	STORE(&may_end, 1);
	join(leader);
	join(follower);
	end(readers);
}

static void *end_inside(void *unused)
{
	pserialize_read_enter();
	return unused;
}

static void a_child_does_not_wait_for_a_thread_that_had_ended_inside(void)
{
	no_second_look();
	psz = pserialize_create();
	elsewhere(end_inside, NULL);
	pid_t child = fork_or_fail();
	if (child == 0) {
		read_and_perform();
		_exit(0);
	}
	expect_success(child);
}

// A storm, so that a fork meets every step of an enter, an exit and a perform.
static void *storm(void *number)
{
	while (LOAD(&storming)) {
		pserialize_read_exit(pserialize_read_enter());
		if (number != NULL)
			pserialize_perform(psz);
	}
	return NULL;
}

static void *read_and_perform_here(void *unused)
{
	read_and_perform();
	return unused;
}

static void children_of_a_storming_parent_can_do_all(void)
{
	pthread_t threads[4];
	unsigned forks = test_turns(300);
	no_second_look();
	psz = pserialize_create();
	STORE(&storming, 1);
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(storm, (void *)(uintptr_t)(i % 2));
	for (unsigned i = 0; i < forks; i++) {
		int s = i % 2 == 0 ? pserialize_read_enter() : 0;
		pid_t child = fork_or_fail();
		if (child == 0) {
			CHECK_EQ(pserialize_in_read_section(), i % 2 == 0);
			if (i % 2 == 0)
				pserialize_read_exit(s);
			read_and_perform();
			// A thread started here can wait for ever for a lock of gcc's sanitizer runtime that a vanished one had.
			if (i % 8 == 0 && !test_under("asan"))
				elsewhere(read_and_perform_here, NULL);
			pserialize_destroy(psz);
			_exit(0);
		}
		if (i % 2 == 0)
			pserialize_read_exit(s);
		expect_success(child);
	}
	STORE(&storming, 0);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	pserialize_destroy(psz);
}

TEST_MAIN(TEST(a_child_does_not_wait_for_sections_of_threads_that_vanished),
	  TEST(a_child_of_a_program_that_has_only_read_does_not_wait_either),
	  TEST(a_childs_own_section_is_waited_for),
	  TEST(a_childs_own_section_is_waited_for_whichever_thread_forks),
	  TEST(the_parent_does_not_notice),
	  TEST(fork_while_performs_sleep),
	  TEST(a_child_does_not_wait_for_a_thread_that_had_ended_inside),
	  TEST(children_of_a_storming_parent_can_do_all))
