// SPDX-License-Identifier: MIT OR Apache-2.0
// A thread that a debugger steps through, one instruction at a time: no section of its ever commits, for every step is an
// interruption. It is served all the same, and its holds count.
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/psref.h>

#include <sys/ptrace.h>

enum { MOST_STEPS = 3000000 };

static struct psref_class *class_;
static struct psref_target target, other;
static struct psref holds[4], copy;
static int tid, left;

// The rest of this process's thread is stepped.
static void be_stepped(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
		_exit(TEST_SKIPPED);
	raise(SIGSTOP);
}

static void step_through(void (*run)(void))
{
	int status;
	long steps = 0;
	if (test_under("valgrind"))
		SKIP("valgrind does not let itself be stepped through");
	class_ = psref_class_create("stepped", 0);
	CHECK(class_ != NULL);
	psref_target_init(&target, class_);
	psref_target_init(&other, class_);
	CHECK_EQ(psref_acquire(&copy, &other, class_), 0); // the first use would be millions of steps
	psref_release(&copy, &other, class_);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		be_stepped();
		run();
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
	psref_target_destroy(&target, class_);
	psref_target_destroy(&other, class_);
	psref_class_destroy(class_);
}

static void hold_all(void)
{
	for (unsigned i = 0; i < COUNT(holds); i++)
		CHECK_EQ(psref_acquire(&holds[i], &target, class_), 0);
	CHECK(psref_held(&target, class_));
	psref_copy(&copy, &holds[0], class_);
	for (unsigned i = 0; i < COUNT(holds); i++)
		psref_release(&holds[i], &target, class_);
	CHECK(psref_held(&target, class_));
	psref_release(&copy, &target, class_);
	CHECK(!psref_held(&target, class_));
	psref_target_drain(&target, class_);
	CHECK_EQ(psref_acquire(&holds[0], &target, class_), ENOENT);
}

static void a_stepped_thread_acquires_copies_releases_and_drains(void)
{
	step_through(hold_all);
}

static void *drain(void *unused)
{
	STORE(&tid, thread_id());
	psref_target_drain(&target, class_);
	CHECK_EQ(LOAD(&left), 0);
	return unused;
}

static void hold_against_a_drain(void)
{
	CHECK_EQ(psref_acquire(&holds[0], &target, class_), 0);
	STORE(&left, 1);
	pthread_t drainer = start(drain, NULL);
	while (!LOAD((unsigned char *)&target.prt_draining))
		sched_yield();
	psref_copy(&copy, &holds[0], class_);
	psref_release(&holds[0], &target, class_);
	for (int i = 0; i < 100; i++)
		sched_yield();
	STORE(&left, 0);
	psref_release(&copy, &target, class_);
	join(drainer);
}

static void a_drain_waits_for_a_stepped_thread(void)
{
	setenv("PSREF_DRAIN_WARN", "3600", 1);
	step_through(hold_against_a_drain);
}

TEST_MAIN(TEST(a_stepped_thread_acquires_copies_releases_and_drains),
	  TEST(a_drain_waits_for_a_stepped_thread))
