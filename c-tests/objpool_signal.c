// SPDX-License-Identifier: MIT OR Apache-2.0
// Signal handlers that pop and push, also where they interrupt pop, push, their bulk forms and recall. Every object knows who has
// it, a handler being somebody else than the thread under it.
#include "test.h"
#include "threads.h"
#include "objects.h"

#include <sys/time.h>

enum { THREADS = 3, MOST = 16 };

struct worker {
	pthread_t thread;
	int tid;
	unsigned long loops, handlers, taken, missed;
	uint64_t id, seed;
} __attribute__((aligned(128)));

// What a thread and its handlers do. Both at once: even numbers of objects and odd ones are copied in other ways.
struct manner {
	unsigned objects;
	bool bulk, handlers_bulk, timers;
};

static struct objpool_head head;
static struct pool_context context;
static struct worker workers[THREADS];
static __thread struct worker *me;
static struct manner manner;
static int stop;

// Takes up to n and gives them back, all but the last two in another order.
static unsigned use(unsigned n, uint64_t id, bool bulk, uint64_t *seed)
{
	void *mine[MOST];
	unsigned got = 0;
	if (bulk)
		got = (unsigned)objpool_pop_bulk(&head, mine, n);
	else
		while (got < n && (mine[got] = objpool_pop(&head)) != NULL)
			got++;
	for (unsigned i = 0; i < got; i++)
		taken(mine[i], id);
	if (got > 2) {
		unsigned other = (unsigned)(random_number(seed) % got);
		void *swapped = mine[0];
		mine[0] = mine[other];
		mine[other] = swapped;
	}
	for (unsigned i = 0; i < got; i++)
		given((struct object *)mine[i], id);
	if (bulk)
		CHECK_EQ(objpool_push_bulk(mine, got, &head), 0);
	else
		for (unsigned i = 0; i < got; i++)
			CHECK_EQ(objpool_push(mine[i], &head), 0);
	return got;
}

static void handler(int signal_number)
{
	(void)signal_number;
	if (me == NULL)
		return; // the timer chose a thread of no concern
	int before = errno;
	uint64_t seed = me->seed + ++me->handlers;
	use(1 + (unsigned)(random_number(&seed) % 5), me->id + 100, manner.handlers_bulk, &seed);
	if (errno != before)
		FAIL("errno was %d before the handler used the pool and is %d", before, errno);
}

static void *work(void *argument)
{
	struct worker *worker = (struct worker *)argument;
	worker->seed = worker->id;
	STORE(&worker->tid, thread_id());
	me = worker;
	while (!LOAD(&stop)) {
		unsigned n = 1 + (unsigned)(random_number(&me->seed) % (MOST / 2));
		errno = 4711;
		unsigned got = use(n, me->id, manner.bulk, &me->seed);
		if (errno != 4711)
			FAIL("errno changed to %d", errno);
		me->taken += got;
		me->missed += got < n;
		me->loops++;
	}
	me = NULL;
	return NULL;
}

static void on_signals(void (*with)(int), int flags)
{
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = with;
	action.sa_flags = flags;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
}

static void start_timer(timer_t *timer, int tid, long nanoseconds)
{
	struct sigevent event;
	struct itimerspec often = { { 0, nanoseconds }, { 0, nanoseconds } };
	memset(&event, 0, sizeof event);
	event.sigev_notify = SIGEV_THREAD_ID;
	event.sigev_signo = SIGALRM;
#ifdef sigev_notify_thread_id
	event.sigev_notify_thread_id = tid;
#else
	event._sigev_un._tid = tid;
#endif
	if (timer_create(CLOCK_MONOTONIC, &event, timer) != 0)
		FAIL("timer_create: %s", strerror(errno));
	timer_settime(*timer, 0, &often, NULL);
}

static void storm(struct manner with)
{
	timer_t timers[THREADS];
	unsigned long loops = 0, handlers = 0, all = 0, missed = 0;
	struct objpool_stats stats;
	manner = with;
	on_signals(handler, SA_RESTART);
	make_pool(&head, &context, (int)manner.objects, 64);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].id = i + 1;
		workers[i].thread = start(work, &workers[i]);
		wait_until_set(&workers[i].tid);
		if (manner.timers)
			start_timer(&timers[i], LOAD(&workers[i].tid), 30000 + 7000 * (long)i);
	}
	for (double end = seconds() + (test_short() ? 0.2 : 1.5); seconds() < end; nap(20))
		for (unsigned i = 0; !manner.timers && i < THREADS; i++)
			pthread_kill(workers[i].thread, SIGUSR1);
	for (unsigned i = 0; manner.timers && i < THREADS; i++)
		timer_delete(timers[i]);
	STORE(&stop, 1);
	for (unsigned i = 0; i < THREADS; i++) {
		join(workers[i].thread);
		loops += workers[i].loops;
		handlers += workers[i].handlers;
		all += workers[i].taken;
		missed += workers[i].missed;
	}
	CHECK_EQ(objpool_stats(&head, -1, &stats), 0);
	test_note("%lu loops, %lu handlers, %lu objects taken, %lu times too few, %llu recalled", loops, handlers, all, missed,
		  (unsigned long long)stats.recalls);
	CHECK(handlers > 0 && all > 0);
	check_stock(&head, manner.objects);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
}

static void handlers_may_interrupt_pop_and_push(void)
{
	struct manner with = { 100, false, false, true };
	storm(with);
}

static void handlers_may_interrupt_bulk_pop_and_push(void)
{
	struct manner with = { 100, true, false, true };
	storm(with);
}

static void handlers_may_use_bulk_themselves(void)
{
	struct manner with = { 100, true, true, true };
	storm(with);
}

static void handlers_may_interrupt_recall(void)
{
	struct manner with = { 10, false, false, true }; // fewer than they want
	storm(with);
}

static void handlers_may_interrupt_recall_in_bulk(void)
{
	struct manner with = { 10, true, true, true };
	storm(with);
}

static void handlers_sent_by_a_thread_may_interrupt_all_of_it(void)
{
	struct manner with = { 20, true, false, false };
	storm(with);
}

// The first use of a thread, in a handler.
static int handled;

static void use_for_the_first_time(int signal_number)
{
	(void)signal_number;
	int before = errno = 1234;
	struct object *object = take(&head, 7);
	CHECK(object != NULL);
	give(&head, object, 7);
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
	on_signals(use_for_the_first_time, 0);
	make_pool(&head, &context, 5, 64);
	for (int i = 0; i < turns; i++)
		elsewhere(raise_it, NULL);
	CHECK_EQ(LOAD(&handled), turns);
	check_stock(&head, 5);
	objpool_free(&head);
}

// A handler that forks wherever it interrupts the pool. The child returns from it and goes on; what other threads had in hands
// stays out there, and all the rest can be had.
static pid_t forked;
static bool in_child_now;

static void fork_in_handler(int signal_number)
{
	(void)signal_number;
	if (in_child_now || forked != 0)
		return;
	pid_t child = fork();
	if (child == 0)
		in_child_now = true;
	else
		forked = child;
}

static void *take_and_give(void *unused)
{
	uint64_t seed = 17;
	while (!LOAD(&stop))
		use(1 + (unsigned)(random_number(&seed) % MOST), 2, random_number(&seed) % 2 == 0, &seed);
	return unused;
}

static void fork_after(long microseconds)
{
	struct itimerval once = { { 0, 0 }, { 0, microseconds } };
	setitimer(ITIMER_REAL, &once, NULL);
}

// Whatever the vanished thread was about has at most this many objects: those it took, and a batch.
enum { STOCK = 150, IN_VANISHED_HANDS = MOST + 64 };

static void go_on_in_child(void)
{
	unsigned n = 0;
	struct object *all[STOCK + 1];
	for (int turn = 0; turn < 3; turn++) {
		unsigned before = n;
		for (n = 0; n <= STOCK; n++) {
			void *place = objpool_pop(&head);
			if (place == NULL)
				break;
			all[n] = (struct object *)place;
			CHECK(all[n]->owner != 9); // none twice
			all[n]->owner = 9;
		}
		CHECK(n <= STOCK && n + IN_VANISHED_HANDS >= STOCK);
		CHECK(turn == 0 || n == before);
		for (unsigned i = 0; i < n; i++)
			give(&head, all[i], 9);
	}
	objpool_free(&head);
	_exit(0);
}

static void a_handler_may_fork_and_the_child_goes_on(void)
{
	unsigned forks = 0, turns = test_turns(300);
	uint64_t seed = 19;
	on_signals(fork_in_handler, SA_RESTART);
	make_pool(&head, &context, STOCK, 64);
	sigset_t alarms;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL); // the other thread's, for ever
	pthread_t thread = start(take_and_give, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	fork_after(100);
	while (forks < turns) {
		use(1 + (unsigned)(random_number(&seed) % MOST), 1, random_number(&seed) % 2 == 0, &seed);
		if (in_child_now)
			go_on_in_child();
		if (forked != 0) {
			int status;
			waitpid(forked, &status, 0);
			if (status != 0)
				FAIL("a child ended with wait status %#x", (unsigned)status);
			forked = 0;
			if (++forks < turns) // none at the end: a handler inside exit() would wait for the lock that exit() has
				fork_after((long)(50 + random_number(&seed) % 200));
		}
	}
	STORE(&stop, 1);
	join(thread);
	check_stock(&head, STOCK);
	objpool_free(&head);
}

TEST_MAIN(TEST(handlers_may_interrupt_pop_and_push),
	  TEST(handlers_may_interrupt_bulk_pop_and_push),
	  TEST(handlers_may_use_bulk_themselves),
	  TEST(handlers_may_interrupt_recall),
	  TEST(handlers_may_interrupt_recall_in_bulk),
	  TEST(handlers_sent_by_a_thread_may_interrupt_all_of_it),
	  TEST(a_thread_may_make_its_first_use_in_a_handler),
	  TEST(a_handler_may_fork_and_the_child_goes_on))
