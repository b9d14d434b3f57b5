// SPDX-License-Identifier: MIT OR Apache-2.0
// Strict mode's rules for local counts, and drains of them with a limit.
#include "test.h"
#include "child.h"
#include "threads.h"
#include <psref.h>
#include <sys/time.h>

static struct localcount count;
static kmutex_t interlock, other_lock;
static kcondvar_t cv, other_cv;

static const struct timespec nothing = { 0, 0 }, soon = { 0, 1000000 };

static void begin(bool strict)
{
	no_second_look();
	psref_set_strict(strict);
	mutex_init(&interlock, MUTEX_DEFAULT, IPL_NONE);
	mutex_init(&other_lock, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "count");
	cv_init(&other_cv, "other");
	CHECK_EQ(localcount_init(&count), 0);
}

static void end(void)
{
	localcount_fini(&count);
	cv_destroy(&other_cv);
	cv_destroy(&cv);
	mutex_destroy(&other_lock);
	mutex_destroy(&interlock);
}

static void release(void)
{
	localcount_release(&count, &cv, &interlock);
}

static int drain(const struct timespec *limit)
{
	mutex_enter(&interlock);
	int answer = localcount_drain_timed(&count, &cv, &interlock, limit);
	CHECK(mutex_owned(&interlock));
	mutex_exit(&interlock);
	return answer;
}

static void releases_too_many(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: break;
	case 1:
		localcount_acquire(&count);
		release();
		break;
	case 2: // after the drain began: one is held, and released twice
		localcount_acquire(&count);
		drain(&nothing);
		release();
		break;
	default: break;
	}
	release();
}

static void a_release_too_many_is_told_by_who_makes_it(void)
{
	begin(true);
	for (size_t i = 0; i < 3; i++) {
		struct ended ended = in_child(releases_too_many, (void *)i);
		CHECK_FATAL(ended, "localcount_release: counter underflow: localcount 0x", "expected");
		CHECK(has_address(ended.words, &count));
	}
}

static void misused(void *which)
{
	static kmutex_t *volatile no_lock;
	static kcondvar_t *volatile no_cv;
	localcount_acquire(&count);
	switch ((int)(intptr_t)which) {
	case 0:
		mutex_enter(&interlock);
		release();
		break;
	case 1:
		localcount_acquire(&count);
		release();
		localcount_release(&count, &other_cv, &interlock);
		break;
	case 2:
		localcount_acquire(&count);
		release();
		localcount_release(&count, &cv, &other_lock);
		break;
	case 3:
		localcount_acquire(&count);
		release();
		mutex_enter(&other_lock);
		localcount_drain(&count, &cv, &other_lock);
		break;
	case 4: localcount_release(&count, no_cv, &interlock); break;
	case 5: localcount_release(&count, &cv, no_lock); break;
	case 6:
		drain(&nothing);
		localcount_acquire(&count);
		break;
	case 7:
		release();
		drain(NULL);
		localcount_acquire(&count);
		break;
	case 8:
		release();
		drain(NULL);
		release();
		break;
	case 9: localcount_drain(&count, &cv, &interlock); break;
	case 10: localcount_fini(&count); break;
	case 11:
		release();
		drain(NULL);
		localcount_fini(&count);
		localcount_acquire(&count);
		break;
	default: break;
	}
}

static void what_breaks_a_rule_is_told(void)
{
	static const char *const said[][2] = {
		{ "localcount_release: mutex_ownable(interlock)", "expected" },
		{ "localcount_release: ", "is used with the condition" },
		{ "localcount_release: ", "is used with the interlock" },
		{ "localcount_drain: ", "is used with the interlock" },
		{ "localcount_release: ", "is not held by the caller, expected held, and a condition" },
		{ "localcount_release: ", "is not held by the caller, expected held, and a condition" },
		{ "localcount_acquire: ", "is draining: acquired" },
		{ "localcount_acquire: ", "has drained: used" },
		{ "localcount_release: ", "has drained: used" },
		{ "localcount_drain: ", "is not held by the caller" },
		{ "localcount_fini: ", "was not drained (1 references)" },
		{ "localcount_acquire: ", "is finished" },
	};
	begin(true);
	for (size_t i = 0; i < COUNT(said); i++) {
		struct ended ended = in_child(misused, (void *)i);
		CHECK_FATAL(ended, said[i][0], said[i][1]);
		CHECK(has_address(ended.words, &count));
	}
}

static void may_sleep(void *which)
{
	static struct localcount another;
	localcount_acquire(&count);
	mutex_enter(&interlock);
	int s = pserialize_read_enter();
	switch ((int)(intptr_t)which) {
	case 0: CHECK_EQ(localcount_init(&another), 0); break;
	case 1: localcount_drain(&count, &cv, &interlock); break;
	case 2: localcount_trydrain(&count); break;
	default: break;
	}
	pserialize_read_exit(s);
}

static void what_may_sleep_is_told_inside_a_read_section(void)
{
	static const char *const who[] = { "localcount_init", "localcount_drain", "localcount_trydrain" };
	begin(true);
	for (size_t i = 0; i < COUNT(who); i++) {
		char expected[80];
		struct ended ended = in_child(may_sleep, (void *)i);
		snprintf(expected, sizeof expected, "assert_sleepable: pserialize caller=%s", who[i]);
		CHECK_FATAL(ended, expected);
	}
}

static void right_use(bool strict)
{
	begin(strict);
	CHECK_EQ(count.lc_totalp == NULL, !strict);
	for (int i = 0; i < 100; i++)
		localcount_acquire(&count);
	CHECK_EQ(localcount_debug_refcnt(&count), 100);
	CHECK(!localcount_trydrain(&count));
	for (int i = 0; i < 100; i++)
		release();
	CHECK(localcount_trydrain(&count));
	localcount_fini(&count);
	CHECK_EQ(localcount_init(&count), 0);
	drain(NULL);
	end();
}

static void right_use_works_strictly_and_not(void)
{
	right_use(true);
	right_use(false);
}

static int done, tid;

static void *use(void *late)
{
	for (unsigned turn = test_turns(20000); turn > 0; turn--) {
		localcount_acquire(&count);
		release();
	}
	localcount_acquire(&count);
	ADD(&done, 1);
	wait_until_asleep(&tid);
	release();
	return late;
}

static void threads_may_share_a_strict_count(void)
{
	pthread_t threads[4];
	begin(true);
	for (size_t i = 0; i < COUNT(threads); i++)
		threads[i] = start(use, NULL);
	while (LOAD(&done) < (int)COUNT(threads))
		sched_yield();
	CHECK_EQ(localcount_debug_refcnt(&count), COUNT(threads));
	STORE(&tid, thread_id());
	CHECK_EQ(drain(NULL), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	end();
}

static int handled;

static void use_in_handler(int unused)
{
	(void)unused;
	localcount_acquire(&count);
	release();
	handled++;
}

static void handlers_may_use_a_strict_count_between_any_two_steps(void)
{
	begin(true);
	struct itimerval often = { { 0, 50 }, { 0, 50 } };
	handle_with(use_in_handler, SIGALRM, SA_RESTART);
	setitimer(ITIMER_REAL, &often, NULL);
	while (LOAD(&handled) < (int)test_turns(2000)) {
		localcount_acquire(&count);
		release();
	}
	memset(&often, 0, sizeof often);
	setitimer(ITIMER_REAL, &often, NULL);
	CHECK(localcount_trydrain(&count));
	end();
}

static void a_limit_that_passes(bool strict)
{
	static const struct timespec bad[] = { { -1, 0 }, { 0, -1 }, { 0, 1000000000 } };
	begin(strict);
	localcount_acquire(&count);
	for (size_t i = 0; i < COUNT(bad); i++)
		CHECK_EQ(drain(&bad[i]), EINVAL);
	localcount_acquire(&count); // nothing was done
	CHECK_EQ(drain(&nothing), ETIMEDOUT);
	double before = seconds();
	CHECK_EQ(drain(&soon), ETIMEDOUT);
	CHECK(seconds() - before >= 0.001);
	CHECK_EQ(localcount_debug_refcnt(&count), 2);
	release();
	CHECK_EQ(drain(&nothing), ETIMEDOUT);
	release();
	CHECK_EQ(drain(&nothing), 0);
	end();
}

static void a_limit_that_passes_leaves_the_count_draining(void)
{
	a_limit_that_passes(false);
	a_limit_that_passes(true);
}

TEST_MAIN(TEST(a_release_too_many_is_told_by_who_makes_it),
	  TEST(what_breaks_a_rule_is_told),
	  TEST(what_may_sleep_is_told_inside_a_read_section),
	  TEST(right_use_works_strictly_and_not),
	  TEST(threads_may_share_a_strict_count),
	  TEST(handlers_may_use_a_strict_count_between_any_two_steps),
	  TEST(a_limit_that_passes_leaves_the_count_draining))
