// SPDX-License-Identifier: MIT OR Apache-2.0
// Pop and push make no system call, but for a recall: each is done by a child that may not make one any more (seccomp's strict
// mode kills it at the first). And a thread that a debugger steps through, whose sections never commit, is served all the same.
#include "test.h"
#include "child.h"
#include "threads.h"
#include "objects.h"

#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

enum { OBJECTS = 300, MOST_STEPS = 3000000 };

static struct objpool_head head;
static struct pool_context context;
static void *objects[OBJECTS + 1];

// From here on read, write and exit are all that may be called.
static void be_quiet(void)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		syscall(SYS_exit, TEST_SKIPPED);
}

static void check_quiet(void (*run)(void *))
{
	if (test_under("valgrind"))
		SKIP("valgrind makes system calls of its own");
	make_pool(&head, &context, OBJECTS, 64);
	check_stock(&head, OBJECTS); // a thread's first use is not meant
	struct ended ended = in_child(run, NULL);
	if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == TEST_SKIPPED)
		SKIP("no seccomp here");
	if (!WIFEXITED(ended.status) || WEXITSTATUS(ended.status) != 0)
		FAIL("%s: a system call was made, or an answer was wrong", ending(&ended));
	objpool_free(&head);
}

// exit, not exit_group, which strict mode kills too.
static void leave(bool well)
{
	syscall(SYS_exit, well ? 0 : 1);
}

static void pop_of_an_empty_pool(void *unused)
{
	bool well = true;
	(void)unused;
	// Some objects lay in this CPU's magazine, some in depots; another thread's were recalled.
	CHECK_EQ(objpool_pop_bulk(&head, objects, OBJECTS + 1), OBJECTS);
	CHECK(objpool_pop(&head) == NULL);
	be_quiet();
	for (unsigned i = 0; i < 10000; i++)
		well = well && objpool_pop(&head) == NULL && objpool_pop_bulk(&head, objects, 10) == 0;
	leave(well);
}

static void an_empty_pool_answers_NULL_without_a_system_call(void)
{
	check_quiet(pop_of_an_empty_pool);
}

static void pop_and_push_all(void *unused)
{
	bool well = true;
	(void)unused;
	pin(0);
	CHECK_EQ(objpool_pop_bulk(&head, objects, OBJECTS), OBJECTS);
	CHECK_EQ(objpool_push_bulk(objects, OBJECTS, &head), 0);
	be_quiet();
	for (unsigned turn = 0; turn < 100; turn++) { // past the magazine, to the depots and back
		for (unsigned i = 0; i < OBJECTS; i++)
			well = well && (objects[i] = objpool_pop(&head)) != NULL;
		for (unsigned i = 0; i < OBJECTS; i++)
			well = well && objpool_push(objects[i], &head) == 0;
		well = well && objpool_pop_bulk(&head, objects, OBJECTS) == OBJECTS;
		well = well && objpool_push_bulk(objects, OBJECTS, &head) == 0;
		well = well && objpool_push(&head, &head) == -EINVAL;
	}
	leave(well);
}

static void pop_and_push_make_no_system_call_on_their_CPU(void)
{
	check_quiet(pop_and_push_all);
}

static void count_in_silence(void *unused)
{
	struct objpool_stats stats;
	(void)unused;
	be_quiet();
	leave(objpool_stats(&head, -1, &stats) == 0);
}

static void statistics_make_no_system_call(void)
{
	check_quiet(count_in_silence);
}

// The rest of this process's thread is stepped.
static void be_stepped(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(TEST_SKIPPED);
	raise(SIGSTOP);
}

static void use_stepped(void)
{
	void *bulk[5];
	for (unsigned turn = 0; turn < 3; turn++) {
		void *one = objpool_pop(&head), *other = objpool_pop(&head);
		CHECK(one != NULL && other != NULL && one != other);
		CHECK_EQ(objpool_push(one, &head), 0);
		CHECK_EQ(objpool_pop_bulk(&head, bulk, 5), 5);
		for (unsigned i = 0; i < 5; i++)
			CHECK(bulk[i] != other && (i == 0 || bulk[i] != bulk[i - 1]));
		CHECK_EQ(objpool_push_bulk(bulk, 5, &head), 0);
		CHECK_EQ(objpool_push(other, &head), 0);
	}
	unsigned n = 0;
	while (n <= 10 && (objects[n] = objpool_pop(&head)) != NULL)
		n++;
	CHECK_EQ(n, 10);
}

static void a_stepped_thread_pops_and_pushes(void)
{
	int status;
	long steps = 0;
	if (test_under("valgrind"))
		SKIP("valgrind does not let itself be stepped through");
	make_pool(&head, &context, 10, 64);
	check_stock(&head, 10); // the first use would be millions of steps
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		be_stepped();
		use_stepped();
		_exit(0);
	}
	for (waitpid(child, &status, 0); WIFSTOPPED(status); waitpid(child, &status, 0)) {
		int send = WSTOPSIG(status) == SIGTRAP || WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
		if (++steps > MOST_STEPS) {
			kill(child, SIGKILL);
			FAIL("no end after %d steps", MOST_STEPS);
		}
		if (ptrace(PTRACE_SINGLESTEP, child, NULL, (void *)(intptr_t)send) != 0)
			break;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == TEST_SKIPPED)
		SKIP("no ptrace here");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL("the stepped child ended with wait status %#x", (unsigned)status);
	test_note("%ld steps", steps);
	objpool_free(&head);
}

TEST_MAIN(TEST(an_empty_pool_answers_NULL_without_a_system_call),
	  TEST(pop_and_push_make_no_system_call_on_their_CPU),
	  TEST(statistics_make_no_system_call),
	  TEST(a_stepped_thread_pops_and_pushes))
