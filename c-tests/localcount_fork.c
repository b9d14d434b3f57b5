// SPDX-License-Identifier: MIT OR Apache-2.0
// A forked child has one thread and all the counts: what the threads that did not come along had acquired is counted still,
// and whoever knows of it may release it.
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/localcount.h>

enum { HOLDERS = 4, EACH = 100 };

static struct localcount count, other;
static kmutex_t mutex;
static kcondvar_t cv;
static int holding, may_end, storming, tid;

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

static void begin(void)
{
	cpu_number(0);
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "fork");
	CHECK_EQ(localcount_init(&count), 0);
	CHECK_EQ(localcount_init(&other), 0);
}

static void drain(struct localcount *which)
{
	mutex_enter(&mutex);
	localcount_drain(which, &cv, &mutex);
	mutex_exit(&mutex);
	localcount_fini(which);
}

static void release(unsigned n)
{
	while (n-- > 0)
		localcount_release(&count, &cv, &mutex);
}

static void *hold_many(void *number)
{
	pin((unsigned)(uintptr_t)number);
	for (unsigned i = 0; i < EACH; i++)
		localcount_acquire(&count);
	ADD(&holding, 1);
	wait_until_set(&may_end);
	release(EACH);
	return NULL;
}

static void start_holders(pthread_t *holders)
{
	for (unsigned i = 0; i < HOLDERS; i++)
		holders[i] = start(hold_many, (void *)(uintptr_t)i);
	while (LOAD(&holding) < HOLDERS)
		sched_yield();
}

static void end_holders(const pthread_t *holders)
{
	STORE(&may_end, 1);
	for (unsigned i = 0; i < HOLDERS; i++)
		join(holders[i]);
}

static void *drain_count(void *unused)
{
	STORE(&tid, thread_id());
	drain(&count);
	STORE(&may_end, 2);
	return unused;
}

static void a_child_has_the_references_of_all_threads_and_may_release_them(void)
{
	pthread_t holders[HOLDERS];
	no_second_look();
	begin();
	start_holders(holders);
	for (int turn = 0; turn < 10; turn++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			CHECK_EQ(localcount_debug_refcnt(&count), HOLDERS * EACH);
			CHECK(!localcount_trydrain(&count));
			release(HOLDERS * EACH - 1);
			pthread_t drainer = start(drain_count, NULL);
			wait_until_asleep(&tid);
			CHECK_EQ(LOAD(&may_end), 0);
			release(1);
			join(drainer);
			drain(&other);
			_exit(0);
		}
		expect_success(child);
	}
	CHECK_EQ(localcount_debug_refcnt(&count), HOLDERS * EACH); // the parent's are its own
	end_holders(holders);
	drain(&count);
	drain(&other);
}

static void drain_what_vanished_holds(void *unused)
{
	(void)unused;
	alarm(2); // it waits for ever
	drain(&count);
}

static void a_drain_in_a_child_tells_that_it_may_wait_for_what_is_never_released(void)
{
	pthread_t holders[HOLDERS];
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	begin();
	start_holders(holders);
	struct ended ended = in_child(drain_what_vanished_holds, NULL);
	CHECK(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGALRM);
	CHECK(strstr(ended.words, "for 400 reference(s); this process was forked: what threads that did not come along had acquired is "
				  "never released") != NULL);
	CHECK(has_address(ended.words, &count));
	end_holders(holders);
}

static void fork_while_a_drain_sleeps(void)
{
	no_second_look();
	begin();
	localcount_acquire(&count);
	pthread_t drainer = start(drain_count, NULL);
	wait_until_asleep(&tid);
	for (int turn = 0; turn < 20; turn++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			CHECK_EQ(localcount_debug_refcnt(&count), 1);
			localcount_release(&count, &cv, &mutex);
			if (turn % 2 == 0)
				drain(&count); // the vanished drain's goes on here
			drain(&other);
			_exit(0);
		}
		expect_success(child);
	}
	CHECK_EQ(LOAD(&may_end), 0);
	localcount_release(&count, &cv, &mutex);
	join(drainer);
	drain(&other);
}

// A storm: references held for moments, so that a fork meets every step of an acquire and a release.
static void *storm(void *unused)
{
	while (LOAD(&storming)) {
		localcount_acquire(&count);
		localcount_acquire(&other);
		localcount_release(&count, &cv, &mutex);
		localcount_release(&other, &cv, &mutex);
	}
	return unused;
}

static void *use_other(void *unused)
{
	for (int i = 0; i < 100; i++) {
		localcount_acquire(&other);
		localcount_release(&other, &cv, &mutex);
	}
	return unused;
}

static void children_of_a_storming_parent_can_do_all(void)
{
	pthread_t threads[4];
	unsigned forks = test_turns(200);
	no_second_look();
	begin();
	STORE(&storming, 1);
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(storm, NULL);
	for (unsigned i = 0; i < forks; i++) {
		localcount_acquire(&count);
		pid_t child = fork_or_fail();
		if (child == 0) {
			uint32_t left = localcount_debug_refcnt(&count);
			// Its own, and one of each vanished thread's at most.
			CHECK(left >= 1 && left <= 1 + COUNT(threads));
			release(left);
			CHECK(localcount_trydrain(&count));
			localcount_fini(&count);
			for (left = localcount_debug_refcnt(&other); left > 0; left--)
				localcount_release(&other, &cv, &mutex);
			// A thread started here can wait for ever for a lock of gcc's sanitizer runtime that a vanished one had.
			if (i % 8 == 0 && !test_under("asan"))
				elsewhere(use_other, NULL);
			drain(&other);
			CHECK_EQ(localcount_init(&count), 0);
			localcount_acquire(&count);
			release(1);
			drain(&count);
			_exit(0);
		}
		expect_success(child);
		release(1);
	}
	STORE(&storming, 0);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	CHECK_EQ(localcount_debug_refcnt(&count), 0);
	drain(&count);
	drain(&other);
}

TEST_MAIN(TEST(a_child_has_the_references_of_all_threads_and_may_release_them),
	  TEST(a_drain_in_a_child_tells_that_it_may_wait_for_what_is_never_released),
	  TEST(fork_while_a_drain_sleeps),
	  TEST(children_of_a_storming_parent_can_do_all))
