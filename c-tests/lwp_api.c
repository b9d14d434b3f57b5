// SPDX-License-Identifier: MIT OR Apache-2.0
// Threads, CPUs and software interrupts: what each function promises.
#define TEST_BINDS_ITSELF 1
#include "test.h"
#include "threads.h"

#include <sys/time.h>

#include <psref/kmutex.h>
#include <psref/lwp.h>

static void *another(void *lwp)
{
	*(struct lwp **)lwp = psref_curlwp();
	return NULL;
}

static void every_thread_is_another_lwp(void)
{
	struct lwp *mine = psref_curlwp(), *other = NULL;
	CHECK(mine != NULL);
	elsewhere(another, &other);
	CHECK(other != NULL && other != mine);
	CHECK(psref_curlwp() == mine);
}

static void cpus_have_the_numbers_that_are_possible(void)
{
	unsigned n = psref_ncpu();
	CHECK(n >= cpu_count());
	for (unsigned i = 0; i < n; i++) {
		struct cpu_info *ci = psref_cpu_lookup(i);
		CHECK(ci != NULL);
		CHECK_EQ(psref_cpu_index(ci), i);
		CHECK_EQ(ci->ci_index, i);
	}
	CHECK(psref_cpu_lookup(n) == NULL);
	CHECK(psref_cpu_lookup(~0u) == NULL);
}

static void preemption_is_disabled_as_often_as_it_was(void)
{
	CHECK(!psref_kpreempt_disabled());
	psref_kpreempt_disable();
	struct cpu_info *ci = psref_curcpu();
	psref_kpreempt_disable();
	CHECK(psref_kpreempt_disabled());
	CHECK(psref_curcpu() == ci);
	psref_kpreempt_enable();
	CHECK(psref_kpreempt_disabled());
	CHECK(psref_curcpu() == ci);
	psref_kpreempt_enable();
	CHECK(!psref_kpreempt_disabled());
}

// The thread is sent round the CPUs, and says all the while that it is on the first.
static void a_bound_thread_stays_on_its_cpu_wherever_it_runs(void)
{
	cpu_number(0);
	int outer = psref_curlwp_bind();
	CHECK_EQ(outer, 0);
	struct cpu_info *ci = psref_curcpu();
	for (unsigned i = 0; i < 8; i++) {
		pin(i);
		int inner = psref_curlwp_bind();
		CHECK(inner != 0);
		CHECK(psref_curcpu() == ci);
		psref_kpreempt_disable();
		CHECK(psref_curcpu() == ci);
		psref_kpreempt_enable();
		psref_curlwp_bindx(inner);
		CHECK(psref_curcpu() == ci);
	}
	psref_curlwp_bindx(outer);
	pin(1);
	CHECK_EQ(psref_cpu_index(psref_curcpu()), cpu_number(1));
}

static int ready, go, count;

static void *hold_all(void *n)
{
	(void)n;
	psref_kpreempt_disable();
	ADD(&ready, 1);
	wait_until_set(&go);
	psref_kpreempt_enable();
	return NULL;
}

static int waiter_tid;

static void *want_one(void *unused)
{
	STORE(&waiter_tid, thread_id());
	psref_kpreempt_disable();
	CHECK(LOAD(&go));
	ADD(&count, 1);
	psref_kpreempt_enable();
	return unused;
}

// As many as there are have one each; two more wait, and are woken.
static void no_two_threads_have_the_same_cpu(void)
{
	pthread_t threads[256], waiters[2];
	unsigned n = psref_ncpu();
	no_second_look();
	if (n > COUNT(threads))
		SKIP("more CPUs than the test has threads for");
	for (unsigned i = 0; i < n; i++)
		threads[i] = start(hold_all, NULL);
	while (LOAD(&ready) < (int)n)
		sched_yield();
	for (unsigned i = 0; i < COUNT(waiters); i++)
		waiters[i] = start(want_one, NULL);
	wait_until_asleep(&waiter_tid);
	CHECK_EQ(LOAD(&count), 0);
	STORE(&go, 1);
	for (unsigned i = 0; i < n; i++)
		join(threads[i]);
	for (unsigned i = 0; i < COUNT(waiters); i++)
		join(waiters[i]);
	CHECK_EQ(LOAD(&count), (int)COUNT(waiters));
}

static void a_handler_is_no_interrupt(void)
{
	CHECK(!psref_cpu_intr_p());
	CHECK(!psref_cpu_softintr_p());
}

struct job {
	struct cpu_info *ci;
	int runs, wrong;
};

static void do_job(void *argument)
{
	struct job *job = (struct job *)argument;
	sigset_t blocked;
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	STORE(&job->wrong, !psref_cpu_softintr_p() || !psref_kpreempt_disabled() || !sigismember(&blocked, SIGUSR1));
	STORE(&job->ci, psref_curcpu());
	ADD(&job->runs, 1);
}

static void a_software_interrupt_runs_on_the_cpu_that_schedules_it(void)
{
	static const unsigned flags[] = { 0, PSREF_SOFTINT_MPSAFE };
	for (size_t i = 0; i < COUNT(flags); i++) {
		for (unsigned cpu = 0; cpu < 2; cpu++) {
			struct job job = { NULL, 0, 0 };
			void *si = psref_softint_establish(flags[i] | PSREF_SOFTINT_NET, do_job, &job);
			CHECK(si != NULL);
			cpu_number(0);
			pin(cpu);
			psref_kpreempt_disable();
			struct cpu_info *mine = psref_curcpu();
			psref_softint_schedule(si);
			psref_softint_schedule(si);
			CHECK_EQ(LOAD(&job.runs), 0); // its CPU is taken
			psref_kpreempt_enable();
			wait_until_set(&job.runs);
			psref_softint_disestablish(si);
			CHECK_EQ(job.runs, 1);
			CHECK_EQ(job.wrong, 0);
			CHECK(job.ci == mine);
		}
	}
}

static int order[4], next;

static void note_level(void *level)
{
	order[ADD(&next, 1)] = (int)(intptr_t)level;
}

static void the_highest_level_runs_first(void)
{
	static const unsigned levels[] = { PSREF_SOFTINT_BIO, PSREF_SOFTINT_SERIAL, PSREF_SOFTINT_CLOCK, PSREF_SOFTINT_NET };
	void *si[4];
	for (int i = 0; i < 4; i++)
		CHECK((si[i] = psref_softint_establish(levels[i], note_level, (void *)(intptr_t)levels[i])) != NULL);
	// The helper has seen the first, whichever it is, and waits for the CPU.
	psref_kpreempt_disable();
	for (int i = 1; i < 4; i++)
		psref_softint_schedule(si[i]);
	psref_softint_schedule(si[0]);
	psref_kpreempt_enable();
	while (LOAD(&next) < 4)
		sched_yield();
	int rest[3], n = 0, first = order[0];
	for (int i = 1; i < 4; i++)
		rest[n++] = order[i];
	CHECK(rest[0] > rest[1] && rest[1] > rest[2]);
	CHECK(first >= 0 && first <= 3);
	for (int i = 0; i < 4; i++)
		psref_softint_disestablish(si[i]);
}

static int inside, may_leave;

static void stay(void *unused)
{
	(void)unused;
	STORE(&inside, 1);
	wait_until_set(&may_leave);
	ADD(&count, 1);
}

static int tid;

static void *disestablish(void *si)
{
	STORE(&tid, thread_id());
	psref_softint_disestablish(si);
	CHECK_EQ(LOAD(&count), 1);
	ADD(&count, 1);
	return NULL;
}

static void disestablish_waits_for_a_handler_that_runs(void)
{
	no_second_look();
	void *si = psref_softint_establish(PSREF_SOFTINT_MPSAFE, stay, NULL);
	CHECK(si != NULL);
	psref_softint_schedule(si);
	wait_until_set(&inside);
	pthread_t thread = start(disestablish, si);
	wait_until_asleep(&tid);
	CHECK_EQ(LOAD(&count), 0);
	STORE(&may_leave, 1);
	join(thread);
	CHECK_EQ(LOAD(&count), 2);
}

static void *signal_si;
static struct job signal_job;

static void schedule(int signal_number)
{
	(void)signal_number;
	psref_softint_schedule(signal_si);
}

// Handlers interrupt malloc, and calls of this very family.
static void a_signal_handler_schedules(void)
{
	CHECK((signal_si = psref_softint_establish(PSREF_SOFTINT_CLOCK, do_job, &signal_job)) != NULL);
	handle_with(schedule, SIGALRM, SA_RESTART);
	struct itimerval often = { { 0, 500 }, { 0, 500 } }, never = { { 0, 0 }, { 0, 0 } };
	setitimer(ITIMER_REAL, &often, NULL);
	unsigned turns = test_turns(400000);
	for (unsigned i = 0; i < turns; i++) {
		free(malloc(i % 5000));
		psref_kpreempt_disable();
		psref_kpreempt_enable();
		if (i % 64 == 0)
			psref_softint_schedule(signal_si);
	}
	wait_until_set(&signal_job.runs);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_IGN); // one that is on its way would schedule what is no more
	psref_softint_disestablish(signal_si);
	CHECK_EQ(signal_job.wrong, 0);
	test_note("the handler ran %d times", signal_job.runs);
}

static int overlaps, in_handler;

static void alone(void *unused)
{
	(void)unused;
	if (ADD(&in_handler, 1) != 0)
		ADD(&overlaps, 1);
	spin(2000);
	ADD(&in_handler, -1);
	ADD(&count, 1);
}

static void *schedule_often(void *si)
{
	for (unsigned i = 0; i < test_turns(20000); i++) {
		pin(i / 100);
		psref_softint_schedule(si);
	}
	return NULL;
}

static void handlers_that_are_not_MPSAFE_run_one_at_a_time(void)
{
	void *si[2];
	cpu_number(0);
	for (int i = 0; i < 2; i++)
		CHECK((si[i] = psref_softint_establish(PSREF_SOFTINT_BIO, alone, NULL)) != NULL);
	pthread_t one = start(schedule_often, si[0]), two = start(schedule_often, si[1]);
	join(one);
	join(two);
	wait_until_set(&count);
	for (int i = 0; i < 2; i++)
		psref_softint_disestablish(si[i]);
	CHECK_EQ(overlaps, 0);
}

TEST_MAIN(TEST(every_thread_is_another_lwp),
	  TEST(cpus_have_the_numbers_that_are_possible),
	  TEST(preemption_is_disabled_as_often_as_it_was),
	  TEST(a_bound_thread_stays_on_its_cpu_wherever_it_runs),
	  TEST(no_two_threads_have_the_same_cpu),
	  TEST(a_handler_is_no_interrupt),
	  TEST(a_software_interrupt_runs_on_the_cpu_that_schedules_it),
	  TEST(the_highest_level_runs_first),
	  TEST(disestablish_waits_for_a_handler_that_runs),
	  TEST(a_signal_handler_schedules),
	  TEST(handlers_that_are_not_MPSAFE_run_one_at_a_time))
