// SPDX-License-Identifier: MIT OR Apache-2.0
// No sleeping primitive inside a read section, where strict mode is on: mutexes, condition variables and per-CPU
// memory, as NetBSD's kernels assert it. (Classes, targets, counts: in the programs about those.)
#include "test.h"
#include "child.h"
#include "threads.h"
#include <psref.h>

static kmutex_t adaptive, driver, spin_, lax, held;
static kcondvar_t cv;
static struct localcount count;
static percpu_t *pc;

static void begin(void)
{
	psref_set_strict(false);
	mutex_init(&lax, MUTEX_DEFAULT, IPL_NONE);
	psref_set_strict(true);
	mutex_init(&adaptive, MUTEX_DEFAULT, IPL_NONE);
	mutex_init(&driver, MUTEX_DRIVER, IPL_SOFTNET);
	mutex_init(&spin_, MUTEX_SPIN, IPL_VM);
	mutex_init(&held, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "strict");
	CHECK_EQ(localcount_init(&count), 0);
	pc = percpu_alloc(8);
	mutex_enter(&held);
	psref_curlwp_bind();
}

static void sleep_inside(void *which)
{
	int s = pserialize_read_enter();
	switch ((int)(intptr_t)which) {
	case 0: mutex_enter(&adaptive); break;
	case 1: mutex_enter(&driver); break;
	case 2: cv_wait(&cv, &held); break;
	case 3: cv_wait_sig(&cv, &held); break;
	case 4: cv_timedwait(&cv, &held, 1); break;
	case 5: percpu_alloc(8); break;
	case 6: percpu_free(pc, 8); break;
	default: break;
	}
	pserialize_read_exit(s);
}

static void what_may_sleep_is_told_inside_a_read_section(void)
{
	static const char *const who[] = { "mutex_enter", "mutex_enter", "cv_wait", "cv_wait_sig", "cv_timedwait",
					   "percpu_alloc", "percpu_free" };
	begin();
	for (size_t i = 0; i < COUNT(who); i++) {
		char expected[80];
		struct ended ended = in_child(sleep_inside, (void *)i);
		snprintf(expected, sizeof expected, "assert_sleepable: pserialize caller=%s: may sleep", who[i]);
		CHECK_FATAL(ended, expected);
	}
}

// The last release of a count that drains takes the interlock.
static void *drain(void *unused)
{
	mutex_enter(&adaptive);
	localcount_drain(&count, &cv, &adaptive);
	mutex_exit(&adaptive);
	return unused;
}

static void release_inside(void *unused)
{
	(void)unused;
	localcount_acquire(&count);
	start(drain, NULL);
	while (localcount_debug_refcnt(&count) != 0 && !cv_has_waiters(&cv))
		nap(1000);
	int s = pserialize_read_enter();
	localcount_release(&count, &cv, &adaptive);
	pserialize_read_exit(s);
}

static void a_release_that_takes_the_interlock_is_told(void)
{
	begin();
	struct ended ended = in_child(release_inside, NULL);
	CHECK_FATAL(ended, "assert_sleepable: pserialize caller=mutex_enter");
}

static void what_does_not_sleep_is_silent(void)
{
	begin();
	int s = pserialize_read_enter();
	mutex_enter(&spin_); // takes a virtual CPU, and sleeps in no kernel
	mutex_exit(&spin_);
	CHECK(mutex_tryenter(&adaptive));
	CHECK(mutex_owned(&adaptive) && !mutex_ownable(&adaptive) && mutex_ownable(&driver));
	mutex_exit(&adaptive);
	mutex_enter(&lax); // made before
	mutex_exit(&lax);
	pserialize_read_exit(s);
	mutex_enter(&adaptive);
	mutex_exit(&adaptive);
	mutex_destroy(&adaptive);
}

static void enter_twice(void *unused)
{
	(void)unused;
	mutex_enter(&held);
}

static void enter_dead(void *unused)
{
	(void)unused;
	mutex_destroy(&adaptive);
	mutex_enter(&adaptive);
}

static void other_misuse_of_strict_mutexes_is_told_as_ever(void)
{
	begin();
	struct ended ended = in_child(enter_twice, NULL);
	CHECK_FATAL(ended, "mutex_enter", "locking against myself");
	ended = in_child(enter_dead, NULL);
	CHECK_FATAL(ended, "mutex_enter", "already destroyed");
}

TEST_MAIN(TEST(what_may_sleep_is_told_inside_a_read_section),
	  TEST(a_release_that_takes_the_interlock_is_told),
	  TEST(what_does_not_sleep_is_silent),
	  TEST(other_misuse_of_strict_mutexes_is_told_as_ever))
