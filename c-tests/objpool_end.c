// SPDX-License-Identifier: MIT OR Apache-2.0
// How a pool ends: free, fini, drop, and the release callback, which is called exactly once, whoever comes last.
#include "test.h"
#include "threads.h"
#include "objects.h"

static struct objpool_head head;
static struct pool_context context;

static void check_ended(void)
{
	struct objpool_stats stats;
	int nothing = 0;
	CHECK(head.cpu_slots == NULL);
	for (int turn = 0; turn < 3; turn++) {
		objpool_fini(&head);
		objpool_free(&head);
		CHECK(objpool_pop(&head) == NULL);
		CHECK_EQ(objpool_push(&nothing, &head), -EINVAL);
		CHECK_EQ(objpool_drop(&nothing, &head), -EINVAL);
		CHECK_EQ(objpool_stats(&head, -1, &stats), -EINVAL);
	}
	CHECK_EQ(context.released, 1);
}

static void free_releases_once_whoever_has_objects(void)
{
	for (unsigned out = 0; out <= 10; out += 5) {
		make_pool(&head, &context, 10, 64);
		for (unsigned i = 0; i < out; i++)
			CHECK(take(&head, 1) != NULL);
		CHECK_EQ(context.released, 0);
		objpool_free(&head);
		CHECK_EQ(context.released, 1);
		check_ended();
	}
}

static void fini_releases_at_once_where_all_objects_are_in_the_pool(void)
{
	make_pool(&head, &context, 1000, 64);
	check_stock(&head, 1000);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
	check_ended();
}

static void after_fini_the_last_drop_releases(void)
{
	static const unsigned outs[] = { 1, 2, 64, 1000 };
	static struct object *objects[1000];
	for (unsigned o = 0; o < COUNT(outs); o++) {
		make_pool(&head, &context, 1000, 64);
		for (unsigned i = 0; i < outs[o]; i++)
			CHECK((objects[i] = take(&head, 1)) != NULL);
		objpool_fini(&head);
		CHECK_EQ(context.released, 0);
		CHECK_EQ(head.ref, outs[o]);
		CHECK(objpool_pop(&head) == NULL); // what was in the pool is not to be had any more
		for (unsigned i = 0; i < outs[o]; i++) {
			CHECK_EQ(context.released, 0);
			CHECK_EQ(objects[i]->owner, 1); // still there, and ours
			CHECK_EQ(objpool_drop(objects[i], &head), i + 1 == outs[o] ? 0 : -EAGAIN);
		}
		CHECK_EQ(context.released, 1);
		check_ended();
	}
}

static void objects_may_be_dropped_before_fini_too(void)
{
	struct object *objects[10];
	make_pool(&head, &context, 10, 64);
	for (unsigned i = 0; i < 10; i++)
		CHECK((objects[i] = take(&head, 1)) != NULL);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(objpool_drop(objects[i], &head), -EAGAIN);
	for (unsigned i = 4; i < 9; i++)
		give(&head, objects[i], 1);
	CHECK_EQ(head.ref, 7);
	check_stock(&head, 5); // those that were dropped are gone for good
	objpool_fini(&head);
	CHECK_EQ(context.released, 0);
	CHECK_EQ(objpool_drop(objects[9], &head), 0);
	CHECK_EQ(context.released, 1);
	check_ended();
}

static void what_was_dropped_altogether_is_ended_by_fini(void)
{
	struct object *objects[10];
	make_pool(&head, &context, 10, 64);
	for (unsigned i = 0; i < 10; i++)
		CHECK((objects[i] = take(&head, 1)) != NULL);
	for (unsigned i = 0; i < 10; i++)
		CHECK_EQ(objpool_drop(objects[i], &head), -EAGAIN);
	CHECK_EQ(context.released, 0);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
	check_ended();
}

static void a_drop_of_what_is_no_object_changes_nothing(void)
{
	make_pool(&head, &context, 3, 64);
	struct object *object = take(&head, 1);
	objpool_fini(&head);
	CHECK_EQ(objpool_drop(NULL, &head), -EINVAL);
	CHECK_EQ(objpool_drop(&context, &head), -EINVAL);
	CHECK_EQ(objpool_drop((char *)object + 8, &head), -EINVAL);
	CHECK_EQ(head.ref, 1);
	CHECK_EQ(objpool_drop(object, &head), 0);
	CHECK_EQ(context.released, 1);
}

static int free_head(struct objpool_head *ended, void *released)
{
	memset(ended, 0xa5, sizeof *ended);
	free(ended);
	++*(unsigned *)released;
	return -EIO; // ignored, as Linux does
}

static void release_may_free_the_head(void)
{
	unsigned released = 0;
	for (unsigned turn = 0; turn < 300; turn++) {
		struct objpool_head *own = (struct objpool_head *)malloc(sizeof *own);
		CHECK_EQ(objpool_init(own, 10, 64, 0, &released, NULL, free_head), 0);
		void *object = objpool_pop(own);
		if (turn % 3 == 0) {
			objpool_free(own);
		} else if (turn % 3 == 1) {
			CHECK_EQ(objpool_push(object, own), 0);
			objpool_fini(own);
		} else {
			objpool_fini(own);
			CHECK_EQ(released, turn);
			CHECK_EQ(objpool_drop(object, own), 0);
		}
		CHECK_EQ(released, turn + 1);
	}
}

static int lives;

static int make_it_again(struct objpool_head *ended, void *unused)
{
	(void)unused;
	if (--lives > 0)
		CHECK_EQ(objpool_init(ended, 10, 64, 0, NULL, NULL, make_it_again), 0);
	return 0;
}

static void release_may_make_a_pool_of_the_same_head(void)
{
	lives = 10;
	CHECK_EQ(objpool_init(&head, 10, 64, 0, NULL, NULL, make_it_again), 0);
	while (lives > 0) {
		int before = lives;
		CHECK_EQ(objpool_push(objpool_pop(&head), &head), 0);
		if (lives % 2 == 0)
			objpool_fini(&head);
		else
			objpool_free(&head);
		CHECK_EQ(lives, before - 1);
	}
	CHECK(head.cpu_slots == NULL);
}

static void a_pool_without_release_ends_without_it(void)
{
	for (int turn = 0; turn < 100; turn++) {
		CHECK_EQ(objpool_init(&head, 10, 64, 0, NULL, NULL, NULL), 0);
		void *object = objpool_pop(&head);
		objpool_fini(&head);
		CHECK_EQ(objpool_drop(object, &head), 0);
		CHECK(head.cpu_slots == NULL);
	}
}

// The last one may be anybody: droppers and fini come at once, and the pool goes once.
enum { DROPPERS = 4, EACH = 25 };
static struct object *dropped[DROPPERS][EACH];
static unsigned zeros;
static int go;

static void *drop_all(void *which)
{
	struct object **mine = dropped[(uintptr_t)which];
	wait_until_set(&go);
	for (unsigned i = 0; i < EACH; i++) {
		int answer = objpool_drop(mine[i], &head);
		CHECK(answer == 0 || answer == -EAGAIN);
		ADD(&zeros, answer == 0);
	}
	return NULL;
}

static void droppers_and_fini_may_race_and_the_pool_goes_once(void)
{
	unsigned by_drop = 0, turns = test_turns(1500);
	for (unsigned turn = 0; turn < turns; turn++) {
		pthread_t threads[DROPPERS];
		make_pool(&head, &context, DROPPERS * EACH + 20, 64);
		STORE(&go, 0);
		STORE(&zeros, 0);
		for (unsigned i = 0; i < DROPPERS * EACH; i++)
			CHECK((dropped[i / EACH][i % EACH] = take(&head, 1)) != NULL);
		for (unsigned i = 0; i < DROPPERS; i++)
			threads[i] = start(drop_all, (void *)(uintptr_t)i);
		STORE(&go, 1);
		if (turn % 2 == 0)
			sched_yield();
		objpool_fini(&head);
		for (unsigned i = 0; i < DROPPERS; i++)
			join(threads[i]);
		CHECK_EQ(LOAD(&context.released), 1);
		CHECK(LOAD(&zeros) <= 1); // 0: fini came last
		by_drop += zeros;
		check_ended();
	}
	test_note("%u of %u pools were ended by a drop, the others by fini", by_drop, turns);
}

TEST_MAIN(TEST(free_releases_once_whoever_has_objects),
	  TEST(fini_releases_at_once_where_all_objects_are_in_the_pool),
	  TEST(after_fini_the_last_drop_releases),
	  TEST(objects_may_be_dropped_before_fini_too),
	  TEST(what_was_dropped_altogether_is_ended_by_fini),
	  TEST(a_drop_of_what_is_no_object_changes_nothing),
	  TEST(release_may_free_the_head),
	  TEST(release_may_make_a_pool_of_the_same_head),
	  TEST(a_pool_without_release_ends_without_it),
	  TEST(droppers_and_fini_may_race_and_the_pool_goes_once))
