// SPDX-License-Identifier: MIT OR Apache-2.0
// Signal handlers end the waits that ask for it, however they were installed, and no others; a forked child is not misled by
// the waiters of its parent.
#include "test.h"
#include "threads.h"
#include "kmutex.h"

static int tid, returns, answer;
static int handled;

static void handler(int number)
{
	(void)number;
	ADD(&handled, 1);
}

static void handle(int flags)
{
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	action.sa_flags = flags;
	CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
}

static void *wait_for_a_handler(void *timed)
{
	mutex_enter(&mutex);
	STORE(&tid, thread_id());
	answer = timed != NULL ? cv_timedwait_sig(&cv, &mutex, 1000 * PSREF_HZ) : cv_wait_sig(&cv, &mutex);
	CHECK(mutex_owned(&mutex));
	mutex_exit(&mutex);
	STORE(&returns, 1);
	return NULL;
}

static void a_handler_ends_the_waits_that_ask_for_it(void)
{
	begin();
	for (int kind = 0; kind < 4; kind++) {
		handle(kind % 2 == 0 ? SA_RESTART : 0);
		tid = returns = handled = 0;
		pthread_t thread = start(wait_for_a_handler, kind / 2 == 0 ? NULL : &tid);
		wait_until_asleep(&tid);
		// One would do, did it not come before the thread sleeps.
		for (double patience = seconds() + 30; LOAD(&returns) == 0; nap(20000)) {
			pthread_kill(thread, SIGUSR1);
			if (seconds() > patience)
				FAIL("kind %d: %d handlers ran, and the wait goes on", kind, LOAD(&handled));
		}
		join(thread);
		CHECK_EQ(answer, EINTR);
		CHECK(LOAD(&handled) > 0);
		CHECK(!cv_has_waiters(&cv));
	}
	end();
}

static void *wait_whatever_comes(void *timed)
{
	mutex_enter(&mutex);
	STORE(&tid, thread_id());
	if (timed != NULL)
		answer = cv_timedwait(&cv, &mutex, 1000 * PSREF_HZ);
	else
		cv_wait(&cv, &mutex);
	returns++;
	mutex_exit(&mutex);
	return NULL;
}

static void a_handler_does_not_end_the_others(void)
{
	begin();
	for (int kind = 0; kind < 4; kind++) {
		handle(kind % 2 == 0 ? SA_RESTART : 0);
		tid = returns = handled = answer = 0;
		pthread_t thread = start(wait_whatever_comes, kind / 2 == 0 ? NULL : &tid);
		wait_until_asleep(&tid);
		for (int i = 1; i <= 20; i++) {
			pthread_kill(thread, SIGUSR1);
			while (LOAD(&handled) < i)
				sched_yield();
		}
		wait_until_asleep(&tid);
		mutex_enter(&mutex);
		CHECK_EQ(returns, 0);
		CHECK(cv_has_waiters(&cv));
		cv_broadcast(&cv);
		mutex_exit(&mutex);
		join(thread);
		CHECK_EQ(answer, 0);
	}
	// Handlers do not make the time longer, nor shorter.
	handle(SA_RESTART);
	tid = 0;
	double began = seconds();
	mutex_enter(&mutex);
	timer_t timer;
	struct itimerspec often = { { 0, 1000000 }, { 0, 1000000 } };
	struct sigevent event;
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = SIGUSR1;
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	CHECK_EQ(timer_settime(timer, 0, &often, NULL), 0);
	handled = 0;
	CHECK_EQ(cv_timedwait(&cv, &mutex, 20), EWOULDBLOCK);
	CHECK(seconds() - began >= 20.0 / PSREF_HZ && seconds() - began < 20);
	CHECK(LOAD(&handled) > 0);
	CHECK_EQ(timer_delete(timer), 0);
	mutex_exit(&mutex);
	end();
}

// A child has the counts of waiters that did not come along.
static void a_forked_child_waits_for_nobody(void)
{
	pthread_t threads[THREADS];
	int status;
	begin();
	have_waiters(threads, THREADS);
	for (int kind = 0; kind < 2; kind++) {
		pid_t child = fork();
		CHECK(child >= 0);
		if (child == 0) {
			CHECK(mutex_owned(&mutex)); // the forking thread's, here too
			CHECK(!cv_has_waiters(&cv));
			cv_signal(&cv);
			cv_broadcast(&cv);
			if (kind == 1) {
				CHECK_EQ(cv_timedwait(&cv, &mutex, 1), EWOULDBLOCK);
				mutex_exit(&mutex);
				waiting = 0;
				pthread_t own;
				if (!test_under("asan")) { // threads in a child can wait for ever for gcc's sanitizer runtime
					have_waiters(&own, 1);
					CHECK(cv_has_waiters(&cv));
					tokens = 1;
					cv_signal(&cv);
					mutex_exit(&mutex);
					join(own);
				}
			} else {
				mutex_exit(&mutex);
			}
			end();
			_exit(0);
		}
		CHECK_EQ(waitpid(child, &status, 0), child);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
			FAIL("the child ended with wait status %#x", (unsigned)status);
		CHECK(cv_has_waiters(&cv)); // the parent's are still here
	}
	tokens = THREADS;
	cv_broadcast(&cv);
	mutex_exit(&mutex);
	for (unsigned i = 0; i < THREADS; i++)
		join(threads[i]);
	end();
}

// A handler that interrupts a wait forks: the wait goes on in the child too, and must be woken there.
static volatile sig_atomic_t child_of_handler = -1;

static void *wait_a_little_and_broadcast(void *unused)
{
	mutex_enter(&mutex);
	// Counts anew what waits here.
	CHECK_EQ(cv_timedwait(&cv, &mutex, 1), EWOULDBLOCK);
	tokens = 1;
	cv_broadcast(&cv);
	mutex_exit(&mutex);
	return unused;
}

static pthread_t waker;

static void fork_here(int number)
{
	(void)number;
	child_of_handler = (sig_atomic_t)fork();
	if (child_of_handler == 0)
		waker = start(wait_a_little_and_broadcast, NULL);
}

static void *interrupt_once(void *thread)
{
	wait_until_asleep(&tid);
	pthread_kill(*(pthread_t *)thread, SIGUSR2);
	while (child_of_handler < 0)
		nap(1000);
	mutex_enter(&mutex);
	tokens = 1;
	cv_broadcast(&cv);
	mutex_exit(&mutex);
	return NULL;
}

static void a_wait_goes_on_in_a_child_that_its_handler_forked(void)
{
	int status;
	pthread_t self = pthread_self();
	if (!test_memory_is_ours())
		SKIP("what a handler forks has no threads here");
	begin();
	signal(SIGUSR2, fork_here);
	mutex_enter(&mutex);
	pthread_t other = start(interrupt_once, &self);
	STORE(&tid, thread_id());
	while (tokens == 0)
		cv_wait(&cv, &mutex);
	CHECK(mutex_owned(&mutex));
	CHECK(!cv_has_waiters(&cv));
	mutex_exit(&mutex);
	if (child_of_handler == 0) {
		join(waker);
		end();
		_exit(0);
	}
	join(other);
	CHECK_EQ(waitpid((pid_t)child_of_handler, &status, 0), child_of_handler);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL("the child ended with wait status %#x", (unsigned)status);
	end();
}

TEST_MAIN(TEST(a_handler_ends_the_waits_that_ask_for_it),
	  TEST(a_handler_does_not_end_the_others),
	  TEST(a_forked_child_waits_for_nobody),
	  TEST(a_wait_goes_on_in_a_child_that_its_handler_forked))
