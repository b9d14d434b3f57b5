// SPDX-License-Identifier: MIT OR Apache-2.0
// Cross-calls: where and when functions run, and what a wait and a barrier wait for.
#include "test.h"
#include "threads.h"

#include <psref/kmutex.h>
#include <psref/percpu.h>
#include <psref/pserialize.h>
#include <psref/psref.h>
#include <psref/xcall.h>

enum { MOST_CPUS = 1024 };

// More than the stacks of the library's own threads: every call here works beside it.
static __thread char thread_local_storage[2 << 20];

static int runs[MOST_CPUS], wrong, caller_tid, ran_in_caller;

static void note(void *first, void *second)
{
	sigset_t blocked;
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	if (first != (void *)runs || second != (void *)&wrong || !psref_kpreempt_disabled() || !sigismember(&blocked, SIGUSR1))
		ADD(&wrong, 1);
	if (thread_id() == caller_tid)
		ADD(&ran_in_caller, 1);
	ADD(&runs[psref_cpu_index(psref_curcpu())], 1);
}

static const unsigned all_flags[] = {
	0, XC_HIGHPRI, XC_HIGHPRI | 4, XC_HIGHPRI | 6, XC_HIGHPRI | 8, XC_HIGHPRI | 10,
};

static void a_broadcast_runs_once_on_every_possible_cpu(void)
{
	unsigned n = psref_ncpu();
	caller_tid = thread_id();
	CHECK_EQ(LOAD(&thread_local_storage[1 << 20]), 0);
	CHECK_EQ(XC_HIGHPRI_IPL(IPL_SOFTCLOCK), all_flags[2]);
	CHECK_EQ(XC_HIGHPRI_IPL(IPL_SOFTSERIAL), all_flags[5]);
	for (size_t i = 0; i < COUNT(all_flags); i++) {
		xc_wait(xc_broadcast(all_flags[i], note, runs, &wrong));
		for (unsigned cpu = 0; cpu < n; cpu++)
			CHECK_EQ(runs[cpu], (int)i + 1);
	}
	CHECK_EQ(wrong, 0);
	CHECK_EQ(ran_in_caller, 0);
}

static void a_unicast_runs_once_on_one_cpu(void)
{
	unsigned n = psref_ncpu();
	for (size_t i = 0; i < COUNT(all_flags); i++)
		for (unsigned cpu = 0; cpu < n; cpu++) {
			xc_wait(xc_unicast(all_flags[i], note, runs, &wrong, psref_cpu_lookup(cpu)));
			for (unsigned other = 0; other < n; other++)
				CHECK_EQ(runs[other], (int)i + (other <= cpu));
		}
	CHECK_EQ(wrong, 0);
}

static int softint[2];

static void note_softint(void *first, void *second)
{
	(void)second;
	STORE((int *)first, 1 + psref_cpu_softintr_p());
}

static void only_calls_of_high_priority_are_software_interrupts(void)
{
	xc_wait(xc_unicast(0, note_softint, &softint[0], NULL, psref_cpu_lookup(0)));
	xc_wait(xc_unicast(XC_HIGHPRI, note_softint, &softint[1], NULL, psref_cpu_lookup(0)));
	CHECK_EQ(softint[0], 1);
	CHECK_EQ(softint[1], 2);
}

static void tickets_may_be_waited_for_late_and_often(void)
{
	uint64_t tickets[8];
	for (size_t i = 0; i < COUNT(tickets); i++)
		tickets[i] = xc_broadcast(i % 2 ? XC_HIGHPRI : 0, note, runs, &wrong);
	for (size_t i = COUNT(tickets); i-- > 0;)
		xc_wait(tickets[i]);
	for (size_t i = 0; i < COUNT(tickets); i++) {
		xc_wait(tickets[i]);
		for (size_t j = 0; j < i; j++)
			CHECK(tickets[j] != tickets[i]);
	}
	CHECK_EQ(runs[0], (int)COUNT(tickets));
}

static int inside, may_leave, done, tid;

static void *be_in_a_read_section(void *unused)
{
	int s = pserialize_read_enter();
	STORE(&inside, 1);
	wait_until_set(&may_leave);
	CHECK(!LOAD(&done));
	pserialize_read_exit(s);
	return unused;
}

static void *be_without_preemption(void *unused)
{
	psref_kpreempt_disable();
	STORE(&inside, 1);
	wait_until_set(&may_leave);
	CHECK(!LOAD(&done));
	psref_kpreempt_enable();
	return unused;
}

static percpu_t *pc;

static void *have_a_reference(void *unused)
{
	percpu_getref(pc);
	STORE(&inside, 1);
	wait_until_set(&may_leave);
	CHECK(!LOAD(&done));
	percpu_putref(pc);
	return unused;
}

static kmutex_t driver;

static void *have_a_spin_mutex(void *unused)
{
	mutex_enter(&driver);
	STORE(&inside, 1);
	wait_until_set(&may_leave);
	CHECK(!LOAD(&done));
	mutex_exit(&driver);
	return unused;
}

static void run_nothing(void *first, void *second)
{
	(void)first;
	(void)second;
}

static void *barrier(void *flags)
{
	STORE(&tid, thread_id());
	xc_barrier((unsigned)(uintptr_t)flags);
	STORE(&done, 1);
	return NULL;
}

static void *broadcast(void *flags)
{
	STORE(&tid, thread_id());
	xc_wait(xc_broadcast((unsigned)(uintptr_t)flags, run_nothing, NULL, NULL));
	STORE(&done, 1);
	return NULL;
}

static void check_waits_for(void *(*who)(void *))
{
	static void *(*const calls[])(void *) = { barrier, broadcast };
	no_second_look();
	for (size_t i = 0; i < COUNT(calls); i++)
		for (unsigned flags = 0; flags < 2; flags++) {
			STORE(&inside, 0);
			STORE(&may_leave, 0);
			STORE(&done, 0);
			STORE(&tid, 0);
			pthread_t holder = start(who, NULL);
			wait_until_set(&inside);
			pthread_t waiter = start(calls[i], (void *)(uintptr_t)flags);
			wait_until_asleep(&tid);
			CHECK(!LOAD(&done));
			STORE(&may_leave, 1);
			join(holder);
			join(waiter);
			CHECK(LOAD(&done));
		}
}

static void a_barrier_waits_for_read_sections(void)
{
	check_waits_for(be_in_a_read_section);
}

static void a_barrier_waits_for_those_without_preemption(void)
{
	check_waits_for(be_without_preemption);
}

static void a_barrier_waits_for_references(void)
{
	pc = percpu_alloc(64);
	check_waits_for(have_a_reference);
	percpu_free(pc, 64);
}

static void a_barrier_waits_for_spin_mutexes(void)
{
	mutex_init(&driver, MUTEX_DRIVER, IPL_VM);
	check_waits_for(have_a_spin_mutex);
	mutex_destroy(&driver);
}

static kmutex_t callers, functions;

static void with_a_mutex_held_all_calls_work(void)
{
	mutex_init(&callers, MUTEX_DEFAULT, IPL_NONE);
	mutex_enter(&callers);
	xc_wait(xc_broadcast(0, note, runs, &wrong));
	xc_barrier(XC_HIGHPRI);
	mutex_exit(&callers);
	CHECK_EQ(runs[0], 1);
}

static void take_the_mutex(void *first, void *second)
{
	(void)second;
	mutex_enter((kmutex_t *)first);
	ADD(&runs[0], 1);
	CHECK(psref_kpreempt_disabled());
	mutex_exit((kmutex_t *)first);
}

// The function sleeps for a mutex on every CPU, and its holder wants a CPU meanwhile.
static void a_function_that_sleeps_gives_its_cpu_up(void)
{
	no_second_look();
	mutex_init(&functions, MUTEX_DEFAULT, IPL_NONE);
	mutex_enter(&functions);
	uint64_t ticket = xc_broadcast(0, take_the_mutex, &functions, NULL);
	for (unsigned i = 0; i < 1000; i++) {
		psref_kpreempt_disable();
		psref_kpreempt_enable();
		int bound = psref_curlwp_bind();
		psref_kpreempt_disable();
		psref_kpreempt_enable();
		psref_curlwp_bindx(bound);
	}
	xc_barrier(XC_HIGHPRI); // by other threads
	CHECK_EQ(LOAD(&runs[0]), 0);
	mutex_exit(&functions);
	xc_wait(ticket);
	CHECK_EQ(runs[0], (int)psref_ncpu());
}

static pserialize_t sections;
static struct psref_class *class_;
static struct psref_target target;

static void wait_for_readers(void *unused, void *nothing)
{
	(void)unused, (void)nothing;
	STORE(&runs[0], 1);
	wait_until_set(&inside);
	pserialize_perform(sections);
	ADD(&runs[0], 1);
}

static void wait_for_holders(void *unused, void *nothing)
{
	(void)unused, (void)nothing;
	STORE(&runs[0], 1);
	psref_target_destroy(&target, class_);
	ADD(&runs[0], 1);
}

static uint64_t call_my_cpu(xcfunc_t function)
{
	runs[0] = 0;
	uint64_t ticket = xc_unicast(0, function, NULL, NULL, psref_curcpu());
	wait_until_set(&runs[0]);
	return ticket;
}

// The function waits for what a thread has that wants the very CPU.
static void a_function_that_waits_for_readers_or_holders_gives_its_cpu_up(void)
{
	struct psref psref;
	no_second_look();
	psref_curlwp_bind();
	sections = pserialize_create();
	uint64_t ticket = call_my_cpu(wait_for_readers);
	int s = pserialize_read_enter();
	STORE(&inside, 1);
	psref_kpreempt_disable();
	psref_kpreempt_enable();
	CHECK_EQ(LOAD(&runs[0]), 1);
	pserialize_read_exit(s);
	xc_wait(ticket);
	CHECK_EQ(runs[0], 2);
	class_ = psref_class_create("xcall", IPL_NONE);
	psref_target_init(&target, class_);
	CHECK_EQ(psref_acquire(&psref, &target, class_), 0);
	ticket = call_my_cpu(wait_for_holders);
	psref_kpreempt_disable();
	psref_kpreempt_enable();
	CHECK_EQ(LOAD(&runs[0]), 1);
	psref_release(&psref, &target, class_);
	xc_wait(ticket);
	CHECK_EQ(runs[0], 2);
	psref_class_destroy(class_);
	pserialize_destroy(sections);
}

// On its own CPU if that is allowed, else on one that is.
static void note_affinity(void *allowed, void *second)
{
	cpu_set_t mine;
	int cpu = (int)psref_cpu_index(psref_curcpu());
	(void)second;
	CHECK_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
	CHECK_EQ(CPU_COUNT(&mine), 1);
	if (CPU_ISSET(cpu, (cpu_set_t *)allowed)) {
		CHECK(CPU_ISSET(cpu, &mine));
	} else {
		CPU_AND(&mine, &mine, (cpu_set_t *)allowed);
		CHECK_EQ(CPU_COUNT(&mine), 1);
	}
	ADD(&runs[cpu], 1);
}

static void functions_run_where_the_process_may_run(void)
{
	cpu_set_t allowed;
	CHECK_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	xc_wait(xc_broadcast(0, note_affinity, &allowed, NULL));
	for (unsigned cpu = 0; cpu < psref_ncpu(); cpu++)
		CHECK_EQ(runs[cpu], 1);
}

static void functions_for_cpus_that_are_not_allowed_run_on_those_that_are(void)
{
	test_not_under_qemu("qemu-user answers the affinity otherwise");
	cpu_set_t one;
	cpu_number(0);
	CPU_ZERO(&one);
	CPU_SET(cpu_number(1), &one);
	CHECK_EQ(sched_setaffinity(0, sizeof one, &one), 0); // before the first call: there is one thread
	xc_wait(xc_broadcast(0, note_affinity, &one, NULL));
	xc_wait(xc_broadcast(XC_HIGHPRI, note_affinity, &one, NULL));
	for (unsigned cpu = 0; cpu < psref_ncpu(); cpu++)
		CHECK_EQ(runs[cpu], 2);
}

static void *call_often(void *number)
{
	for (unsigned i = 0; i < test_turns(2000); i++)
		xc_wait(xc_broadcast((unsigned)(uintptr_t)number & 1, note, runs, &wrong));
	return NULL;
}

static void callers_at_the_same_time_take_turns(void)
{
	pthread_t threads[6];
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(call_often, (void *)(uintptr_t)i);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	CHECK_EQ(wrong, 0);
	for (unsigned cpu = 0; cpu < psref_ncpu(); cpu++)
		CHECK_EQ(runs[cpu], (int)(COUNT(threads) * test_turns(2000)));
}

TEST_MAIN(TEST(a_broadcast_runs_once_on_every_possible_cpu),
	  TEST(a_unicast_runs_once_on_one_cpu),
	  TEST(only_calls_of_high_priority_are_software_interrupts),
	  TEST(tickets_may_be_waited_for_late_and_often),
	  TEST(a_barrier_waits_for_read_sections),
	  TEST(a_barrier_waits_for_those_without_preemption),
	  TEST(a_barrier_waits_for_references),
	  TEST(a_barrier_waits_for_spin_mutexes),
	  TEST(with_a_mutex_held_all_calls_work),
	  TEST(a_function_that_sleeps_gives_its_cpu_up),
	  TEST(a_function_that_waits_for_readers_or_holders_gives_its_cpu_up),
	  TEST(functions_run_where_the_process_may_run),
	  TEST(functions_for_cpus_that_are_not_allowed_run_on_those_that_are),
	  TEST(callers_at_the_same_time_take_turns))
