// SPDX-License-Identifier: MIT OR Apache-2.0
// Counts as programs use them: found in a read section, acquired there, held past it; unloaded in the idiom of NetBSD's
// module hooks. Everybody at once, for a while: PSREF_STRESS_SECONDS (default 2), PSREF_STRESS_SEED to repeat a run.
//
// Objects lie on pages of their own. Once drained, a page is made inaccessible, or its magic overwritten, so that a
// reference that was not waited for shows as SIGSEGV or as a wrong magic.
#include "test.h"
#include "threads.h"

#include <psref/localcount.h>
#include <psref/pserialize.h>

enum { OBJECTS = 16, DESTROYERS = 2, WORKERS = 6, DEPTH = 24, MAILBOXES = 8 };
enum { MAGIC = 0x600d, POISON = 0xdead };

struct object {
	struct localcount count;
	unsigned magic, generation;
};

struct held {
	struct object *object;
	unsigned generation;
};

struct worker {
	pthread_t thread;
	uint64_t seed;
	unsigned long references, handed;
} __attribute__((aligned(128)));

// One interlock and condition for all: releases of one object wake drains of others.
static kmutex_t mutex;
static kcondvar_t cv;
static pserialize_t psz;
static struct object *objects[OBJECTS], *published[OBJECTS];
static struct worker workers[WORKERS];
static struct held *mailboxes[MAILBOXES];
static int stop;
static unsigned long destroyed[DESTROYERS], tried[DESTROYERS];
static double longest;

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

static void begin(void)
{
	no_second_look();
	cpu_number(0);
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "stress");
	psz = pserialize_create();
	CHECK(psz != NULL);
}

static bool find_and_acquire(struct worker *me, struct held *held)
{
	int s = pserialize_read_enter();
	held->object = LOAD(&published[random_number(&me->seed) % OBJECTS]);
	if (held->object != NULL) {
		localcount_acquire(&held->object->count);
		held->generation = held->object->generation;
	}
	pserialize_read_exit(s);
	return held->object != NULL;
}

static void release(const struct held *held)
{
	const volatile struct object *object = held->object;
	if (object->magic != MAGIC || object->generation != held->generation)
		FAIL("held object %p has magic %#x, generation %u, expected %#x, %u", (const void *)held->object,
		     object->magic, object->generation, MAGIC, held->generation);
	localcount_release(&held->object->count, &cv, &mutex);
}

static void empty_mailbox(unsigned i, struct held *put)
{
	struct held *held = __atomic_exchange_n(&mailboxes[i], put, __ATOMIC_ACQ_REL);
	if (held != NULL) {
		release(held);
		free(held);
	}
}

// Leaves a reference for another thread to release, and releases what was left there.
static void hand_one_over(struct worker *me)
{
	struct held *held = (struct held *)malloc(sizeof *held);
	if (find_and_acquire(me, held)) {
		me->handed++;
		empty_mailbox((unsigned)random_number(&me->seed) % MAILBOXES, held);
	} else {
		free(held);
	}
}

static void *work(void *argument)
{
	struct worker *me = (struct worker *)argument;
	while (!LOAD(&stop)) {
		struct held held[DEPTH];
		unsigned n = 0, most = (unsigned)(random_number(&me->seed) % DEPTH) + 1;
		if (random_number(&me->seed) % 16 == 0)
			pin((unsigned)random_number(&me->seed) % 64);
		for (unsigned i = 0; i < most; i++)
			n += find_and_acquire(me, &held[n]);
		me->references += n;
		while (n > 0) {
			unsigned pick = (unsigned)(random_number(&me->seed) % n);
			release(&held[pick]);
			held[pick] = held[--n];
		}
		if (random_number(&me->seed) % 4 == 0)
			hand_one_over(me);
		if (random_number(&me->seed) % 8 == 0)
			sched_yield();
	}
	return NULL;
}

static void make(struct object *object, unsigned generation)
{
	object->magic = MAGIC;
	object->generation = generation;
	CHECK_EQ(localcount_init(&object->count), 0);
}

static void drain(struct object *object)
{
	mutex_enter(&mutex);
	localcount_drain(&object->count, &cv, &mutex);
	mutex_exit(&mutex);
}

static void *destroy_and_make(void *number)
{
	unsigned me = (unsigned)(uintptr_t)number;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	for (unsigned turn = 0; !LOAD(&stop); turn++) {
		unsigned i = (turn * DESTROYERS + me) % OBJECTS;
		struct object *object = objects[i];
		unsigned generation = object->generation;
		STORE(&published[i], (struct object *)NULL);
		pserialize_perform(psz);
		for (unsigned box = 0; turn % 32 == 0 && box < MAILBOXES; box++)
			empty_mailbox(box, NULL); // or a reference might lie there for long
		double began = seconds();
		if (turn % 3 == 0 && localcount_trydrain(&object->count))
			tried[me]++;
		else
			drain(object);
		double took = seconds() - began;
		longest = took > longest ? took : longest; // a race of two destroyers costs a figure
		localcount_fini(&object->count);
		if (turn % 2 == 0)
			object->magic = POISON;
		else
			mprotect(object, page, PROT_NONE);
		if (turn % 8 == 0)
			sched_yield();
		if (turn % 2 != 0)
			mprotect(object, page, PROT_READ | PROT_WRITE);
		make(object, generation + 1);
		STORE(&published[i], object);
		destroyed[me]++;
	}
	return NULL;
}

static void references_keep_objects_alive_while_destroyers_wait_for_them(void)
{
	pthread_t destroyers[DESTROYERS];
	unsigned long references = 0, handed = 0;
	uint64_t seed = seed_of_the_run();
	begin();
	for (unsigned i = 0; i < OBJECTS; i++) {
		void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(page != MAP_FAILED);
		objects[i] = (struct object *)page;
		make(objects[i], 0);
		STORE(&published[i], objects[i]);
	}
	for (unsigned i = 0; i < WORKERS; i++) {
		workers[i].seed = seed * 6364136223846793005ULL + i + 1;
		workers[i].thread = start(work, &workers[i]);
	}
	for (unsigned i = 0; i < DESTROYERS; i++)
		destroyers[i] = start(destroy_and_make, (void *)(uintptr_t)i);
	nap((long)(duration() * 1e6));
	STORE(&stop, 1);
	for (unsigned i = 0; i < WORKERS; i++) {
		join(workers[i].thread);
		references += workers[i].references;
		handed += workers[i].handed;
	}
	for (unsigned i = 0; i < MAILBOXES; i++)
		empty_mailbox(i, NULL);
	for (unsigned i = 0; i < DESTROYERS; i++)
		join(destroyers[i]);
	test_note("%lu references, %lu handed over, %lu objects destroyed, %lu of them tried, longest drain %.1f ms", references, handed,
		  destroyed[0] + destroyed[1], tried[0] + tried[1], longest * 1e3);
	CHECK(references > 0 && destroyed[0] > 0 && destroyed[1] > 0);
	for (unsigned i = 0; i < OBJECTS; i++) {
		CHECK_EQ(localcount_debug_refcnt(&objects[i]->count), 0);
		CHECK(localcount_trydrain(&objects[i]->count)); // none was lost
	}
}

// A module's hook: the function may be called as long as the module is there, and while it is called the module is not
// unloaded; the caller does something else where there is no module.
static struct hook {
	kmutex_t mtx;
	kcondvar_t cv;
	struct localcount lc;
	bool hooked;
	int (*function)(void);
} hook;

static int loaded;
static unsigned long called, missed;

static int function_of_the_module(void)
{
	if (LOAD(&loaded) == 0)
		FAIL("called after it was unloaded");
	spin(50);
	if (LOAD(&loaded) == 0)
		FAIL("unloaded while it was called");
	return 42;
}

static void *call_the_hook(void *unused)
{
	unsigned long calls = 0, misses = 0;
	while (!LOAD(&stop)) {
		int s = pserialize_read_enter();
		bool hooked = LOAD(&hook.hooked);
		if (hooked)
			localcount_acquire(&hook.lc);
		pserialize_read_exit(s);
		if (hooked) {
			CHECK_EQ(hook.function(), 42);
			localcount_release(&hook.lc, &hook.cv, &hook.mtx);
			calls++;
		} else {
			misses++;
		}
		if ((calls + misses) % 64 == 0)
			sched_yield();
	}
	ADD(&called, calls);
	ADD(&missed, misses);
	return unused;
}

static void set_hook(void)
{
	STORE(&loaded, 1);
	hook.function = function_of_the_module;
	CHECK_EQ(localcount_init(&hook.lc), 0);
	STORE(&hook.hooked, true);
}

static void unset_hook(void)
{
	mutex_enter(&hook.mtx);
	STORE(&hook.hooked, false);
	pserialize_perform(psz);
	localcount_drain(&hook.lc, &hook.cv, &hook.mtx);
	localcount_fini(&hook.lc);
	mutex_exit(&hook.mtx);
	STORE(&loaded, 0);
}

static void a_module_is_unloaded_only_while_its_hook_is_not_called(void)
{
	pthread_t callers[WORKERS];
	unsigned long unloaded = 0;
	begin();
	mutex_init(&hook.mtx, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&hook.cv, "mod_hook");
	for (unsigned i = 0; i < WORKERS; i++)
		callers[i] = start(call_the_hook, NULL);
	for (double until = seconds() + duration(); seconds() < until; unloaded++) {
		set_hook();
		if (unloaded % 4 == 0)
			nap(50);
		unset_hook();
	}
	STORE(&stop, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		join(callers[i]);
	test_note("unloaded %lu times, called %lu times, not there %lu times", unloaded, called, missed);
	CHECK(unloaded > 0 && called > 0);
	cv_destroy(&hook.cv);
	mutex_destroy(&hook.mtx);
}

TEST_MAIN(TEST(references_keep_objects_alive_while_destroyers_wait_for_them),
	  TEST(a_module_is_unloaded_only_while_its_hook_is_not_called))
