// SPDX-License-Identifier: MIT OR Apache-2.0
// Programs that see to what they retired themselves: who drives, who waits for whom, and what cannot interrupt it.
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref.h>
#include <signal.h>

static struct psref_class *class_;
static struct psref_target target;
static struct psref hold;
static int called, stopped, leave;

static void set_up(void)
{
	CHECK_EQ(psref_retire_poll(), 0); // no thread from here on
	class_ = psref_class_create("polled", IPL_SOFTNET);
	CHECK(class_ != NULL);
	psref_target_init(&target, class_);
}

static void count(void *place)
{
	ADD((int *)place, 1);
}

static void look_at_the_mask(void *place)
{
	sigset_t mask;
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	STORE((int *)place, sigismember(&mask, SIGUSR1) == 1 ? 1 : -1);
}

// As in the library's own thread: a handler that forked would leave two processes' worth of owners to one list.
static void functions_run_with_all_signals_blocked(void)
{
	sigset_t mask;
	set_up();
	CHECK_EQ(pserialize_call(look_at_the_mask, &called), 0);
	CHECK_EQ(psref_retire_poll(), 0);
	CHECK_EQ(called, 1);
	called = 0;
	CHECK_EQ(pserialize_call(look_at_the_mask, &called), 0);
	psref_retire_barrier();
	CHECK_EQ(called, 1);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	CHECK_EQ(sigismember(&mask, SIGUSR1), 0);
	psref_class_destroy(class_);
}

static void stop_until_told(void *place)
{
	STORE(&stopped, 1);
	while (LOAD(&leave) == 0)
		nap(1000); // could be cancelled
	ADD((int *)place, 1);
}

static void *poll_and_be_cancelled(void *unused)
{
	psref_retire_poll();
	pthread_testcancel();
	return unused;
}

static void *barrier_in_a_thread(void *done)
{
	psref_retire_barrier();
	STORE((int *)done, 1);
	return NULL;
}

static void whoever_polls_is_not_cancelled(void)
{
	void *answer;
	set_up();
	CHECK_EQ(pserialize_call(stop_until_told, &called), 0);
	pthread_t poller = start(poll_and_be_cancelled, NULL);
	wait_until_set(&stopped);
	CHECK_EQ(pthread_cancel(poller), 0);
	STORE(&leave, 1);
	CHECK_EQ(pthread_join(poller, &answer), 0);
	CHECK(answer == PTHREAD_CANCELED);
	CHECK_EQ(called, 1);
	CHECK_EQ(pserialize_call(count, &called), 0);
	psref_retire_barrier();
	CHECK_EQ(called, 2);
	psref_class_destroy(class_);
}

// What is said on standard error until all of `words` was; who never says it hangs.
static void expect(int from, const char *words)
{
	static char text[65536];
	static size_t used;
	while (strstr(text, words) == NULL) {
		ssize_t n = read(from, text + used, sizeof text - 1 - used);
		CHECK(n > 0);
		used += (size_t)n;
	}
}

static void a_barrier_tells_that_a_function_takes_long(void)
{
	int ends[2], done = 0;
	setenv("PSREF_DRAIN_WARN", "0.05", 1);
	set_up();
	CHECK_EQ(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	CHECK_EQ(pserialize_call(stop_until_told, &called), 0);
	pthread_t poller = start(poll_and_be_cancelled, NULL);
	wait_until_set(&stopped);
	pthread_t waiter = start(barrier_in_a_thread, &done);
	expect(ends[0], "psref_retire_barrier has waited 0 s; 1 things are left, which another thread sees to");
	CHECK_EQ(LOAD(&done), 0);
	STORE(&leave, 1);
	join(waiter);
	join(poller);
	CHECK_EQ(called, 1);
	psref_class_destroy(class_);
}

static void *barrier_and_tell_its_time(void *place)
{
	psref_retire_barrier();
	STORE((int *)place, (int)(cpu_seconds() * 1000));
	return NULL;
}

// Each of them looks, and leaves the other asleep: else they would wake each other for ever, a millisecond's work in each.
static void two_barriers_let_each_other_sleep(void)
{
	int used[2] = { -1, -1 };
	set_up();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
	pthread_t first = start(barrier_and_tell_its_time, &used[0]), second = start(barrier_and_tell_its_time, &used[1]);
	nap(1000000);
	CHECK_EQ(LOAD(&called), 0);
	psref_release(&hold, &target, class_);
	join(first);
	join(second);
	CHECK_EQ(called, 1);
	test_note("%d and %d ms of a second", used[0], used[1]);
	CHECK(used[0] + used[1] < 100);
	psref_class_destroy(class_);
}

// The barrier that finds the end tells the other, which rests until a release.
static void all_barriers_return(void)
{
	enum { WAITERS = 3 };
	set_up();
	for (unsigned turn = test_turns(200); turn > 0 && has_time(); turn--) {
		int done[WAITERS] = { 0 };
		pthread_t waiters[WAITERS];
		called = 0;
		psref_target_init(&target, class_);
		CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
		CHECK_EQ(psref_target_retire(&target, class_, count, &called), 0);
		for (int i = 0; i < WAITERS; i++)
			waiters[i] = start(barrier_in_a_thread, &done[i]);
		spin(turn * 1000);
		psref_release(&hold, &target, class_);
		for (int i = 0; i < WAITERS; i++)
			join(waiters[i]);
		CHECK_EQ(called, 1);
	}
	psref_class_destroy(class_);
}

enum { LIVES = 12 };

// Something is held all the time, and nothing of it for long.
static void hold_one_after_the_other(void *unused)
{
	static struct psref_target targets[LIVES];
	static struct psref holds[LIVES];
	(void)unused;
	setenv("PSREF_DRAIN_WARN", "0.6", 1);
	class_ = psref_class_create("one after the other", IPL_SOFTNET);
	for (int i = 0; i < LIVES; i++) {
		psref_target_init(&targets[i], class_);
		psref_acquire(&holds[i], &targets[i], class_);
		psref_target_retire(&targets[i], class_, count, &called);
		nap(150000);
		if (i > 0)
			psref_release(&holds[i - 1], &targets[i - 1], class_);
	}
	fprintf(stderr, "all this time nothing was held for long;");
	nap(1500000); // and now something is
}

static void what_comes_and_goes_is_not_reported(void)
{
	struct ended ended = in_child(hold_one_after_the_other, NULL);
	char *told = strstr(ended.words, "has waited"), *end = strstr(ended.words, "nothing was held for long;");
	CHECK(WIFEXITED(ended.status));
	CHECK(end != NULL);
	CHECK(told != NULL && told > end);
	CHECK(strstr(end, "drain of target") != NULL);
}

TEST_MAIN(TEST(functions_run_with_all_signals_blocked), TEST(whoever_polls_is_not_cancelled), TEST(a_barrier_tells_that_a_function_takes_long),
    TEST(two_barriers_let_each_other_sleep), TEST(all_barriers_return), TEST(what_comes_and_goes_is_not_reported))
