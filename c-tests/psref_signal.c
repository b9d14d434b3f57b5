// SPDX-License-Identifier: MIT OR Apache-2.0
// Signal handlers that use psref, also where they interrupt psref, while targets are destroyed.
//
// Look-ups are protected by a count of each thread's own: above zero while the thread, or a handler on top of it, is
// between finding a target and having acquired it. Whoever destroys unpublishes and waits until it has seen each count at
// zero once. Handlers nest in it, as they could not in a lock.
#include "test.h"
#include "threads.h"

#include <psref/psref.h>

#include <sys/time.h>

enum { THREADS = 3, PLACES = 8, MAGIC = 0x5afe };

struct object {
	struct psref_target target;
	unsigned magic; // another value after the target was destroyed
};

struct worker {
	pthread_t thread;
	int tid, looking;
	unsigned long loops, handlers, refused;
	uint64_t seed;
	bool ended;
} __attribute__((aligned(128)));

static struct psref_class *class_;
static struct object objects[PLACES];
static struct object *published[PLACES];
static struct worker workers[THREADS];
static __thread struct worker *me;
static int stop;

// Holds one of the published objects; NULL: it was not published, or drains.
static struct object *find_and_acquire(struct psref *psref, unsigned place)
{
	ADD(&me->looking, 1);
	struct object *found = LOAD(&published[place]);
	if (found != NULL && psref_acquire(psref, &found->target, class_) != 0) {
		me->refused++;
		found = NULL;
	}
	ADD(&me->looking, -1);
	if (found != NULL && found->magic != MAGIC)
		FAIL("an acquired object was destroyed");
	return found;
}

static void release(struct psref *psref, struct object *object)
{
	if (object->magic != MAGIC)
		FAIL("a held object was destroyed");
	psref_release(psref, &object->target, class_);
}

// n holds, each with a copy, released in the order they were acquired in.
static void use(unsigned n, uint64_t *seed)
{
	struct psref psrefs[80], copies[80];
	struct object *held[80];
	for (unsigned i = 0; i < n; i++) {
		held[i] = find_and_acquire(&psrefs[i], (unsigned)(random_number(seed) % PLACES));
		if (held[i] != NULL && i % 4 == 0)
			psref_copy(&copies[i], &psrefs[i], class_);
	}
	for (unsigned i = 0; i < n; i++) {
		if (held[i] != NULL) {
			release(&psrefs[i], held[i]);
			if (i % 4 == 0)
				release(&copies[i], held[i]);
		}
	}
}

static void handler(int signal_number)
{
	(void)signal_number;
	if (me == NULL)
		return; // the timer chose a thread of no concern
	int before = errno;
	uint64_t seed = me->seed + ++me->handlers;
	use(me->handlers % 64 == 0 ? 80 : 3, &seed); // now and then more than the first block has room for
	if (errno != before)
		FAIL("errno was %d before the handler used psref and is %d", before, errno);
}

static void *work(void *argument)
{
	me = (struct worker *)argument;
	STORE(&me->tid, thread_id());
	while (!LOAD(&stop)) {
		errno = 4711;
		use(me->loops++ % 32 == 0 ? 60 : 2, &me->seed);
		if (errno != 4711)
			FAIL("errno changed to %d", errno);
		if (me->loops % 32 == 0)
			sched_yield(); // or a drain waits for the next tick of the scheduler
	}
	STORE(&me->ended, true);
	return NULL;
}

static void destroy(struct object *object)
{
	for (unsigned i = 0; i < THREADS; i++)
		while (LOAD(&workers[i].looking) != 0 && !LOAD(&workers[i].ended))
			sched_yield();
	psref_target_destroy(&object->target, class_);
	object->magic = 0xdead;
}

static void make(struct object *object)
{
	object->magic = MAGIC;
	psref_target_init(&object->target, class_);
}

static void install(void (*with)(int), int flags)
{
	struct sigaction action;
	memset(&action, 0, sizeof action);
	action.sa_handler = with;
	action.sa_flags = flags;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
}

static void *send_signals(void *unused)
{
	for (unsigned i = 0; !LOAD(&stop); i++) {
		pthread_kill(workers[i % THREADS].thread, i % 3 == 0 ? SIGUSR2 : SIGUSR1);
		nap(20);
	}
	return unused;
}

static void start_timers(timer_t *timers)
{
	for (unsigned i = 0; i < THREADS; i++) {
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
		if (timer_create(CLOCK_MONOTONIC, &event, &timers[i]) != 0)
			FAIL("timer_create: %s", strerror(errno));
		timer_settime(timers[i], 0, &often, NULL);
	}
}

static void storm(bool timers_too, double duration)
{
	timer_t timers[THREADS];
	unsigned long drains = 0, loops = 0, handlers = 0, refused = 0;
	install(handler, SA_RESTART);
	class_ = psref_class_create("storm", 0);
	for (unsigned i = 0; i < PLACES; i++) {
		make(&objects[i]);
		STORE(&published[i], &objects[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].seed = i + 1;
		workers[i].thread = start(work, &workers[i]);
		wait_until_set(&workers[i].tid);
	}
	pthread_t sender = start(send_signals, NULL);
	if (timers_too)
		start_timers(timers);
	for (double end = seconds() + duration; seconds() < end; drains++) {
		unsigned place = (unsigned)(drains % PLACES);
		struct object *object = published[place];
		// Sometimes drained while it still can be found, so that acquire has to refuse.
		if (drains % 4 == 0)
			psref_target_drain(&object->target, class_);
		STORE(&published[place], (struct object *)NULL);
		destroy(object);
		make(object);
		STORE(&published[place], object);
		if (drains % 16 == 0)
			nap(20);
	}
	for (unsigned i = 0; timers_too && i < THREADS; i++)
		timer_delete(timers[i]);
	STORE(&stop, 1);
	join(sender);
	for (unsigned i = 0; i < THREADS; i++) {
		join(workers[i].thread);
		loops += workers[i].loops;
		handlers += workers[i].handlers;
		refused += workers[i].refused;
	}
	test_note("%lu loops, %lu handlers, %lu acquires refused, %lu targets destroyed", loops, handlers, refused, drains);
	CHECK(handlers > 0 && drains > 0);
	for (unsigned i = 0; i < PLACES; i++)
		psref_target_destroy(&objects[i].target, class_);
	psref_class_destroy(class_); // aborts where a hold was lost
}

static void handlers_sent_by_threads_may_use_psref_while_targets_go(void)
{
	storm(false, test_short() ? 0.3 : 1);
}

static void handlers_of_timers_may_use_psref_while_targets_go(void)
{
	storm(true, test_short() ? 0.3 : 1);
}

// The first use of a thread, in a handler.
static int handled;

static void use_for_the_first_time(int signal_number)
{
	struct psref hold, copy;
	(void)signal_number;
	int before = errno = 1234;
	CHECK(!psref_held(&objects[0].target, class_));
	CHECK_EQ(psref_acquire(&hold, &objects[0].target, class_), 0);
	CHECK(psref_held(&objects[0].target, class_));
	psref_copy(&copy, &hold, class_);
	psref_release(&hold, &objects[0].target, class_);
	psref_release(&copy, &objects[0].target, class_);
	CHECK(!psref_held(&objects[0].target, class_));
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
	install(use_for_the_first_time, 0);
	class_ = psref_class_create("first", 0);
	make(&objects[0]);
	int turns = (int)test_turns(1000);
	for (int i = 0; i < turns; i++)
		elsewhere(raise_it, NULL);
	CHECK_EQ(LOAD(&handled), turns);
	psref_target_destroy(&objects[0].target, class_);
	psref_class_destroy(class_);
}

// First uses that are interrupted by a handler that makes the first use itself.
static int line;

static void *use_when_told(void *unused)
{
	struct psref hold;
	int before = LOAD(&handled);
	STORE(&line, 1);
	while (LOAD(&line) == 1)
		;
	CHECK_EQ(psref_acquire(&hold, &objects[1].target, class_), 0);
	CHECK(psref_held(&objects[1].target, class_));
	psref_release(&hold, &objects[1].target, class_);
	// At its end a thread is bound no more: a handler that came so late would be told of that.
	while (test_binds() && LOAD(&handled) == before)
		;
	return unused;
}

static void a_first_use_may_be_interrupted_by_a_first_use(void)
{
	uint64_t seed = 11;
	install(use_for_the_first_time, 0);
	class_ = psref_class_create("first", 0);
	make(&objects[0]); // the handler's
	make(&objects[1]); // the thread's
	cpu_number(0);
	pin(0);
	for (unsigned i = 0; i < test_turns(3000) && has_time(); i++) {
		STORE(&line, 0);
		pin(1);
		pthread_t thread = start(use_when_told, NULL);
		pin(0);
		wait_until_set(&line);
		STORE(&line, 2);
		for (uint64_t n = random_number(&seed) % 2000; n > 0; n--)
			__asm__ volatile("");
		pthread_kill(thread, SIGUSR1);
		join(thread);
	}
	psref_target_destroy(&objects[1].target, class_);
	psref_target_destroy(&objects[0].target, class_);
	psref_class_destroy(class_);
}

// A class that grows in a handler, for the first time and past every block there is.
static struct psref many[5000];
static unsigned handler_holds;

static void hold_many(int signal_number)
{
	(void)signal_number;
	int before = errno = 99;
	for (unsigned i = 0; i < handler_holds; i++)
		CHECK_EQ(psref_acquire(&many[i], &objects[0].target, class_), 0);
	CHECK(psref_held(&objects[0].target, class_));
	for (unsigned i = 0; i < handler_holds; i++)
		psref_release(&many[handler_holds - 1 - i], &objects[0].target, class_);
	CHECK(!psref_held(&objects[0].target, class_));
	CHECK_EQ(errno, before);
}

static void a_class_may_grow_in_a_handler(void)
{
	install(hold_many, 0);
	for (handler_holds = 33; handler_holds <= COUNT(many); handler_holds *= 3) {
		class_ = psref_class_create("growing", 0);
		make(&objects[0]);
		raise(SIGUSR1);
		elsewhere(raise_it, NULL);
		psref_target_destroy(&objects[0].target, class_);
		psref_class_destroy(class_);
	}
}

// A handler that forks wherever it interrupts psref. The child returns from it, goes on, and can end all it has.
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

static void *hold_and_release(void *unused)
{
	uint64_t seed = 17;
	while (!LOAD(&stop)) {
		struct psref holds[20];
		unsigned place = (unsigned)(random_number(&seed) % PLACES);
		for (unsigned i = 0; i < COUNT(holds); i++)
			CHECK_EQ(psref_acquire(&holds[i], &objects[place].target, class_), 0);
		for (unsigned i = 0; i < COUNT(holds); i++)
			psref_release(&holds[i], &objects[place].target, class_);
	}
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
	install(fork_in_handler, SA_RESTART);
	class_ = psref_class_create("forked", 0);
	for (unsigned i = 0; i < PLACES; i++)
		make(&objects[i]);
	sigset_t alarms;
	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarms, NULL); // the other thread's, for ever
	pthread_t thread = start(hold_and_release, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
	fork_after(100);
	while (forks < turns) {
		static struct psref holds[70], copies[70];
		unsigned n = (unsigned)(random_number(&seed) % COUNT(holds));
		for (unsigned i = 0; i < n; i++) {
			CHECK_EQ(psref_acquire(&holds[i], &objects[i % PLACES].target, class_), 0);
			psref_copy(&copies[i], &holds[i], class_);
		}
		for (unsigned i = 0; i < n; i++) {
			CHECK(psref_held(&objects[i % PLACES].target, class_));
			psref_release(&holds[i], &objects[i % PLACES].target, class_);
			psref_release(&copies[i], &objects[i % PLACES].target, class_);
		}
		if (in_child_now) {
			for (unsigned i = 0; i < PLACES; i++)
				psref_target_destroy(&objects[i].target, class_);
			psref_class_destroy(class_);
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
	for (unsigned i = 0; i < PLACES; i++)
		psref_target_destroy(&objects[i].target, class_);
	psref_class_destroy(class_);
}

TEST_MAIN(TEST(handlers_sent_by_threads_may_use_psref_while_targets_go),
	  TEST(handlers_of_timers_may_use_psref_while_targets_go),
	  TEST(a_thread_may_make_its_first_use_in_a_handler),
	  TEST(a_first_use_may_be_interrupted_by_a_first_use),
	  TEST(a_class_may_grow_in_a_handler),
	  TEST(a_handler_may_fork_and_the_child_goes_on))
