// SPDX-License-Identifier: MIT OR Apache-2.0
// Mutexes exclude and know their owner; condition variables wake one or all, lose no wake, and give up by time. Signal handlers
// and forks are in kmutex_signal.c.
#include "test.h"
#include "threads.h"
#include "kmutex.h"

#include <limits.h>
#include <sched.h>

static unsigned long plain; // changed under the mutex alone
static unsigned long counted;

static void *count_up(void *turns)
{
	unsigned i = 0;
	for (; i < *(unsigned *)turns && has_time(); i++) {
		if (i % 3 != 0)
			mutex_enter(&mutex);
		else
			while (!mutex_tryenter(&mutex))
				sched_yield();
		CHECK(mutex_owned(&mutex) && !mutex_ownable(&mutex));
		unsigned long seen = plain;
		if (i % 64 == 0)
			sched_yield();
		plain = seen + 1;
		mutex_exit(&mutex);
		CHECK(!mutex_owned(&mutex) && mutex_ownable(&mutex));
	}
	ADD(&counted, i);
	return NULL;
}

static void a_mutex_excludes(void)
{
	pthread_t threads[THREADS];
	unsigned turns = test_turns(100000);
	begin();
	for (unsigned i = 0; i < THREADS; i++)
		threads[i] = start(count_up, &turns);
	for (unsigned i = 0; i < THREADS; i++)
		join(threads[i]);
	CHECK_EQ(plain, LOAD(&counted));
	CHECK(plain >= THREADS);
	end();
}

static void *look_at_anothers(void *unused)
{
	CHECK(!mutex_owned(&mutex) && mutex_ownable(&mutex));
	CHECK_EQ(mutex_tryenter(&mutex), 0);
	CHECK(!mutex_owned(&mutex));
	return unused;
}

static void only_the_owner_owns_it(void)
{
	begin();
	CHECK(!mutex_owned(NULL));
	CHECK(!mutex_owned(&mutex));
	CHECK_EQ(mutex_tryenter(&mutex), 1);
	CHECK(mutex_owned(&mutex));
	CHECK_EQ(mutex_tryenter(&mutex), 0); // the caller's own, too
	elsewhere(look_at_anothers, NULL);
	CHECK(mutex_owned(&mutex));
	mutex_exit(&mutex);
	end();
}

static void a_signal_is_for_one_and_none_is_lost(void)
{
	pthread_t threads[THREADS];
	begin();
	have_waiters(threads, THREADS);
	CHECK(!cv_has_waiters(&other_cv));
	for (unsigned i = 0; i < THREADS; i++) {
		CHECK(cv_has_waiters(&cv)); // who was not meant yet
		tokens++;
		cv_signal(&cv);
	}
	CHECK(!cv_has_waiters(&cv));
	mutex_exit(&mutex);
	for (unsigned i = 0; i < THREADS; i++)
		join(threads[i]);
	CHECK_EQ(taken, THREADS);
	end();
}

static void a_signal_wakes_somebody_each_time(void)
{
	pthread_t threads[THREADS];
	begin();
	have_waiters(threads, THREADS);
	for (int i = 1; i <= THREADS; i++) {
		tokens = 1;
		cv_signal(&cv);
		for (; taken != i; mutex_enter(&mutex)) {
			mutex_exit(&mutex);
			sched_yield();
		}
		CHECK_EQ(cv_has_waiters(&cv), i != THREADS);
	}
	mutex_exit(&mutex);
	for (unsigned i = 0; i < THREADS; i++)
		join(threads[i]);
	end();
}

static void a_broadcast_is_for_all(void)
{
	pthread_t threads[THREADS];
	begin();
	have_waiters(threads, THREADS);
	tokens = THREADS;
	CHECK(cv_has_waiters(&cv));
	cv_broadcast(&cv);
	CHECK(!cv_has_waiters(&cv));
	mutex_exit(&mutex);
	for (unsigned i = 0; i < THREADS; i++)
		join(threads[i]);
	CHECK_EQ(taken, THREADS);
	end();
}

// One place, many hands: a wake that is lost leaves somebody asleep for ever.
static unsigned long place, sum;
static unsigned handed, items;

static void *hand_in(void *unused)
{
	for (;;) {
		mutex_enter(&mutex);
		while (place != 0 && handed < items)
			cv_wait(&cv, &mutex);
		if (handed == items) {
			mutex_exit(&mutex);
			return unused;
		}
		place = ++handed;
		if (handed == items)
			cv_broadcast(&cv); // to who would hand in more
		cv_signal(&other_cv);
		mutex_exit(&mutex);
	}
}

static unsigned got;

static void *take_out(void *unused)
{
	for (;;) {
		mutex_enter(&mutex);
		while (place == 0 && got < items)
			CHECK_EQ(cv_timedwait_sig(&other_cv, &mutex, INT_MAX), 0);
		if (place == 0) {
			mutex_exit(&mutex);
			return unused;
		}
		sum += place;
		place = 0;
		if (++got == items)
			cv_broadcast(&other_cv);
		cv_signal(&cv);
		mutex_exit(&mutex);
	}
}

static void no_wake_is_lost_among_many(void)
{
	pthread_t threads[2 * THREADS];
	items = test_turns(100000);
	begin();
	double began = seconds();
	for (unsigned i = 0; i < 2 * THREADS; i++)
		threads[i] = start(i % 2 == 0 ? hand_in : take_out, NULL);
	for (unsigned i = 0; i < 2 * THREADS; i++)
		join(threads[i]);
	CHECK_EQ(sum, (unsigned long)items * (items + 1) / 2);
	test_note("%u items through one place, %.1f us each", items, (seconds() - began) / items * 1e6);
	end();
}

// A third thread that wants the mutex makes dropping it take long: time for a wake before the waiter sleeps.
static int asked, done;

static void *want_the_mutex(void *unused)
{
	for (unsigned turn = 1; !LOAD(&done); turn++) {
		mutex_enter(&mutex);
		mutex_exit(&mutex);
		// valgrind could for ever let it lose the CPU with the mutex only.
		if (turn % 16 == 0)
			sched_yield();
	}
	return unused;
}

static void *answer_at_once(void *unused)
{
	while (!LOAD(&done)) {
		if (!mutex_tryenter(&mutex))
			continue;
		if (asked) {
			asked = 0;
			cv_signal(&cv);
		}
		mutex_exit(&mutex);
	}
	return unused;
}

static void a_wake_before_the_waiter_sleeps_is_seen(void)
{
	begin();
	pthread_t wanting = start(want_the_mutex, NULL), answering = start(answer_at_once, NULL);
	for (unsigned i = test_turns(20000); i > 0 && has_time(); i--) {
		mutex_enter(&mutex);
		for (asked = 1; asked != 0;)
			cv_wait(&cv, &mutex);
		mutex_exit(&mutex);
	}
	STORE(&done, 1);
	join(wanting);
	join(answering);
	end();
}

static void a_timed_wait_lasts_its_ticks(void)
{
	begin();
	mutex_enter(&mutex);
	for (int ticks = 1; ticks <= 16; ticks *= 4) {
		double began = seconds();
		CHECK_EQ(cv_timedwait(&cv, &mutex, ticks), EWOULDBLOCK);
		CHECK(seconds() - began >= (double)ticks / PSREF_HZ);
		began = seconds();
		CHECK_EQ(cv_timedwait_sig(&cv, &mutex, ticks), EWOULDBLOCK);
		CHECK(seconds() - began >= (double)ticks / PSREF_HZ);
		CHECK(mutex_owned(&mutex));
		CHECK(!cv_has_waiters(&cv));
	}
	mutex_exit(&mutex);
	end();
}

static int tid, returns, answer;

static void *wait_without_ticks(void *sig)
{
	mutex_enter(&mutex);
	STORE(&tid, thread_id());
	answer = sig != NULL ? cv_timedwait_sig(&cv, &mutex, 0) : cv_timedwait(&cv, &mutex, 0);
	returns++;
	mutex_exit(&mutex);
	return NULL;
}

static void no_ticks_are_for_ever(void)
{
	begin();
	for (int sig = 0; sig < 2; sig++) {
		tid = returns = 0;
		pthread_t thread = start(wait_without_ticks, sig ? &tid : NULL);
		wait_until_asleep(&tid);
		nap(100000);
		mutex_enter(&mutex);
		CHECK_EQ(returns, 0);
		CHECK(cv_has_waiters(&cv));
		cv_signal(&cv);
		mutex_exit(&mutex);
		join(thread);
		CHECK_EQ(answer, 0);
	}
	end();
}

TEST_MAIN(TEST(a_mutex_excludes),
	  TEST(only_the_owner_owns_it),
	  TEST(a_signal_is_for_one_and_none_is_lost),
	  TEST(a_signal_wakes_somebody_each_time),
	  TEST(a_broadcast_is_for_all),
	  TEST(no_wake_is_lost_among_many),
	  TEST(a_wake_before_the_waiter_sleeps_is_seen),
	  TEST(a_timed_wait_lasts_its_ticks),
	  TEST(no_ticks_are_for_ever))
