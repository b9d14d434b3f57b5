// SPDX-License-Identifier: MIT OR Apache-2.0
// Spin mutexes disable preemption; who sleeps gives his virtual CPU up.
#define TEST_BINDS_ITSELF 1
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/kmutex.h>
#include <psref/lwp.h>
#include <psref/xcall.h>

static kmutex_t mutex;
static kcondvar_t cv;
static int tid, done;

static void type_and_level_say_which_are_spin_mutexes(void)
{
	static const struct {
		kmutex_type_t type;
		int ipl;
		bool spin;
	} all[] = {
		{ MUTEX_SPIN, IPL_NONE, true },		   { MUTEX_SPIN, IPL_VM, true },
		{ MUTEX_DEFAULT, IPL_NONE, false },	   { MUTEX_DEFAULT, IPL_SOFTCLOCK, false },
		{ MUTEX_DEFAULT, IPL_SOFTSERIAL, false },  { MUTEX_DEFAULT, IPL_VM, true },
		{ MUTEX_DEFAULT, IPL_HIGH, true },	   { MUTEX_DRIVER, IPL_SOFTNET, false },
		{ MUTEX_DRIVER, IPL_SCHED, true },	   { MUTEX_ADAPTIVE, IPL_NONE, false },
		{ MUTEX_ADAPTIVE, IPL_HIGH, false },
	};
	for (size_t i = 0; i < COUNT(all); i++) {
		mutex_init(&mutex, all[i].type, all[i].ipl);
		mutex_enter(&mutex);
		CHECK(mutex_owned(&mutex));
		CHECK_EQ(psref_kpreempt_disabled(), all[i].spin);
		mutex_exit(&mutex);
		CHECK(!psref_kpreempt_disabled());
		CHECK_EQ(mutex_tryenter(&mutex), 1);
		CHECK_EQ(psref_kpreempt_disabled(), all[i].spin);
		CHECK_EQ(mutex_tryenter(&mutex), 0);
		mutex_exit(&mutex);
		CHECK(!psref_kpreempt_disabled());
		mutex_destroy(&mutex);
	}
}

static void *barrier(void *unused)
{
	STORE(&tid, thread_id());
	xc_barrier(0);
	STORE(&done, 1);
	return unused;
}

static void *wake(void *unused)
{
	xc_barrier(0); // the waiter has no CPU
	mutex_enter(&mutex);
	STORE(&done, 1);
	cv_broadcast(&cv);
	mutex_exit(&mutex);
	return unused;
}

static void a_wait_with_a_spin_mutex_gives_the_cpu_up(void)
{
	no_second_look();
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_VM);
	cv_init(&cv, "spin");
	mutex_spin_enter(&mutex);
	pthread_t waker = start(wake, NULL);
	while (!LOAD(&done))
		cv_wait(&cv, &mutex);
	CHECK(psref_kpreempt_disabled());
	mutex_spin_exit(&mutex);
	CHECK(!psref_kpreempt_disabled());
	join(waker);
}

static int locked, may_unlock;

static void *have_the_mutex(void *unused)
{
	mutex_enter(&mutex);
	STORE(&locked, 1);
	wait_until_set(&may_unlock);
	mutex_exit(&mutex);
	return unused;
}

static void *let_go_when_all_cpus_were_free(void *unused)
{
	xc_barrier(0);
	STORE(&may_unlock, 1);
	return unused;
}

static void who_sleeps_for_a_mutex_gives_the_cpu_up_and_gets_it_back(void)
{
	test_not_strict("to sleep with preemption disabled is a fatal diagnostic then");
	no_second_look();
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	pthread_t holder = start(have_the_mutex, NULL);
	wait_until_set(&locked);
	psref_kpreempt_disable();
	struct cpu_info *ci = psref_curcpu();
	pthread_t waiter = start(let_go_when_all_cpus_were_free, NULL);
	mutex_enter(&mutex);
	CHECK(psref_kpreempt_disabled());
	CHECK(psref_curcpu() == ci);
	mutex_exit(&mutex);
	psref_kpreempt_enable();
	join(holder);
	join(waiter);
}

static void mutexes_that_were_allocated_count_references(void)
{
	kmutex_t *one = mutex_obj_alloc(MUTEX_DEFAULT, IPL_NONE);
	CHECK_EQ(mutex_obj_refcnt(one), 1);
	mutex_obj_hold(one);
	CHECK_EQ(mutex_obj_refcnt(one), 2);
	mutex_enter(one);
	mutex_exit(one);
	CHECK(!mutex_obj_free(one));
	CHECK(mutex_obj_free(one));
	CHECK((one = mutex_obj_tryalloc(MUTEX_DEFAULT, IPL_VM)) != NULL);
	CHECK(mutex_obj_free(one));
}

static void a_wait_with_a_bintime_tells_what_is_left(void)
{
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "bintime");
	mutex_enter(&mutex);
	struct bintime left = { 0, (uint64_t)1 << 58 }; // 1/64 s
	int error;
	double began = seconds();
	while ((error = cv_timedwaitbt(&cv, &mutex, &left, NULL)) == 0)
		;
	CHECK_EQ(error, EWOULDBLOCK);
	CHECK(seconds() - began >= 1.0 / 64 - 1e-6);
	CHECK(left.sec == 0 && left.frac == 0);
	struct bintime past = { -1, 0 };
	CHECK_EQ(cv_timedwaitbt_sig(&cv, &mutex, &past, NULL), EWOULDBLOCK);
	struct bintime ever = { (time_t)1 << 40, 0 };
	pthread_t waker = start(wake, NULL);
	while (!LOAD(&done))
		CHECK_EQ(cv_timedwaitbt(&cv, &mutex, &ever, NULL), 0);
	CHECK(ever.sec > 8000000000);
	mutex_exit(&mutex);
	join(waker);
}

static kmutex_t other;

static void misuse(void *which)
{
	mutex_init(&other, MUTEX_DEFAULT, IPL_VM);
	switch ((int)(intptr_t)which) {
	case 0: mutex_spin_enter(&mutex); break;
	case 1: mutex_spin_exit(&mutex); break;
	case 2: // its holder may wait for the spin mutex
		start(have_the_mutex, NULL);
		wait_until_set(&locked);
		mutex_enter(&other);
		mutex_enter(&mutex);
		break;
	case 3:
		mutex_enter(&other);
		mutex_enter(&mutex);
		cv_wait(&cv, &mutex);
		break;
	case 4: mutex_exit(&other); break;
	case 5: mutex_spin_enter(&other), mutex_spin_enter(&other); break;
	default: break;
	}
}

static void misuse_of_a_spin_mutex_is_named(void)
{
	static const struct {
		const char *who, *what;
	} bugs[] = {
		{ "mutex_spin_enter: ", "not a spin mutex: held by nobody" },
		{ "mutex_spin_exit: ", "not a spin mutex: held by nobody" },
		{ "mutex_enter: ", "would sleep with 1 spin mutexes held" },
		{ "cv_wait: ", "would sleep with 1 spin mutexes held" },
		{ "mutex_exit: ", "exiting a mutex that the caller does not hold: held by nobody" },
		{ "mutex_enter: ", "locking against myself" },
	};
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "misuse");
	for (size_t i = 0; i < COUNT(bugs); i++) {
		struct ended ended = in_child(misuse, (void *)i);
		CHECK_FATAL(ended, bugs[i].who, bugs[i].what);
	}
}

static void sleep_without_preemption(void *unused)
{
	(void)unused;
	pthread_t holder = start(have_the_mutex, NULL);
	wait_until_set(&locked);
	psref_kpreempt_disable();
	pthread_t waiter = start(let_go_when_all_cpus_were_free, NULL);
	mutex_enter(&mutex);
	mutex_exit(&mutex);
	psref_kpreempt_enable();
	join(holder);
	join(waiter);
}

static void in_strict_mode_nobody_sleeps_without_preemption(void)
{
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	setenv("PSREF_STRICT", "1", 1);
	struct ended ended = in_child(sleep_without_preemption, NULL);
	CHECK_FATAL(ended, "mutex_enter: ", "would sleep with preemption disabled", "strict mode");
	setenv("PSREF_STRICT", "0", 1);
	ended = in_child(sleep_without_preemption, NULL);
	CHECK_EXITED(ended);
}

static void sleeping_functions_of_cross_calls_are_no_misuse(void *unused)
{
	(void)unused;
	pthread_t waiter = start(barrier, NULL);
	join(waiter);
}

static void in_strict_mode_cross_calls_work(void)
{
	setenv("PSREF_STRICT", "1", 1);
	struct ended ended = in_child(sleeping_functions_of_cross_calls_are_no_misuse, NULL);
	CHECK_EXITED(ended);
}

TEST_MAIN(TEST(type_and_level_say_which_are_spin_mutexes),
	  TEST(a_wait_with_a_spin_mutex_gives_the_cpu_up),
	  TEST(who_sleeps_for_a_mutex_gives_the_cpu_up_and_gets_it_back),
	  TEST(mutexes_that_were_allocated_count_references),
	  TEST(a_wait_with_a_bintime_tells_what_is_left),
	  TEST(misuse_of_a_spin_mutex_is_named),
	  TEST(in_strict_mode_nobody_sleeps_without_preemption),
	  TEST(in_strict_mode_cross_calls_work))
