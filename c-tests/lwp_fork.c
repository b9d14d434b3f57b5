// SPDX-License-Identifier: MIT OR Apache-2.0
// A forked child keeps what its own thread has; virtual CPUs of threads that did not come along are free, and helpers start again.
#define TEST_BINDS_ITSELF 1
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/kmutex.h>
#include <psref/percpu.h>
#include <psref/xcall.h>

enum { MOST = 256 };

static percpu_t *pc;
static int holding, may_end, runs;

static void *have_a_reference(void *unused)
{
	percpu_getref(pc);
	ADD(&holding, 1);
	wait_until_set(&may_end);
	percpu_putref(pc);
	return unused;
}

static void *want_one(void *unused)
{
	psref_kpreempt_disable();
	psref_kpreempt_enable();
	return unused;
}

static void note(void *first, void *second)
{
	(void)second;
	ADD((int *)first, 1);
}

static void use_all(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < 100; i++) {
		(*(int *)percpu_getref(pc))++;
		percpu_putref(pc);
	}
	elsewhere(want_one, NULL);
	xc_wait(xc_broadcast(0, note, &runs, NULL));
	xc_barrier(XC_HIGHPRI);
	CHECK_EQ(runs, (int)psref_ncpu());
}

static void cpus_of_vanished_threads_are_free_in_a_child(void)
{
	pthread_t holders[MOST];
	unsigned n = psref_ncpu();
	if (n > MOST)
		SKIP("more CPUs than the test has threads for");
	no_second_look();
	pc = percpu_alloc(sizeof(int));
	for (unsigned i = 0; i < n; i++)
		holders[i] = start(have_a_reference, NULL);
	while (LOAD(&holding) < (int)n)
		sched_yield();
	struct ended ended = in_child(use_all, NULL);
	CHECK_EXITED(ended);
	STORE(&may_end, 1);
	for (unsigned i = 0; i < n; i++)
		join(holders[i]);
}

static struct cpu_info *mine;

static void keep(void *unused)
{
	(void)unused;
	CHECK(psref_kpreempt_disabled());
	CHECK(psref_curcpu() == mine);
	percpu_putref(pc);
	CHECK(!psref_kpreempt_disabled());
	use_all(NULL);
}

static void a_child_keeps_the_cpu_of_its_own_thread(void)
{
	no_second_look();
	pc = percpu_alloc(sizeof(int));
	percpu_getref(pc);
	mine = psref_curcpu();
	struct ended ended = in_child(keep, NULL);
	CHECK_EXITED(ended);
	percpu_putref(pc);
}

static void helpers_start_again_in_a_child_and_its_child(void)
{
	no_second_look();
	pc = percpu_alloc(sizeof(int));
	xc_barrier(0);
	xc_barrier(XC_HIGHPRI);
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		use_all(NULL);
		STORE(&runs, 0);
		struct ended ended = in_child(use_all, NULL);
		CHECK_EXITED(ended);
		_exit(0);
	}
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	use_all(NULL);
}

static int entered, may_go_on;

static void linger(void *first, void *second)
{
	(void)second;
	ADD(&entered, 1);
	wait_until_set(&may_go_on);
	ADD((int *)first, 1);
}

static uint64_t ticket;

static void wait_for_own_call(void *unused)
{
	(void)unused;
	STORE(&may_go_on, 1);
	xc_wait(ticket); // runs again where it had not returned
	CHECK_EQ(runs, (int)psref_ncpu());
	xc_barrier(0);
}

static void a_call_under_way_is_finished_in_a_child_by_new_helpers(void)
{
	no_second_look();
	ticket = xc_broadcast(0, linger, &runs, NULL);
	wait_until_set(&entered);
	struct ended ended = in_child(wait_for_own_call, NULL);
	CHECK_EXITED(ended);
	STORE(&may_go_on, 1);
	xc_wait(ticket);
	CHECK_EQ(runs, (int)psref_ncpu());
}

static void *call(void *unused)
{
	STORE(&holding, 1);
	xc_wait(xc_broadcast(0, linger, &runs, NULL));
	return unused;
}

static void forget_anothers_call(void *unused)
{
	(void)unused;
	xc_barrier(0);
	CHECK_EQ(runs, 0);
}

static void calls_of_vanished_threads_are_forgotten_in_a_child(void)
{
	no_second_look();
	pthread_t caller = start(call, NULL);
	wait_until_set(&entered);
	struct ended ended = in_child(forget_anothers_call, NULL);
	CHECK_EXITED(ended);
	STORE(&may_go_on, 1);
	join(caller);
}

static void *si;

static void handler(void *unused)
{
	(void)unused;
	ADD(&runs, 1);
}

static void schedule_in_child(void *unused)
{
	(void)unused;
	psref_softint_schedule(si);
	wait_until_set(&runs);
	psref_softint_disestablish(si);
}

static void software_interrupts_run_in_a_child(void)
{
	no_second_look();
	CHECK((si = psref_softint_establish(PSREF_SOFTINT_NET, handler, NULL)) != NULL);
	struct ended ended = in_child(schedule_in_child, NULL);
	CHECK_EXITED(ended);
	CHECK_EQ(runs, 0);
	schedule_in_child(NULL);
}

static int linger_in_handler_begun;

static void linger_in_handler(void *unused)
{
	(void)unused;
	STORE(&linger_in_handler_begun, 1);
	wait_until_set(&may_go_on);
}

static void disestablish_in_child(void *unused)
{
	(void)unused;
	psref_softint_disestablish(si); // its handler runs in the parent alone
}

static void handlers_that_vanished_are_not_waited_for(void)
{
	no_second_look();
	CHECK((si = psref_softint_establish(PSREF_SOFTINT_NET, linger_in_handler, NULL)) != NULL);
	psref_softint_schedule(si);
	wait_until_set(&linger_in_handler_begun);
	struct ended ended = in_child(disestablish_in_child, NULL);
	CHECK_EXITED(ended);
	STORE(&may_go_on, 1);
	psref_softint_disestablish(si);
}

static int forked;

// The child's only thread is the helper itself.
static void fork_in_function(void *first, void *second)
{
	(void)first;
	(void)second;
	if (ADD(&forked, 1) != 0)
		return;
	fflush(NULL);
	pid_t child = fork();
	if (child == 0) {
		psref_kpreempt_disable();
		psref_kpreempt_enable();
		_exit(psref_kpreempt_disabled() ? 0 : 1);
	}
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void a_function_of_a_cross_call_may_fork(void)
{
	no_second_look();
	for (unsigned flags = 0; flags < 2; flags++) {
		STORE(&forked, 0);
		xc_wait(xc_broadcast(flags, fork_in_function, NULL, NULL));
		CHECK_EQ(forked, (int)psref_ncpu());
	}
}

static void *count_for_ever(void *unused)
{
	while (!LOAD(&may_end)) {
		(*(int *)percpu_getref(pc))++;
		percpu_putref(pc);
		xc_barrier(0);
	}
	return unused;
}

static void forks_in_the_middle_of_everything_leave_children_that_work(void)
{
	pthread_t threads[3];
	if (test_under("asan"))
		SKIP("threads in a child can wait for ever for gcc's sanitizer runtime");
	no_second_look();
	pc = percpu_alloc(sizeof(int));
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(count_for_ever, NULL);
	for (unsigned i = 0; i < test_turns(100); i++) {
		struct ended ended = in_child(use_all, NULL);
		CHECK_EXITED(ended);
	}
	STORE(&may_end, 1);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
}

TEST_MAIN(TEST(cpus_of_vanished_threads_are_free_in_a_child),
	  TEST(a_child_keeps_the_cpu_of_its_own_thread),
	  TEST(helpers_start_again_in_a_child_and_its_child),
	  TEST(a_call_under_way_is_finished_in_a_child_by_new_helpers),
	  TEST(calls_of_vanished_threads_are_forgotten_in_a_child),
	  TEST(software_interrupts_run_in_a_child),
	  TEST(handlers_that_vanished_are_not_waited_for),
	  TEST(a_function_of_a_cross_call_may_fork),
	  TEST(forks_in_the_middle_of_everything_leave_children_that_work))
