// SPDX-License-Identifier: MIT OR Apache-2.0
// A list that is read under read sections while others insert, and remove and free: what is freed is poisoned first, so that
// a reader who was not waited for sees it; an address sanitizer sees it too. Everybody at once, for a while:
// PSREF_STRESS_SECONDS (default 2), PSREF_STRESS_SEED to repeat a run.
#include "test.h"
#include "threads.h"

#include <psref/pserialize.h>

enum { WRITERS = 2, READERS = 5, LENGTH = 16, MAGIC = 0x600d };

struct node {
	struct node *next;
	unsigned magic;
	uint64_t key, check; // check is key's complement
};

struct thread {
	pthread_t thread;
	uint64_t seed;
	unsigned long done, seen;
} __attribute__((aligned(128)));

static pserialize_t psz;
static struct node *head;
static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
static struct thread readers[READERS], writers[WRITERS], mortals;
static int stop;
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

static void insert(uint64_t key)
{
	struct node *node = (struct node *)malloc(sizeof *node);
	CHECK(node != NULL);
	node->magic = MAGIC;
	node->key = key;
	node->check = ~key;
	node->next = head;
	__atomic_store_n(&head, node, __ATOMIC_RELEASE);
}

// The n-th from the head; it still points into the list, for those who stand on it.
static struct node *remove_one(unsigned n)
{
	struct node **place = &head;
	while (n-- > 0 && *place != NULL && (*place)->next != NULL)
		place = &(*place)->next;
	struct node *node = *place;
	if (node != NULL)
		__atomic_store_n(place, node->next, __ATOMIC_RELEASE);
	return node;
}

static void poison_and_free(struct node *node)
{
	memset(node, 0xdd, sizeof *node);
	free(node);
}

static void walk(struct thread *me)
{
	for (const struct node *node = __atomic_load_n(&head, __ATOMIC_ACQUIRE); node != NULL;
	     node = __atomic_load_n(&node->next, __ATOMIC_ACQUIRE)) {
		const volatile struct node *seen = node;
		if (seen->magic != MAGIC || seen->key != ~seen->check)
			FAIL("a node within reach was freed: magic %#x", seen->magic);
		me->seen++;
	}
}

static void *read_it(void *argument)
{
	struct thread *me = (struct thread *)argument;
	for (; !LOAD(&stop); me->done++) {
		uint64_t dice = random_number(&me->seed);
		int s = pserialize_read_enter();
		walk(me);
		if (dice % 8 == 0) { // nested, and the outer one goes on
			pserialize_read_exit(pserialize_read_enter());
			walk(me);
		}
		if (dice % 1024 == 1)
			sched_yield(); // asleep inside
		pserialize_read_exit(s);
		if (dice % 512 == 2)
			pin((unsigned)random_number(&me->seed) % 64);
	}
	return NULL;
}

static void *write_it(void *argument)
{
	struct thread *me = (struct thread *)argument;
	for (; !LOAD(&stop); me->done++) {
		struct node *gone[4];
		unsigned n = (unsigned)(random_number(&me->seed) % COUNT(gone)) + 1;
		pthread_mutex_lock(&writing);
		for (unsigned i = 0; i < n; i++) {
			gone[i] = remove_one((unsigned)(random_number(&me->seed) % LENGTH));
			insert(random_number(&me->seed));
		}
		if (me->done % 2 == 0) // some perform under the writers' lock, some all at once
			pserialize_perform(psz);
		pthread_mutex_unlock(&writing);
		if (me->done % 2 != 0) {
			double began = seconds();
			pserialize_perform(me->done % 4 == 1 ? NULL : psz);
			double took = seconds() - began;
			longest = took > longest ? took : longest; // a race of two writers costs a figure
		}
		for (unsigned i = 0; i < n; i++)
			if (gone[i] != NULL)
				poison_and_free(gone[i]);
	}
	return NULL;
}

static void *read_once(void *argument)
{
	int s = pserialize_read_enter();
	walk((struct thread *)argument);
	pserialize_read_exit(s);
	return NULL;
}

static void a_list_may_be_read_while_others_remove_and_free(void)
{
	unsigned long walks = 0, nodes = 0, removals = 0, lives = 0;
	uint64_t seed = seed_of_the_run();
	no_second_look();
	cpu_number(0);
	psz = pserialize_create();
	for (unsigned i = 0; i < LENGTH; i++)
		insert(i);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i].seed = seed + i * 7919 + 1;
		readers[i].thread = start(read_it, &readers[i]);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].seed = seed + i * 104729 + 1;
		writers[i].thread = start(write_it, &writers[i]);
	}
	for (double until = seconds() + duration(); seconds() < until; lives++) {
		elsewhere(read_once, &mortals); // threads come and go meanwhile
		if (lives % 32 == 0)
			nap(100);
	}
	STORE(&stop, 1);
	for (unsigned i = 0; i < READERS; i++) {
		join(readers[i].thread);
		walks += readers[i].done;
		nodes += readers[i].seen;
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		join(writers[i].thread);
		removals += writers[i].done;
	}
	test_note("%lu walks over %lu nodes, %lu rounds of removing, %lu threads came and went, longest perform %.1f ms", walks, nodes,
		  removals, lives, longest * 1e3);
	CHECK(walks > 0 && removals > 0 && lives > 0);
	while (head != NULL)
		poison_and_free(remove_one(0));
	pserialize_destroy(psz);
}

// The smallest window: one place, one reader a CPU, and the writer frees at once. What a reader found it looks at as long
// as the section is open, whatever interrupts it.
static struct node *place;

static void *look_again_and_again(void *argument)
{
	struct thread *me = (struct thread *)argument;
	pin((unsigned)me->seed);
	for (; !LOAD(&stop); me->done++) {
		int s = pserialize_read_enter();
		const volatile struct node *node = __atomic_load_n(&place, __ATOMIC_ACQUIRE);
		for (int i = 0; i < 4; i++)
			if (node->magic != MAGIC || node->key != ~node->check)
				FAIL("what a section found was freed before its end");
		pserialize_read_exit(s);
	}
	return NULL;
}

static struct node *fresh(uint64_t key)
{
	struct node *node = (struct node *)malloc(sizeof *node);
	CHECK(node != NULL);
	node->magic = MAGIC;
	node->key = key;
	node->check = ~key;
	return node;
}

static void what_a_section_found_stays_until_its_end(void)
{
	unsigned long looks = 0, replaced = 0;
	cpu_number(0);
	no_second_look();
	psz = pserialize_create();
	place = fresh(0);
	for (unsigned i = 0; i < 2; i++) {
		readers[i].seed = i + 1;
		readers[i].thread = start(look_again_and_again, &readers[i]);
	}
	pin(0);
	for (double until = seconds() + duration(); seconds() < until; replaced++) {
		struct node *old = __atomic_exchange_n(&place, fresh(replaced), __ATOMIC_ACQ_REL);
		pserialize_perform(psz);
		poison_and_free(old);
	}
	STORE(&stop, 1);
	for (unsigned i = 0; i < 2; i++) {
		join(readers[i].thread);
		looks += readers[i].done;
	}
	test_note("%lu sections, %lu replaced", looks, replaced);
	CHECK(looks > 0 && replaced > 0);
	poison_and_free(place);
	pserialize_destroy(psz);
}

TEST_MAIN(TEST(a_list_may_be_read_while_others_remove_and_free),
	  TEST(what_a_section_found_stays_until_its_end))
