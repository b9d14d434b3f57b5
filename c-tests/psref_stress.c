// SPDX-License-Identifier: MIT OR Apache-2.0
// Everybody at once, for a while: PSREF_STRESS_SECONDS (default 2) a test, PSREF_STRESS_SEED to repeat a run.
//
// Objects lie on pages of their own. Once destroyed, a page is made inaccessible, or its magic overwritten, so that a
// hold that was not waited for shows as SIGSEGV or as a wrong magic. Look-ups are protected by a mutex for each thread,
// which a destroyer takes and gives back in turn after it has unpublished.
#include "test.h"
#include "threads.h"

#include <psref/psref.h>

enum { OBJECTS = 32, DESTROYERS = 2, MOST_WORKERS = 256, DEPTH = 48, MAILBOXES = 8 };
enum { MAGIC = 0x600d, POISON = 0xdead };

struct object {
	struct psref_target target;
	unsigned magic, generation;
};

// A hold and what it holds: also what is handed to another thread.
struct held {
	struct psref psref;
	struct object *object;
	unsigned generation;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t looking;
	uint64_t seed;
	unsigned long holds, copies, handed, refused;
} __attribute__((aligned(128)));

static struct psref_class *class_;
static struct object *objects[OBJECTS];
static struct object *published[OBJECTS];
static struct worker workers[MOST_WORKERS];
static unsigned worker_count;
static struct held *mailboxes[MAILBOXES];
static int stop;
static unsigned long destroyed[DESTROYERS];
static double longest_drain;

static double duration(void)
{
	const char *told = getenv("PSREF_STRESS_SECONDS");
	return told != NULL ? atof(told) : test_short() ? 0.5 : 2;
}

static uint64_t seed_of_the_run(void)
{
	const char *told = getenv("PSREF_STRESS_SEED");
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t seed = told != NULL ? strtoull(told, NULL, 0) : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	test_note("PSREF_STRESS_SEED=%llu", (unsigned long long)seed);
	return seed != 0 ? seed : 1;
}

static void check(const struct held *held)
{
	const volatile struct object *object = held->object;
	if (object->magic != MAGIC || object->generation != held->generation)
		FAIL("held object %p has magic %#x, generation %u, expected %#x, %u", (const void *)held->object,
		     object->magic, object->generation, MAGIC, held->generation);
}

static bool find_and_acquire(struct worker *me, struct held *held)
{
	int refused = ENOENT;
	pthread_mutex_lock(&me->looking);
	held->object = LOAD(&published[random_number(&me->seed) % OBJECTS]);
	if (held->object != NULL) {
		refused = psref_acquire(&held->psref, &held->object->target, class_);
		held->generation = held->object->generation;
	}
	pthread_mutex_unlock(&me->looking);
	if (held->object != NULL && refused != 0)
		me->refused++;
	return refused == 0;
}

static void release(struct held *held)
{
	check(held);
	psref_release(&held->psref, &held->object->target, class_);
}

// Leaves a hold for whoever comes by, or takes and releases one that was left.
static struct held *exchange(struct worker *me, struct held *held)
{
	if (test_strict()) // no hold leaves its thread
		return held;
	if (held != NULL)
		me->handed++;
	return __atomic_exchange_n(&mailboxes[random_number(&me->seed) % MAILBOXES], held, __ATOMIC_ACQ_REL);
}

static void release_handed(struct held *held)
{
	if (held != NULL) {
		release(held);
		free(held);
	}
}

static void hand_one_over(struct worker *me)
{
	struct held *held = (struct held *)malloc(sizeof *held);
	if (find_and_acquire(me, held))
		release_handed(exchange(me, held));
	else
		free(held);
}

// Holds at random depths, released in random order, with copies among them.
static void *work(void *argument)
{
	struct worker *me = (struct worker *)argument;
	struct held holds[DEPTH];
	while (!LOAD(&stop)) {
		unsigned count = 0, most = (unsigned)(random_number(&me->seed) % DEPTH) + 1;
		unsigned steps = (unsigned)(random_number(&me->seed) % 200);
		bool up[DEPTH] = { false };
		if (random_number(&me->seed) % 16 == 0)
			pin((unsigned)random_number(&me->seed) % 64);
		for (; steps > 0 || count > 0; steps -= steps > 0) {
			unsigned i = (unsigned)(random_number(&me->seed) % most);
			unsigned from = (unsigned)(random_number(&me->seed) % most);
			if (up[i]) {
				release(&holds[i]);
				up[i] = false;
				count--;
			} else if (steps > 0 && up[from] && random_number(&me->seed) % 4 == 0) {
				check(&holds[from]);
				psref_copy(&holds[i].psref, &holds[from].psref, class_);
				holds[i].object = holds[from].object;
				holds[i].generation = holds[from].generation;
				up[i] = true;
				count++;
				me->copies++;
			} else if (steps > 0 && find_and_acquire(me, &holds[i])) {
				check(&holds[i]);
				up[i] = true;
				count++;
				me->holds++;
			}
		}
		if (random_number(&me->seed) % 4 == 0)
			hand_one_over(me);
		else
			release_handed(exchange(me, NULL));
		if (random_number(&me->seed) % 8 == 0)
			sched_yield();
	}
	return NULL;
}

static void wait_for_lookups(void)
{
	for (unsigned i = 0; i < worker_count; i++) {
		pthread_mutex_lock(&workers[i].looking);
		pthread_mutex_unlock(&workers[i].looking);
	}
}

static void make(struct object *object, unsigned generation)
{
	object->magic = MAGIC;
	object->generation = generation;
	psref_target_init(&object->target, class_);
}

static void empty_mailboxes(void)
{
	for (unsigned i = 0; i < MAILBOXES; i++)
		release_handed(__atomic_exchange_n(&mailboxes[i], (struct held *)NULL, __ATOMIC_ACQ_REL));
}

static void *destroy_and_make(void *number)
{
	unsigned me = (unsigned)(uintptr_t)number;
	long page = sysconf(_SC_PAGESIZE);
	for (unsigned turn = 0; !LOAD(&stop); turn++) {
		unsigned i = (turn * DESTROYERS + me) % OBJECTS;
		struct object *object = objects[i];
		unsigned generation = object->generation;
		STORE(&published[i], (struct object *)NULL);
		wait_for_lookups();
		if (turn % 64 == 0)
			empty_mailboxes(); // or a hold might lie there for long
		double began = seconds();
		if (turn % 2 == 0)
			psref_target_drain(&object->target, class_);
		psref_target_destroy(&object->target, class_);
		double took = seconds() - began;
		if (took > longest_drain)
			longest_drain = took; // a race of two destroyers costs a figure
		if (turn % 2 == 0) {
			object->magic = POISON;
		} else if (mprotect(object, (size_t)page, PROT_NONE) != 0) {
			FAIL("mprotect: %s", strerror(errno));
		}
		if (turn % 8 == 0)
			sched_yield();
		if (turn % 2 != 0)
			mprotect(object, (size_t)page, PROT_READ | PROT_WRITE);
		make(object, generation + 1);
		STORE(&published[i], object);
		destroyed[me]++;
	}
	return NULL;
}

static void start_all(pthread_t *others, void *(*run)(void *), unsigned n)
{
	uint64_t seed = seed_of_the_run();
	setenv("PSREF_DRAIN_WARN", "3600", 1); // a lost wake-up must hang
	class_ = psref_class_create("stress", 0);
	CHECK(class_ != NULL);
	worker_count = 4 * cpu_count();
	if (worker_count > MOST_WORKERS)
		worker_count = MOST_WORKERS;
	for (unsigned i = 0; i < OBJECTS; i++) {
		void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED);
		objects[i] = (struct object *)page;
		make(objects[i], 0);
		STORE(&published[i], objects[i]);
	}
	cpu_number(0);
	for (unsigned i = 0; i < worker_count; i++) {
		pthread_mutex_init(&workers[i].looking, NULL);
		workers[i].seed = seed * 6364136223846793005ULL + i + 1;
	}
	for (unsigned i = 0; i < n; i++)
		others[i] = start(run, (void *)(uintptr_t)i);
}

static void end_all(const pthread_t *others, unsigned n)
{
	nap((long)(duration() * 1e6));
	STORE(&stop, 1);
	for (unsigned i = 0; i < worker_count; i++)
		join(workers[i].thread);
	empty_mailboxes();
	for (unsigned i = 0; i < n; i++)
		join(others[i]);
	for (unsigned i = 0; i < OBJECTS; i++)
		psref_target_destroy(&objects[i]->target, class_);
	psref_class_destroy(class_); // aborts where a hold was lost
}

static void holds_keep_objects_alive_while_destroyers_wait_for_them(void)
{
	pthread_t destroyers[DESTROYERS];
	unsigned long holds = 0, copies = 0, handed = 0;
	start_all(destroyers, destroy_and_make, DESTROYERS);
	for (unsigned i = 0; i < worker_count; i++)
		workers[i].thread = start(work, &workers[i]);
	end_all(destroyers, DESTROYERS);
	for (unsigned i = 0; i < worker_count; i++) {
		holds += workers[i].holds;
		copies += workers[i].copies;
		handed += workers[i].handed;
	}
	test_note("%u threads, %lu holds, %lu copies, %lu handed over, %lu objects destroyed, longest drain %.1f ms", worker_count,
		  holds, copies, handed, destroyed[0] + destroyed[1], longest_drain * 1e3);
	CHECK(holds > 0 && destroyed[0] > 0 && destroyed[1] > 0);
}

// Acquires that race with the drain itself: nothing but the target's flag keeps them out. The object stays in memory, so
// that a hold which begins too late can be seen to exist.
//
// A thread's psrefs that lie as far apart as these begin their search at the same slot: the second finds it taken.
struct apart {
	struct held held;
	unsigned char room[256 - sizeof(struct held)];
};

static void *race(void *argument)
{
	struct worker *me = (struct worker *)argument;
	while (!LOAD(&stop)) {
		struct apart nested[3];
		unsigned most = (unsigned)COUNT(nested), count = 0;
		if (random_number(&me->seed) % 1024 == 0)
			pin((unsigned)random_number(&me->seed) % 64);
		while (most-- > 0)
			count += find_and_acquire(me, &nested[count].held);
		me->holds += count;
		while (count > 0)
			release(&nested[--count].held); // checks it first
	}
	return NULL;
}

static void *drain_while_it_can_be_found(void *number)
{
	unsigned me = (unsigned)(uintptr_t)number;
	for (unsigned turn = 0; !LOAD(&stop); turn++) {
		unsigned i = (turn * DESTROYERS + me) % OBJECTS;
		struct object *object = objects[i];
		psref_target_drain(&object->target, class_);
		STORE(&object->magic, (unsigned)POISON); // whoever holds it now, or looks at what it holds, tells
		for (volatile unsigned pause = 0; pause < 200; pause = pause + 1)
			;
		STORE(&published[i], (struct object *)NULL);
		wait_for_lookups();
		psref_target_destroy(&object->target, class_);
		make(object, object->generation + 1);
		STORE(&published[i], object);
		destroyed[me]++;
	}
	return NULL;
}

static void no_hold_begins_after_a_drain_that_acquires_race_with(void)
{
	pthread_t drainers[DESTROYERS];
	unsigned long holds = 0, refused = 0;
	start_all(drainers, drain_while_it_can_be_found, DESTROYERS);
	for (unsigned i = 0; i < worker_count; i++)
		workers[i].thread = start(race, &workers[i]);
	end_all(drainers, DESTROYERS);
	for (unsigned i = 0; i < worker_count; i++) {
		holds += workers[i].holds;
		refused += workers[i].refused;
	}
	test_note("%u threads, %lu holds, %lu refused, %lu drains", worker_count, holds, refused, destroyed[0] + destroyed[1]);
	CHECK(holds > 0 && destroyed[0] > 0 && destroyed[1] > 0);
}

TEST_MAIN(TEST(holds_keep_objects_alive_while_destroyers_wait_for_them),
	  TEST(no_hold_begins_after_a_drain_that_acquires_race_with))
