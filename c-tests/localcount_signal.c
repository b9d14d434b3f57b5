// SPDX-License-Identifier: MIT OR Apache-2.0
// Signal handlers that acquire and release, also where they interrupt an acquire or a release; nobody drains meanwhile, for a
// release would take the interlock. Not one reference may be lost or counted twice.
#include "test.h"
#include "threads.h"

#include <psref/localcount.h>

enum { THREADS = 3, COUNTS = 4, MOST = 64 };

struct worker {
	pthread_t thread;
	int tid;
	int net[COUNTS]; // acquires less releases; the thread's and its handlers', by atomics
	unsigned long loops, handlers;
	uint64_t seed;
} __attribute__((aligned(128)));

static struct localcount counts[COUNTS];
static kmutex_t mutex;
static kcondvar_t cv;
static struct worker workers[THREADS];
static __thread struct worker *me;
static int stop;

static void begin(void)
{
	cpu_number(0);
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "signal");
	for (unsigned i = 0; i < COUNTS; i++)
		CHECK_EQ(localcount_init(&counts[i]), 0);
}

static void end(void)
{
	for (unsigned i = 0; i < COUNTS; i++) {
		CHECK_EQ(localcount_debug_refcnt(&counts[i]), 0);
		CHECK(localcount_trydrain(&counts[i]));
		localcount_fini(&counts[i]);
	}
}

static void acquire(unsigned i)
{
	localcount_acquire(&counts[i]);
	ADD(&me->net[i], 1);
}

static void release(unsigned i)
{
	localcount_release(&counts[i], &cv, &mutex);
	ADD(&me->net[i], -1);
}

static void handler(int signal_number)
{
	(void)signal_number;
	if (me == NULL)
		return; // the timer chose a thread of no concern
	int before = errno;
	unsigned i = (unsigned)(me->seed + ++me->handlers) % COUNTS;
	acquire(i);
	acquire(i);
	release(i);
	if (me->handlers % 2 == 0)
		release(i); // else the thread finds one reference more
	else if (LOAD(&me->net[i]) > 8)
		release(i); // one that it may not know of yet
	CHECK_EQ(errno, before);
}

static void *work(void *argument)
{
	me = (struct worker *)argument;
	STORE(&me->tid, thread_id());
	for (; !LOAD(&stop); me->loops++) {
		unsigned i = (unsigned)(random_number(&me->seed) % COUNTS);
		errno = 4711;
		acquire(i);
		acquire((i + 1) % COUNTS);
		release(i);
		release((i + 1) % COUNTS);
		CHECK_EQ(errno, 4711);
		if (me->loops % 512 == 0)
			pin((unsigned)random_number(&me->seed) % 8);
	}
	return NULL;
}

static void start_timer(timer_t *timer, unsigned i)
{
	struct sigevent event;
	struct itimerspec often = { { 0, 70000 + 10000 * i }, { 0, 70000 } };
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = SIGALRM;
#ifdef sigev_notify_thread_id
	event.sigev_notify_thread_id = LOAD(&workers[i].tid);
#else
	event._sigev_un._tid = LOAD(&workers[i].tid);
#endif
	if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0)
		FAIL("timer_create: %s", strerror(errno));
	timer_settime(*timer, 0, &often, NULL);
}

static void no_reference_is_lost_to_handlers_and_migrations(void)
{
	timer_t timers[THREADS];
	unsigned long loops = 0, handlers = 0;
	handle_with(handler, SIGUSR1, SA_RESTART);
	handle_with(handler, SIGALRM, SA_RESTART);
	begin();
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].seed = i + 1;
		workers[i].thread = start(work, &workers[i]);
		wait_until_set(&workers[i].tid);
		start_timer(&timers[i], i);
	}
	unsigned turns = 0;
	for (double until = seconds() + (test_short() ? 0.3 : 1.5); seconds() < until; turns++) {
		pthread_kill(workers[turns % THREADS].thread, SIGUSR1);
		nap(20);
	}
	for (unsigned i = 0; i < THREADS; i++)
		timer_delete(timers[i]);
	STORE(&stop, 1);
	for (unsigned i = 0; i < THREADS; i++) {
		join(workers[i].thread);
		loops += workers[i].loops;
		handlers += workers[i].handlers;
	}
	test_note("%lu loops of 2 references, %lu handlers", loops, handlers);
	CHECK(loops > 0 && handlers > 0);
	for (unsigned i = 0; i < COUNTS; i++) {
		int left = 0;
		for (unsigned w = 0; w < THREADS; w++)
			left += workers[w].net[i];
		CHECK_EQ(localcount_debug_refcnt(&counts[i]), left);
		if (left > 0)
			CHECK(!localcount_trydrain(&counts[i]));
		for (; left > 0; left--)
			localcount_release(&counts[i], &cv, &mutex);
	}
	end();
}

static void release_in_handler(int signal_number)
{
	(void)signal_number;
	localcount_release(&counts[0], &cv, &mutex);
}

static void what_a_thread_acquired_a_handler_may_release(void)
{
	handle_with(release_in_handler, SIGUSR1, 0);
	begin();
	for (unsigned turn = test_turns(10000); turn > 0; turn--) {
		localcount_acquire(&counts[0]);
		raise(SIGUSR1);
		CHECK_EQ(localcount_debug_refcnt(&counts[0]), 0);
	}
	end();
}

// The first use of a thread, in a handler, also while it makes its first use outside of it.
static int handled, line;

static void use_for_the_first_time(int signal_number)
{
	(void)signal_number;
	int before = errno = 1234;
	localcount_acquire(&counts[0]);
	CHECK(localcount_debug_refcnt(&counts[0]) >= 1);
	localcount_release(&counts[0], &cv, &mutex);
	CHECK_EQ(errno, before);
	ADD(&handled, 1);
}

static void *raise_it(void *unused)
{
	raise(SIGUSR1);
	return unused;
}

static void a_thread_may_make_its_first_use_in_a_handler(void)
{
	int turns = (int)test_turns(1000);
	handle_with(use_for_the_first_time, SIGUSR1, 0);
	begin();
	for (int i = 0; i < turns; i++)
		elsewhere(raise_it, NULL);
	CHECK_EQ(LOAD(&handled), turns);
	end();
}

static void *use_when_told(void *unused)
{
	STORE(&line, 1);
	while (LOAD(&line) == 1)
		;
	localcount_acquire(&counts[0]);
	localcount_release(&counts[0], &cv, &mutex);
	return unused;
}

static void a_first_use_may_be_interrupted_by_a_first_use(void)
{
	uint64_t seed = 11;
	handle_with(use_for_the_first_time, SIGUSR1, 0);
	begin();
	pin(0);
	for (unsigned i = 0; i < test_turns(3000) && has_time(); i++) {
		STORE(&line, 0);
		pin(1);
		pthread_t thread = start(use_when_told, NULL);
		pin(0);
		wait_until_set(&line);
		STORE(&line, 2);
		spin(random_number(&seed) % 2000);
		pthread_kill(thread, SIGUSR1);
		join(thread);
	}
	end();
}

// A handler that finds many references to make, on whatever CPU the thread is.
static void acquire_many(int signal_number)
{
	for (unsigned i = 0; i < MOST; i++)
		localcount_acquire(&counts[signal_number == SIGUSR1 ? 1 : 2]);
}

static void what_handlers_acquired_is_waited_for(void)
{
	handle_with(acquire_many, SIGUSR1, 0);
	handle_with(acquire_many, SIGUSR2, 0);
	begin();
	for (unsigned turn = 1; turn <= 20; turn++) {
		pin(turn);
		raise(SIGUSR1);
		elsewhere(raise_it, NULL);
		raise(SIGUSR2);
		CHECK_EQ(localcount_debug_refcnt(&counts[1]), turn * 2 * MOST);
		CHECK_EQ(localcount_debug_refcnt(&counts[2]), turn * MOST);
		CHECK(!localcount_trydrain(&counts[1]));
	}
	for (unsigned i = 0; i < 20 * 2 * MOST; i++) {
		pin(i);
		localcount_release(&counts[1], &cv, &mutex);
		if (i % 2 == 0)
			localcount_release(&counts[2], &cv, &mutex);
	}
	end();
}

TEST_MAIN(TEST(no_reference_is_lost_to_handlers_and_migrations),
	  TEST(what_a_thread_acquired_a_handler_may_release),
	  TEST(a_thread_may_make_its_first_use_in_a_handler),
	  TEST(a_first_use_may_be_interrupted_by_a_first_use),
	  TEST(what_handlers_acquired_is_waited_for))
