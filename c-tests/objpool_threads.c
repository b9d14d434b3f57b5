// SPDX-License-Identifier: MIT OR Apache-2.0
// Threads' lives: they end with objects in their CPU's magazine, wander from CPU to CPU, lose their rseq, and give back what others
// took. Whatever they do, every object is there once.
#include "test.h"
#include "threads.h"
#include "objects.h"

#if defined(__has_include) && defined(__x86_64__)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define HAS_RSEQ 1
#endif
#endif

enum { OBJECTS = 200 };

static struct objpool_head head;
static struct pool_context context;
static int stop;

static void begin(int objects)
{
	cpu_number(0); // before anybody is pinned
	make_pool(&head, &context, objects, 64);
}

static void end(int objects)
{
	check_stock(&head, (unsigned)objects);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
}

static void *take_some_and_give_them(void *cpu)
{
	struct object *mine[20];
	pin((unsigned)(uintptr_t)cpu);
	for (unsigned i = 0; i < COUNT(mine); i++)
		CHECK((mine[i] = take(&head, 5)) != NULL);
	for (unsigned i = 0; i < COUNT(mine); i++)
		give(&head, mine[i], 5);
	return NULL;
}

static void what_ended_threads_gave_back_is_there_for_others(void)
{
	begin(20); // every one of them goes through the magazines of all CPUs
	for (unsigned i = 0; i < test_turns(2000); i++)
		elsewhere(take_some_and_give_them, (void *)(uintptr_t)i);
	end(20);
}

static void *take_one_for_good(void *place)
{
	*(struct object **)place = take(&head, 6);
	return NULL;
}

static void an_object_outlives_the_thread_that_took_it(void)
{
	struct object *objects[OBJECTS];
	begin(OBJECTS);
	for (unsigned i = 0; i < OBJECTS; i++) {
		elsewhere(take_one_for_good, &objects[i]);
		CHECK(objects[i] != NULL);
	}
	CHECK(objpool_pop(&head) == NULL);
	for (unsigned i = 0; i < OBJECTS; i++)
		give(&head, objects[i], 6);
	end(OBJECTS);
}

// Producers take, consumers give: all of it flows through the magazines of other CPUs.
static struct object *boxes[16];
static unsigned long handed;

static void *produce(void *unused)
{
	unsigned i = 0;
	pin(0);
	while (!LOAD(&stop)) {
		struct object *object = take(&head, 3);
		if (object != NULL)
			object = __atomic_exchange_n(&boxes[i++ % COUNT(boxes)], object, __ATOMIC_SEQ_CST);
		if (object != NULL)
			give(&head, object, 3);
		else
			sched_yield();
	}
	return unused;
}

static void *consume(void *unused)
{
	pin(1);
	for (unsigned i = 0; !LOAD(&stop); i++) {
		struct object *object =
			__atomic_exchange_n(&boxes[i % COUNT(boxes)], (struct object *)NULL, __ATOMIC_SEQ_CST);
		if (object == NULL) {
			sched_yield();
			continue;
		}
		ADD(&handed, 1);
		give(&head, object, 3);
	}
	return unused;
}

static void objects_may_be_given_back_by_other_threads(void)
{
	test_not_under_qemu("threads hardly meet under qemu-user");
	begin(40);
	pthread_t producer = start(produce, NULL), consumer = start(consume, NULL);
	nap(test_short() ? 100000 : 700000);
	while (LOAD(&handed) == 0 && has_time())
		nap(1000); // others had the CPUs
	STORE(&stop, 1);
	join(producer);
	join(consumer);
	for (unsigned i = 0; i < COUNT(boxes); i++)
		if (boxes[i] != NULL)
			give(&head, boxes[i], 3);
	CHECK(handed > 0);
	end(40);
}

// Moved by itself between any two calls, and by somebody else at any instruction.
static int wanderer_tid;

static void *wander(void *id)
{
	uint64_t me = (uintptr_t)id, seed = me;
	struct object *mine[12];
	unsigned n = 0;
	if (me == 1)
		STORE(&wanderer_tid, thread_id());
	while (!LOAD(&stop)) {
		if (random_number(&seed) % 64 == 0)
			pin((unsigned)(random_number(&seed) % 64));
		if (n < COUNT(mine) && random_number(&seed) % 2 == 0) {
			mine[n] = take(&head, me);
			n += mine[n] != NULL;
		} else if (n > 0) {
			give(&head, mine[--n], me);
		}
	}
	while (n > 0)
		give(&head, mine[--n], me);
	return NULL;
}

static void threads_may_wander_over_the_CPUs(void)
{
	pthread_t threads[6];
	uint64_t seed = 5;
	begin(30);
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(wander, (void *)(uintptr_t)(i + 1));
	wait_until_set(&wanderer_tid);
	for (double until = seconds() + (test_short() ? 0.2 : 1); seconds() < until;) {
		cpu_set_t one;
		CPU_ZERO(&one);
		CPU_SET(cpu_number((unsigned)(random_number(&seed) % 64)), &one);
		sched_setaffinity(wanderer_tid, sizeof one, &one);
	}
	STORE(&stop, 1);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	end(30);
}

// One thread without rseq in a process that has it: the depots serve it, and recall.
static int unregistered;

static int unregister_rseq(void)
{
#ifdef HAS_RSEQ
	enum { UNREGISTER = 1 };
	if (__rseq_size == 0)
		return -1;
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	long size = __rseq_size < 32 ? 32 : (long)__rseq_size;
	return (int)syscall(SYS_rseq, area, size, UNREGISTER, RSEQ_SIG);
#else
	return -1;
#endif
}

static void *find_all(void *objects)
{
	struct object **all = (struct object **)objects;
	unregistered = unregister_rseq();
	for (int turn = 0; turn < 3; turn++) {
		for (unsigned i = 0; i < OBJECTS; i++)
			CHECK((all[i] = take(&head, 4)) != NULL);
		CHECK(objpool_pop(&head) == NULL);
		for (unsigned i = 0; i < OBJECTS; i++)
			give(&head, all[i], 4);
		CHECK_EQ(objpool_pop_bulk(&head, (void **)all, OBJECTS + 1), OBJECTS);
		CHECK_EQ(objpool_push_bulk((void **)all, OBJECTS, &head), 0);
	}
	return NULL;
}

static void a_thread_without_rseq_finds_every_object(void)
{
	static struct object *all[OBJECTS + 1];
	begin(OBJECTS);
	for (unsigned cpu = 0; cpu < cpu_count(); cpu++) // some in every magazine
		elsewhere(take_some_and_give_them, (void *)(uintptr_t)cpu);
	elsewhere(find_all, all);
	end(OBJECTS);
	if (unregistered != 0)
		SKIP("no thread here has rseq to lose");
}

static void *use_beside(void *without)
{
	uint64_t id = without != NULL ? 8 : (uint64_t)thread_id() + 10;
	struct object *mine[3];
	if (without != NULL)
		unregistered = unregister_rseq();
	for (unsigned turn = test_turns(200000); turn > 0; turn--) {
		for (unsigned i = 0; i < COUNT(mine); i++)
			mine[i] = take(&head, id);
		for (unsigned i = 0; i < COUNT(mine); i++)
			if (mine[i] != NULL)
				give(&head, mine[i], id);
	}
	return NULL;
}

// It must not push or pop where sections do.
static void a_thread_without_rseq_takes_nobodys_object(void)
{
	pthread_t threads[4];
	begin(8); // fewer than they want
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(use_beside, i == 2 ? &head : NULL);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	end(8);
	if (unregistered != 0)
		SKIP("no thread here has rseq to lose");
}

static void *make_pools(void *id)
{
	struct objpool_head own;
	struct pool_context its;
	for (unsigned turn = test_turns(2000); turn > 0; turn--) {
		make_pool(&own, &its, 1 + (int)(turn % 50), 40);
		struct object *object = take(&own, (uintptr_t)id);
		CHECK(object != NULL);
		objpool_fini(&own);
		CHECK_EQ(objpool_drop(object, &own), 0);
		CHECK_EQ(its.released, 1);
	}
	return NULL;
}

static void threads_may_make_and_end_pools_at_once(void)
{
	pthread_t threads[4];
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(make_pools, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
}

// A pool takes the per-CPU memory of one that ended: what that left in it is gone.
static void a_recycled_pool_knows_nothing_of_its_former_life(void)
{
	struct objpool_stats stats;
	for (unsigned turn = 0; turn < 100; turn++) {
		begin(OBJECTS);
		CHECK_EQ(objpool_stats(&head, -1, &stats), 0);
		CHECK(stats.misses + stats.failures + stats.depot_pops + stats.depot_pushes + stats.recalls == 0);
		for (unsigned cpu = 0; cpu < cpu_count(); cpu++)
			elsewhere(take_some_and_give_them, (void *)(uintptr_t)cpu);
		if (turn % 2 == 0)
			elsewhere(take_one_for_good, &boxes[0]); // some are left in magazines, some recalled
		objpool_free(&head);
	}
}

TEST_MAIN(TEST(what_ended_threads_gave_back_is_there_for_others),
	  TEST(an_object_outlives_the_thread_that_took_it),
	  TEST(objects_may_be_given_back_by_other_threads),
	  TEST(threads_may_wander_over_the_CPUs),
	  TEST(a_thread_without_rseq_finds_every_object),
	  TEST(a_thread_without_rseq_takes_nobodys_object),
	  TEST(threads_may_make_and_end_pools_at_once),
	  TEST(a_recycled_pool_knows_nothing_of_its_former_life))
