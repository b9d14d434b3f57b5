// SPDX-License-Identifier: MIT OR Apache-2.0
// What was retired before a fork is the child's too, and the thread that sees to it starts there again on use.
#include "test.h"
#include "threads.h"

#include <psref.h>

enum { THINGS = 100 };

static struct psref_class *class_;
static struct psref_target targets[THINGS];
static struct psref hold;
static int called, entered, may_go;

static void count(void *place)
{
	ADD((int *)place, 1);
}

static void set_up(void)
{
	no_second_look();
	class_ = psref_class_create("forked", IPL_SOFTNET);
	for (int i = 0; i < THINGS; i++)
		psref_target_init(&targets[i], class_);
}

static void retire_all(void)
{
	for (int i = 0; i < THINGS; i++)
		CHECK_EQ(psref_target_retire(&targets[i], class_, count, &called), 0);
}

// A helper may be starting here, and will start in the child.
static pid_t fork_or_fail(void)
{
	if (test_under("asan"))
		SKIP("threads in a child can wait for ever for gcc's sanitizer runtime");
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

// In parent and child: everything comes to its end once, and so does something new.
static void finish(int expected)
{
	psref_retire_barrier();
	CHECK_EQ(LOAD(&called), expected);
	psref_target_init(&targets[0], class_);
	CHECK_EQ(psref_target_retire(&targets[0], class_, count, &called), 0);
	psref_retire_barrier();
	CHECK_EQ(LOAD(&called), expected + 1);
	psref_class_destroy(class_);
}

static void in_both(int expected)
{
	pid_t child = fork_or_fail();
	if (child == 0) {
		finish(expected);
		_exit(0);
	}
	expect_success(child);
	finish(expected);
}

static void what_waited_for_readers_ends_in_both(void)
{
	set_up();
	int s = pserialize_read_enter();
	retire_all();
	CHECK_EQ(LOAD(&called), 0);
	pid_t child = fork_or_fail();
	pserialize_read_exit(s);
	finish(THINGS);
	if (child == 0)
		_exit(0);
	expect_success(child);
}

static void what_was_held_ends_in_both(void)
{
	set_up();
	CHECK_EQ(psref_acquire(&hold, &targets[7], class_), 0);
	retire_all();
	while (LOAD(&called) != THINGS - 1)
		sched_yield();
	pid_t child = fork_or_fail();
	psref_release(&hold, &targets[7], class_);
	finish(THINGS);
	if (child == 0)
		_exit(0);
	expect_success(child);
}

static void *hold_until_told(void *unused)
{
	CHECK_EQ(psref_acquire(&hold, &targets[3], class_), 0);
	STORE(&entered, 1);
	wait_until_set(&may_go);
	psref_release(&hold, &targets[3], class_);
	return unused;
}

static void holds_of_threads_that_are_not_there_delay_nothing_in_the_child(void)
{
	set_up();
	pthread_t holder = start(hold_until_told, NULL);
	wait_until_set(&entered);
	retire_all();
	pid_t child = fork_or_fail();
	if (child == 0) {
		finish(THINGS);
		_exit(0);
	}
	expect_success(child);
	STORE(&may_go, 1);
	join(holder);
	finish(THINGS);
}

static void a_child_may_poll_what_its_parent_polled(void)
{
	set_up();
	psref_retire_poll();
	retire_all();
	in_both(THINGS);
}

static void count_and_linger(void *place)
{
	ADD((int *)place, 1);
	STORE(&entered, 1);
	wait_until_set(&may_go);
}

// The function that another thread is in is the parent's.
static void a_function_under_way_is_not_called_again(void)
{
	set_up();
	CHECK_EQ(pserialize_call(count_and_linger, &called), 0);
	wait_until_set(&entered);
	retire_all();
	pid_t child = fork_or_fail();
	STORE(&may_go, 1);
	finish(THINGS + 1);
	if (child == 0)
		_exit(0);
	expect_success(child);
}

static int child_of_function;

// The child's only thread is the one that sees to things. Batches pass until everything was called, and some more: what is called
// twice shows.
static void end_child(void *unused)
{
	static int more = 5;
	if (LOAD(&called) < THINGS || more-- > 0)
		CHECK_EQ(pserialize_call(end_child, unused), 0);
	else
		_exit(LOAD(&called) == THINGS ? 0 : 1);
}

static void fork_here(void *unused)
{
	pid_t child = fork();
	if (child == 0)
		CHECK_EQ(pserialize_call(end_child, unused), 0);
	else
		STORE(&child_of_function, child);
}

// In the midst of a batch.
static void a_function_may_fork_and_its_child_goes_on(void)
{
	set_up();
	int s = pserialize_read_enter();
	for (int i = 0; i < THINGS; i++) {
		if (i == THINGS / 2)
			CHECK_EQ(pserialize_call(fork_here, NULL), 0);
		CHECK_EQ(i % 2 ? pserialize_call(count, &called)
		               : psref_target_retire(&targets[i], class_, count, &called), 0);
	}
	pserialize_read_exit(s);
	psref_retire_barrier();
	expect_success(child_of_function);
	for (int i = 1; i < THINGS; i += 2)
		CHECK_EQ(psref_target_retire(&targets[i], class_, count, &called), 0);
	finish(THINGS + THINGS / 2);
}

// Whenever the fork comes, everything comes to its end once on either side.
static void *storm(void *unused)
{
	while (LOAD(&may_go) == 0) {
		static struct psref_target many[64];
		for (int i = 0; i < 64; i++) {
			psref_target_init(&many[i], class_);
			CHECK_EQ(psref_target_retire(&many[i], class_, count, &called), 0);
		}
		psref_retire_barrier();
	}
	return unused;
}

static void a_child_of_any_moment_retires(void)
{
	set_up();
	pthread_t stormer = start(storm, NULL);
	for (unsigned i = 0; i < test_turns(200); i++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			int before;
			psref_retire_barrier();
			before = LOAD(&called);
			retire_all();
			psref_retire_barrier();
			CHECK_EQ(LOAD(&called) - before, THINGS);
			_exit(0);
		}
		expect_success(child);
	}
	STORE(&may_go, 1);
	join(stormer);
}

TEST_MAIN(TEST(what_waited_for_readers_ends_in_both), TEST(what_was_held_ends_in_both),
    TEST(holds_of_threads_that_are_not_there_delay_nothing_in_the_child), TEST(a_child_may_poll_what_its_parent_polled),
    TEST(a_function_under_way_is_not_called_again), TEST(a_function_may_fork_and_its_child_goes_on),
    TEST(a_child_of_any_moment_retires))
