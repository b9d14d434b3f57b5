// SPDX-License-Identifier: MIT OR Apache-2.0
// Signal handlers that read, also where they interrupt an enter or an exit, while what they find is freed.
#include "test.h"
#include "threads.h"

#include <psref/pserialize.h>

#include <sys/time.h>

enum { THREADS = 3, PLACES = 8, MAGIC = 0x5afe };

struct node {
	unsigned magic;
	struct node *self;
};

struct worker {
	pthread_t thread;
	int tid;
	unsigned long loops, handlers, found;
	uint64_t seed;
} __attribute__((aligned(128)));

static pserialize_t psz;
static struct node *published[PLACES];
static struct worker workers[THREADS];
static __thread struct worker *me;
static int stop;

static struct node *make(void)
{
	struct node *node = (struct node *)malloc(sizeof *node);
	CHECK(node != NULL);
	node->magic = MAGIC;
	node->self = node;
	return node;
}

static void poison_and_free(struct node *node)
{
	memset(node, 0xdd, sizeof *node);
	free(node);
}

static void look(unsigned place)
{
	const volatile struct node *node = LOAD(&published[place % PLACES]);
	if (node != NULL) {
		me->found++;
		if (node->magic != MAGIC || node->self != node)
			FAIL("a node within reach was freed");
	}
}

static void handler(int signal_number)
{
	(void)signal_number;
	if (me == NULL)
		return; // the timer chose a thread of no concern
	int before = errno;
	bool inside = pserialize_in_read_section();
	int s = pserialize_read_enter();
	look((unsigned)(me->seed + me->handlers));
	int t = pserialize_read_enter();
	look((unsigned)(me->seed >> 8));
	pserialize_read_exit(t);
	look((unsigned)me->handlers++);
	pserialize_read_exit(s);
	CHECK_EQ(pserialize_in_read_section(), inside);
	CHECK_EQ(errno, before);
}

static void *work(void *argument)
{
	me = (struct worker *)argument;
	STORE(&me->tid, thread_id());
	for (; !LOAD(&stop); me->loops++) {
		errno = 4711;
		int s = pserialize_read_enter();
		const struct node *kept = LOAD(&published[random_number(&me->seed) % PLACES]);
		look((unsigned)me->loops);
		pserialize_read_exit(pserialize_read_enter());
		if (kept != NULL && *(const volatile unsigned *)&kept->magic != MAGIC)
			FAIL("a node found in a section that is open still was freed");
		pserialize_read_exit(s);
		CHECK(pserialize_not_in_read_section());
		CHECK_EQ(errno, 4711);
		if (me->loops % 64 == 0)
			sched_yield(); // or a perform waits for the next tick of the scheduler
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

static void *send_signals(void *unused)
{
	for (unsigned i = 0; !LOAD(&stop); i++) {
		pthread_kill(workers[i % THREADS].thread, SIGUSR1);
		nap(20);
	}
	return unused;
}

static void handlers_may_read_while_what_they_find_is_freed(void)
{
	timer_t timers[THREADS];
	unsigned long freed = 0, loops = 0, handlers = 0, found = 0;
	no_second_look();
	handle_with(handler, SIGUSR1, SA_RESTART);
	handle_with(handler, SIGALRM, SA_RESTART);
	psz = pserialize_create();
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].seed = i + 1;
		workers[i].thread = start(work, &workers[i]);
		wait_until_set(&workers[i].tid);
		start_timer(&timers[i], i);
	}
	pthread_t sender = start(send_signals, NULL);
	for (double until = seconds() + (test_short() ? 0.3 : 1.5); seconds() < until; freed++) {
		struct node *old = __atomic_exchange_n(&published[freed % PLACES], make(), __ATOMIC_SEQ_CST);
		pserialize_perform(psz);
		if (old != NULL)
			poison_and_free(old);
	}
	for (unsigned i = 0; i < THREADS; i++)
		timer_delete(timers[i]);
	STORE(&stop, 1);
	join(sender);
	for (unsigned i = 0; i < THREADS; i++) {
		join(workers[i].thread);
		loops += workers[i].loops;
		handlers += workers[i].handlers;
		found += workers[i].found;
	}
	test_note("%lu loops, %lu handlers, %lu nodes looked at, %lu freed", loops, handlers, found, freed);
	CHECK(loops > 0 && handlers > 0 && found > 0 && freed > 0);
	for (unsigned i = 0; i < PLACES; i++)
		free(published[i]);
	pserialize_destroy(psz);
}

// The first section of a thread, in a handler, also while it opens its first outside of it.
static int handled, line, inside, told;

static void read_for_the_first_time(int signal_number)
{
	(void)signal_number;
	int before = errno = 1234;
	int s = pserialize_read_enter();
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(s);
	CHECK_EQ(errno, before);
	ADD(&handled, 1);
}

static void *raise_it(void *unused)
{
	raise(SIGUSR1);
	CHECK(pserialize_not_in_read_section());
	return unused;
}

static void a_thread_may_open_its_first_section_in_a_handler(void)
{
	int turns = (int)test_turns(1000);
	handle_with(read_for_the_first_time, SIGUSR1, 0);
	for (int i = 0; i < turns; i++) {
		elsewhere(raise_it, NULL);
		if (i == turns / 2)
			pserialize_perform(NULL); // before and after the first perform
	}
	CHECK_EQ(LOAD(&handled), turns);
}

static void *read_when_told(void *unused)
{
	STORE(&line, 1);
	while (LOAD(&line) == 1)
		;
	int s = pserialize_read_enter();
	CHECK(pserialize_in_read_section());
	pserialize_read_exit(s);
	CHECK(pserialize_not_in_read_section());
	return unused;
}

static void a_first_section_may_be_interrupted_by_a_first_section(void)
{
	uint64_t seed = 11;
	handle_with(read_for_the_first_time, SIGUSR1, 0);
	cpu_number(0);
	for (unsigned i = 0; i < test_turns(3000) && has_time(); i++) {
		STORE(&line, 0);
		pin(1);
		pthread_t thread = start(read_when_told, NULL);
		pin(0);
		wait_until_set(&line);
		STORE(&line, 2);
		spin(random_number(&seed) % 2000);
		pthread_kill(thread, SIGUSR1);
		join(thread);
		if (i % 64 == 32)
			pserialize_perform(NULL);
	}
}

// A section that a handler opened is its own: perform waits for it, whatever the thread below was about.
static void stay_inside(int signal_number)
{
	(void)signal_number;
	int s = pserialize_read_enter();
	STORE(&inside, 1);
	wait_until_set(&told);
	STORE(&inside, 0);
	pserialize_read_exit(s);
}

static void *be_interrupted(void *tid)
{
	STORE((int *)tid, thread_id());
	while (!LOAD(&stop))
		pserialize_read_exit(pserialize_read_enter());
	return NULL;
}

static void *perform(void *tid)
{
	STORE((int *)tid, thread_id());
	pserialize_perform(NULL);
	CHECK_EQ(LOAD(&inside), 0);
	return NULL;
}

static void perform_waits_for_a_handlers_section(void)
{
	no_second_look();
	handle_with(stay_inside, SIGUSR1, 0);
	for (unsigned turn = 0; turn < test_turns(100); turn++) {
		int tid = 0, its_tid = 0;
		STORE(&told, 0);
		STORE(&stop, 0);
		pthread_t thread = start(be_interrupted, &its_tid);
		wait_until_set(&its_tid);
		pthread_kill(thread, SIGUSR1);
		wait_until_set(&inside);
		pthread_t performer = start(perform, &tid);
		wait_until_asleep(&tid);
		CHECK_EQ(LOAD(&inside), 1);
		STORE(&told, 1);
		join(performer);
		STORE(&stop, 1);
		join(thread);
	}
}

// A handler that forks wherever it interrupts a section. The child returns from it, and goes on.
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

static void *read_all_the_time(void *unused)
{
	while (!LOAD(&stop))
		pserialize_read_exit(pserialize_read_enter());
	return unused;
}

static void fork_after(long microseconds)
{
	struct itimerval once = { { 0, 0 }, { 0, microseconds } };
	setitimer(ITIMER_REAL, &once, NULL);
}

static void a_handler_may_fork_and_the_child_goes_on(void)
{
	unsigned forks = 0, turns = test_turns(300);
	uint64_t seed = 19;
	sigset_t alarms;
	no_second_look();
	handle_with(fork_in_handler, SIGALRM, SA_RESTART);
	psz = pserialize_create();
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL); // the other thread's, for ever
	pthread_t thread = start(read_all_the_time, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	fork_after(100);
	while (forks < turns) {
		for (unsigned i = 0; i < 100; i++) {
			int s = pserialize_read_enter();
			pserialize_read_exit(pserialize_read_enter());
			CHECK(pserialize_in_read_section());
			pserialize_read_exit(s);
			CHECK(pserialize_not_in_read_section());
		}
		pserialize_perform(psz);
		if (in_child_now) {
			pserialize_perform(psz);
			_exit(0);
		}
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
	pserialize_destroy(psz);
}

TEST_MAIN(TEST(handlers_may_read_while_what_they_find_is_freed),
	  TEST(a_thread_may_open_its_first_section_in_a_handler),
	  TEST(a_first_section_may_be_interrupted_by_a_first_section),
	  TEST(perform_waits_for_a_handlers_section),
	  TEST(a_handler_may_fork_and_the_child_goes_on))
