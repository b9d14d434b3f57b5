// SPDX-License-Identifier: MIT OR Apache-2.0
// After fork: the child has its own copy of every pool. What other threads had in hands, in pop and push too, is in vanished hands;
// all the rest it can have, also where a recall was under way, and its magazines are open again.
#include "test.h"
#include "threads.h"
#include "objects.h"

#include <psref/psref.h> // psref_backend

enum { THREADS = 3, OBJECTS = 200, MOST = 12, BATCH = 64 };

static struct objpool_head head;
static struct pool_context context;
static int stop;

static void wait_for(pid_t child)
{
	int status;
	CHECK(child > 0);
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL("the child ended with wait status %#x: %s", (unsigned)status, test_why);
}

static void a_child_has_all_objects_and_so_has_its_parent(void)
{
	make_pool(&head, &context, OBJECTS, 64);
	struct object *mine = take(&head, 1);
	for (int turn = 0; turn < 20; turn++) {
		pid_t child = fork();
		if (child == 0) {
			check_stock(&head, OBJECTS - 1);
			give(&head, mine, 1); // the forking thread's hands have not vanished
			check_stock(&head, OBJECTS);
			objpool_fini(&head);
			CHECK_EQ(context.released, 1);
			_exit(0);
		}
		wait_for(child);
		check_stock(&head, OBJECTS - 1);
	}
	give(&head, mine, 1);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
}

static void a_child_may_make_pools_of_its_own(void)
{
	make_pool(&head, &context, 10, 64);
	for (int turn = 0; turn < 20; turn++) {
		pid_t child = fork();
		if (child == 0) {
			struct objpool_head own;
			struct pool_context its;
			make_pool(&own, &its, 50, 40);
			check_stock(&own, 50);
			objpool_fini(&own);
			CHECK_EQ(its.released, 1);
			_exit(0);
		}
		wait_for(child);
	}
	objpool_free(&head);
}

// Fewer objects in the pool than they want: recalls all the while.
static void *work(void *id)
{
	uint64_t me = (uintptr_t)id, seed = me;
	while (!LOAD(&stop)) {
		void *mine[MOST];
		unsigned n = 0, want = 1 + (unsigned)(random_number(&seed) % MOST);
		if (want % 3 == 0)
			n = (unsigned)objpool_pop_bulk(&head, mine, want);
		else
			while (n < want && (mine[n] = objpool_pop(&head)) != NULL)
				n++;
		if (want % 4 == 0)
			CHECK_EQ(objpool_push_bulk(mine, n, &head), 0);
		else
			while (n > 0)
				CHECK_EQ(objpool_push(mine[--n], &head), 0);
	}
	return NULL;
}

static void go_on(unsigned objects)
{
	static struct object *all[OBJECTS + 1];
	struct objpool_stats before, after;
	unsigned n = 0, first = 0;
	for (int turn = 0; turn < 3; turn++) {
		for (n = 0; n <= objects; n++) {
			void *place = objpool_pop(&head);
			if (place == NULL)
				break;
			all[n] = (struct object *)place;
			CHECK(all[n]->owner != 9); // none twice
			all[n]->owner = 9;
		}
		CHECK(n <= objects && n + THREADS * (MOST + BATCH) >= objects);
		CHECK(turn == 0 || n == first); // nothing comes back, nothing more gets lost
		first = n;
		for (unsigned i = 0; i < n; i++)
			give(&head, all[i], 9);
	}
	// Open again: what fits into the magazine goes there.
	pin(0);
	for (n = 0; n < first; n++)
		CHECK((all[n] = take(&head, 9)) != NULL);
	CHECK(objpool_pop(&head) == NULL);
	CHECK_EQ(objpool_stats(&head, -1, &before), 0);
	for (unsigned i = 0; i < n && i < (unsigned)head.capacity; i++)
		give(&head, all[i], 9);
	CHECK_EQ(objpool_stats(&head, -1, &after), 0);
	if (strcmp(psref_backend(), "rseq") == 0 && !test_strict()) // a strict pool's slow path gives to depots too
		CHECK_EQ(after.depot_pushes, before.depot_pushes);
	objpool_free(&head);
	CHECK_EQ(context.released, 1);
}

static void fork_amid(unsigned objects)
{
	pthread_t threads[THREADS];
	struct objpool_stats stats;
	cpu_number(0);
	make_pool(&head, &context, (int)objects, 64);
	for (unsigned i = 0; i < THREADS; i++)
		threads[i] = start(work, (void *)(uintptr_t)(i + 1));
	for (unsigned forks = test_turns(150); forks > 0; forks--) {
		nap(300);
		pid_t child = fork();
		if (child == 0) {
			go_on(objects);
			_exit(0);
		}
		wait_for(child);
	}
	STORE(&stop, 1);
	for (unsigned i = 0; i < THREADS; i++)
		join(threads[i]);
	CHECK_EQ(objpool_stats(&head, -1, &stats), 0);
	test_note("%llu objects recalled meanwhile", (unsigned long long)stats.recalls);
	check_stock(&head, objects);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
}

static void a_child_of_a_process_that_recalls_goes_on(void)
{
	fork_amid(14);
}

static void a_child_of_a_busy_process_has_what_is_not_in_hands(void)
{
	fork_amid(OBJECTS);
}

TEST_MAIN(TEST(a_child_has_all_objects_and_so_has_its_parent),
	  TEST(a_child_may_make_pools_of_its_own),
	  TEST(a_child_of_a_process_that_recalls_goes_on),
	  TEST(a_child_of_a_busy_process_has_what_is_not_in_hands))
