// SPDX-License-Identifier: MIT OR Apache-2.0
// Inlined and called code in one process, on the same objects, while they are destroyed: what one way has begun another ends. Linked with a
// way or more, and with a plug-in that has one where PSREF_TEST_PLUGIN names it. PSREF_TEST_SECONDS_EACH: how long a family is tried.
#include "../test.h"
#include "../threads.h"
#include "descriptors.h"
#include "ways.h"

#include <dlfcn.h>

enum { WORKERS = 6, TABLE = 8, OBJECTS = 24, MAGIC = 0x600d, POISON = 0xdead };

#define NAMED(name) extern const struct way *name(void) __attribute__((weak))
NAMED(way_called);
NAMED(way_inlined);
NAMED(way_inlined_again);

static const struct way *ways[4];
static unsigned way_count;
static int stop;
static uint64_t seeds[WORKERS];

static void find_ways(void)
{
	const struct way *(*const all[])(void) = { way_called, way_inlined, way_inlined_again };
	const char *plugin = getenv("PSREF_TEST_PLUGIN");
	for (size_t i = 0; i < COUNT(all); i++)
		if (all[i] != NULL)
			ways[way_count++] = all[i]();
	if (plugin != NULL) {
		void *handle = dlopen(plugin, RTLD_NOW);
		if (handle == NULL)
			FAIL("%s", dlerror());
		const struct way *(*its)(void);
		*(void **)&its = dlsym(handle, "way_plugged_in");
		CHECK(its != NULL);
		ways[way_count++] = its();
	}
	CHECK(way_count > 0);
	psref_backend(); // chosen before anybody uses it in earnest
}

static const struct way *any(uint64_t *seed)
{
	return ways[random_number(seed) % way_count];
}

static void run_for_a_while(void *(*work)(void *), void (*meanwhile)(void))
{
	pthread_t threads[WORKERS];
	const char *told = getenv("PSREF_TEST_SECONDS_EACH");
	double end = seconds() + (told != NULL ? atof(told) : 0.5);
	for (unsigned i = 0; i < WORKERS; i++) {
		seeds[i] = (uint64_t)(i + 1) * 6364136223846793005ULL;
		threads[i] = start(work, &seeds[i]);
	}
	do {
		if (meanwhile != NULL)
			meanwhile();
		else
			nap(1000);
	} while (seconds() < end);
	STORE(&stop, 1);
	for (unsigned i = 0; i < WORKERS; i++)
		join(threads[i]);
}

// ---- read sections and psref

struct thing {
	struct psref_target target;
	unsigned magic;
};

static struct psref_class *class_;
static struct thing things[2 * TABLE], *published[TABLE];

static void *look_up_and_hold(void *seed_)
{
	uint64_t *seed = (uint64_t *)seed_;
	while (!LOAD(&stop)) {
		struct psref psref[2];
		struct thing *thing[2];
		for (unsigned i = 0; i < 2; i++) {
			int s = any(seed)->enter();
			thing[i] = LOAD(&published[random_number(seed) % TABLE]);
			if (any(seed)->acquire(&psref[i], &thing[i]->target, class_) != 0)
				thing[i] = NULL;
			else
				CHECK_EQ(LOAD(&thing[i]->magic), MAGIC);
			any(seed)->leave(s);
		}
		if (random_number(seed) % 64 == 0)
			sched_yield();
		for (unsigned i = 0; i < 2; i++) {
			if (thing[i] == NULL)
				continue;
			CHECK_EQ(LOAD(&thing[i]->magic), MAGIC);
			any(seed)->release(&psref[i], &thing[i]->target, class_);
		}
	}
	return NULL;
}

static void make(struct thing *thing)
{
	psref_target_init(&thing->target, class_);
	STORE(&thing->magic, (unsigned)MAGIC);
}

static void replace_one(void)
{
	static unsigned turn;
	unsigned i = turn++ % TABLE;
	struct thing *old = published[i], *spare = old < things + TABLE ? old + TABLE : old - TABLE;
	make(spare);
	STORE(&published[i], spare);
	pserialize_perform(NULL);
	psref_target_destroy(&old->target, class_);
	STORE(&old->magic, (unsigned)POISON);
}

static void what_one_way_acquires_another_releases(void)
{
	no_second_look();
	find_ways();
	class_ = psref_class_create("mix", 0);
	CHECK(class_ != NULL);
	for (unsigned i = 0; i < TABLE; i++) {
		make(&things[i]);
		published[i] = &things[i];
	}
	run_for_a_while(look_up_and_hold, replace_one);
	for (unsigned i = 0; i < TABLE; i++)
		psref_target_destroy(&published[i]->target, class_);
	psref_class_destroy(class_); // aborts where a hold was lost
}

// ---- localcount

static struct localcount lc;
static kmutex_t interlock;
static kcondvar_t cv;

static void *count_and_uncount(void *seed)
{
	while (!LOAD(&stop)) {
		any((uint64_t *)seed)->count(&lc);
		any((uint64_t *)seed)->uncount(&lc, &cv, &interlock);
	}
	return NULL;
}

static void what_one_way_counts_another_uncounts(void)
{
	find_ways();
	mutex_init(&interlock, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "mix");
	CHECK_EQ(localcount_init(&lc), 0);
	run_for_a_while(count_and_uncount, NULL);
	CHECK_EQ(localcount_debug_refcnt(&lc), 0);
	CHECK(localcount_trydrain(&lc));
	localcount_fini(&lc);
}

// ---- gates

static struct device_gate_device device;
static int inside_after;

static void *come_and_go(void *seed_)
{
	uint64_t *seed = (uint64_t *)seed_;
	for (;;) {
		if (any(seed)->visit(&device) != 0)
			return NULL;
		any(seed)->pass(&device);
		CHECK_EQ(LOAD(&inside_after), 0);
		any(seed)->passed(&device);
		any(seed)->depart(&device);
	}
}

static void *close_it(void *unused)
{
	device_gate_t *gate;
	nap(300000);
	CHECK_EQ(device_gate_close(&device, "mix", &gate), 0);
	device_gate_seal(&device, gate);
	STORE(&inside_after, 1);
	return unused;
}

static void nobody_is_inside_a_gate_that_was_sealed(void)
{
	find_ways();
	no_second_look();
	CHECK_EQ(device_gate_attach(&device), 0);
	pthread_t closer = start(close_it, NULL);
	run_for_a_while(come_and_go, NULL);
	join(closer);
	device_gate_detach(&device);
}

// ---- objpool

struct object {
	unsigned owner;
};

static struct objpool_head head;

static void *take_and_give(void *seed_)
{
	uint64_t *seed = (uint64_t *)seed_;
	unsigned me = (unsigned)(seed - seeds) + 1;
	while (!LOAD(&stop)) {
		struct object *mine[3];
		for (unsigned i = 0; i < COUNT(mine); i++) {
			mine[i] = (struct object *)any(seed)->pop(&head);
			if (mine[i] != NULL)
				CHECK_EQ(__atomic_exchange_n(&mine[i]->owner, me, __ATOMIC_SEQ_CST), 0);
		}
		for (unsigned i = 0; i < COUNT(mine); i++) {
			if (mine[i] == NULL)
				continue;
			CHECK_EQ(__atomic_exchange_n(&mine[i]->owner, 0U, __ATOMIC_SEQ_CST), me);
			CHECK_EQ(any(seed)->push(mine[i], &head), 0);
		}
	}
	return NULL;
}

static void an_object_has_one_owner_whichever_way_it_came(void)
{
	unsigned found = 0;
	find_ways();
	CHECK_EQ(objpool_init(&head, OBJECTS, (int)sizeof(struct object), 0, NULL, NULL, NULL), 0);
	for (unsigned i = 0; i < way_count; i++)
		CHECK_EQ(ways[i]->push(&found, &head), -EINVAL);
	run_for_a_while(take_and_give, NULL);
	for (unsigned i = 0; ways[i % way_count]->pop(&head) != NULL; i++)
		found++;
	CHECK_EQ(found, OBJECTS);
	objpool_free(&head);
}

// ---- misuse, and what the linker made of it

static void the_address_of_a_function_is_that_of_the_librarys(void)
{
	find_ways();
	for (unsigned i = 0; i < way_count; i++)
		for (unsigned j = 0; j < i; j++)
			CHECK(ways[i]->acquire != psref_acquire && ways[i]->pop != objpool_pop);
	void (*volatile leave)(int) = pserialize_read_exit;
	int (*volatile enter)(void) = pserialize_read_enter;
	leave(enter());
	CHECK(pserialize_not_in_read_section());
}

static void refusals_are_the_same_whichever_way(void)
{
	struct psref_target target;
	struct psref psref;
	find_ways();
	class_ = psref_class_create("mix", 0);
	psref_target_init(&target, class_);
	psref_target_drain(&target, class_);
	for (unsigned i = 0; i < way_count; i++) {
		CHECK_EQ(ways[i]->acquire(&psref, &target, class_), ENOENT);
		CHECK(ways[i]->pop(NULL) == NULL);
		CHECK_EQ(ways[i]->push(NULL, NULL), -EINVAL);
		int outer = ways[i]->enter(), inner = ways[i]->enter();
		CHECK(pserialize_in_read_section());
		ways[i]->leave(inner);
		CHECK(pserialize_in_read_section());
		ways[i]->leave(outer);
		CHECK(pserialize_not_in_read_section());
	}
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

static void every_descriptor_describes_what_is_there(void)
{
	const char *expected = getenv("PSREF_TEST_DESCRIPTORS");
	unsigned n = check_descriptors();
	test_note("%u descriptors in the program", n);
	if (expected != NULL)
		CHECK_EQ(n, atoi(expected));
}

TEST_MAIN(TEST(every_descriptor_describes_what_is_there), TEST(refusals_are_the_same_whichever_way),
	  TEST(the_address_of_a_function_is_that_of_the_librarys), TEST(what_one_way_acquires_another_releases),
	  TEST(what_one_way_counts_another_uncounts), TEST(nobody_is_inside_a_gate_that_was_sealed),
	  TEST(an_object_has_one_owner_whichever_way_it_came))
