// SPDX-License-Identifier: MIT OR Apache-2.0
// Readers look up, hold and use objects while others retire them. An object is a page that its function takes all
// access to away from: who uses it after its end does not go unseen.
#include "test.h"
#include "threads.h"

#include <psref.h>

enum { PLACES = 8, PAGES = 64, READERS = 3 };

struct object {
	struct psref_target target;
	uint64_t seal;
	uint64_t held; // by how many readers
};

static const uint64_t SEAL = 0x5ea1ab1e5ea1ab1eULL;

static struct psref_class *class_;
static char *pages;
static size_t page_size;
static int is_free[PAGES];
static struct object *table[PLACES];
static int stop;
static uint64_t made, ended, held, refused;

static struct object *page(unsigned i)
{
	return (struct object *)(void *)(pages + i * page_size);
}

static void end(void *place)
{
	struct object *object = (struct object *)place;
	CHECK_EQ(object->seal, SEAL);
	CHECK_EQ(LOAD(&object->held), 0);
	CHECK_EQ(mprotect(place, page_size, PROT_NONE), 0);
	ADD(&ended, 1);
	STORE(&is_free[(size_t)((char *)place - pages) / page_size], 1);
}

static struct object *make(void)
{
	for (unsigned i = 0;; i = (i + 1) % PAGES) {
		int yes = 1;
		if (__atomic_compare_exchange_n(&is_free[i], &yes, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
			struct object *object = page(i);
			CHECK_EQ(mprotect(object, page_size, PROT_READ | PROT_WRITE), 0);
			memset(object, 0, sizeof *object);
			psref_target_init(&object->target, class_);
			object->seal = SEAL;
			ADD(&made, 1);
			return object;
		}
		if (i == PAGES - 1)
			sched_yield();
	}
}

static void *look_up_and_hold(void *number)
{
	uint64_t random = 88172645463325252ULL + (uintptr_t)number;
	struct psref hold;
	while (LOAD(&stop) == 0) {
		struct object **place = &table[random_number(&random) % PLACES];
		int s = pserialize_read_enter();
		struct object *object = __atomic_load_n(place, __ATOMIC_ACQUIRE);
		CHECK_EQ(object->seal, SEAL);
		// Now and then for longer than a batch takes.
		if (random_number(&random) % 4096 == 0)
			spin(3000000);
		int error = psref_acquire(&hold, &object->target, class_);
		pserialize_read_exit(s);
		if (error != 0) {
			ADD(&refused, 1);
			continue;
		}
		ADD(&object->held, 1);
		spin(random_number(&random) % 200);
		CHECK_EQ(LOAD(&object->seal), SEAL);
		__atomic_fetch_sub(&object->held, 1, __ATOMIC_SEQ_CST);
		psref_release(&hold, &object->target, class_);
		ADD(&held, 1);
	}
	return NULL;
}

static void give_up(struct object *object)
{
	CHECK_EQ(psref_target_retire(&object->target, class_, end, object), 0);
}

static void nobody_uses_what_has_come_to_its_end(void)
{
	pthread_t readers[READERS];
	uint64_t random = 1;
	no_second_look();
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	pages = (char *)mmap(NULL, PAGES * page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pages != MAP_FAILED);
	for (int i = 0; i < PAGES; i++)
		is_free[i] = 1;
	class_ = psref_class_create("stressed", IPL_SOFTNET);
	for (int i = 0; i < PLACES; i++)
		table[i] = make();
	for (uintptr_t i = 0; i < READERS; i++)
		readers[i] = start(look_up_and_hold, (void *)i);
	for (unsigned turn = 0; turn < test_turns(20000); turn++) {
		struct object *fresh = make(), **place = &table[random_number(&random) % PLACES];
		give_up(__atomic_exchange_n(place, fresh, __ATOMIC_SEQ_CST));
		if (turn % 512 == 0)
			psref_retire_poll();
		if (turn % 4096 == 0)
			psref_retire_barrier();
	}
	STORE(&stop, 1);
	for (int i = 0; i < READERS; i++)
		join(readers[i]);
	for (int i = 0; i < PLACES; i++)
		give_up(table[i]);
	psref_retire_barrier();
	CHECK_EQ(ended, made);
	CHECK(held != 0);
	psref_class_destroy(class_);
	test_note("%llu objects, held %llu times, refused %llu times", (unsigned long long)made, (unsigned long long)held,
	    (unsigned long long)refused);
}

enum { DEFERRERS = 3, CALLS = 512 };

static int calls[DEFERRERS][CALLS];

static void count_call(void *place)
{
	ADD((int *)place, 1);
}

static void *defer_and_wait(void *mine)
{
	int *own = (int *)mine;
	for (unsigned turn = 1; turn <= test_turns(200); turn++) {
		for (unsigned i = 0; i < CALLS; i++)
			CHECK_EQ(pserialize_call(count_call, &own[i]), 0);
		psref_retire_barrier();
		for (unsigned i = 0; i < CALLS; i++)
			CHECK_EQ(LOAD(&own[i]), turn);
	}
	return NULL;
}

static void many_retire_and_each_barrier_waits_for_its_own(void)
{
	pthread_t threads[DEFERRERS];
	no_second_look();
	for (int i = 0; i < DEFERRERS; i++)
		threads[i] = start(defer_and_wait, calls[i]);
	for (int i = 0; i < DEFERRERS; i++)
		join(threads[i]);
}

static void the_same_where_all_of_them_drive(void)
{
	psref_retire_poll();
	many_retire_and_each_barrier_waits_for_its_own();
}

TEST_MAIN(TEST(nobody_uses_what_has_come_to_its_end), TEST(many_retire_and_each_barrier_waits_for_its_own),
    TEST(the_same_where_all_of_them_drive))
