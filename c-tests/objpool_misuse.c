// SPDX-License-Identifier: MIT OR Apache-2.0
// Callers' bugs with objects. What is refused always is in objpool_api.c; here strict pools, made with PSREF_STRICT=1: an object
// given back or dropped that nobody had ends the program with a message that names it. Each is done in a forked child.
#include "test.h"
#include "child.h"
#include "threads.h"
#include "objects.h"

#define TWICE "is in the pool already, or was dropped; expected one that was popped"

static struct objpool_head head;
static struct pool_context context;
static void *objects[40];

// A strict pool of 40 objects, all of them popped.
static void strict_pool(void)
{
	setenv("PSREF_STRICT", "1", 1);
	make_pool(&head, &context, 40, 64);
	CHECK_EQ(objpool_pop_bulk(&head, objects, 40), 40);
}

static void push_twice(void *unused)
{
	(void)unused;
	CHECK_EQ(objpool_push(objects[7], &head), 0);
	objpool_push(objects[7], &head);
}

static void a_double_push_names_function_and_object(void)
{
	strict_pool();
	struct ended ended = in_child(push_twice, NULL);
	CHECK_FATAL(ended, "objpool_push", TWICE);
	CHECK(has_address(ended.words, objects[7]));
}

static void *push_it(void *object)
{
	CHECK_EQ(objpool_push(object, &head), 0);
	return NULL;
}

static void push_after_another_thread_did(void *unused)
{
	(void)unused;
	elsewhere(push_it, objects[3]);
	objpool_push(objects[3], &head);
}

static void a_double_push_by_two_threads_is_told(void)
{
	strict_pool();
	struct ended ended = in_child(push_after_another_thread_did, NULL);
	CHECK_FATAL(ended, "objpool_push", TWICE);
	CHECK(has_address(ended.words, objects[3]));
}

static void push_unpopped(void *unused)
{
	(void)unused;
	struct objpool_head other;
	CHECK_EQ(objpool_init(&other, 2, 64, 0, NULL, NULL, NULL), 0);
	char *one = (char *)objpool_pop(&other);
	CHECK_EQ(objpool_push(one, &other), 0);
	objpool_push(one, &other);
}

static void a_push_of_what_was_never_popped_is_told(void)
{
	strict_pool();
	struct ended ended = in_child(push_unpopped, NULL);
	CHECK_FATAL(ended, "objpool_push", TWICE);
}

static void push_a_bulk_with_one_twice(void *unused)
{
	(void)unused;
	objects[5] = objects[2];
	objpool_push_bulk(objects, 10, &head);
}

static void push_a_bulk_twice(void *unused)
{
	(void)unused;
	CHECK_EQ(objpool_push_bulk(objects, 10, &head), 0);
	objpool_push_bulk(objects + 9, 10, &head);
}

static void a_double_push_in_bulk_is_told(void)
{
	strict_pool();
	struct ended ended = in_child(push_a_bulk_with_one_twice, NULL);
	CHECK_FATAL(ended, "objpool_push_bulk", TWICE);
	CHECK(has_address(ended.words, objects[2]));
	ended = in_child(push_a_bulk_twice, NULL);
	CHECK_FATAL(ended, "objpool_push_bulk", TWICE);
	CHECK(has_address(ended.words, objects[9]));
}

static void drop_twice(void *unused)
{
	(void)unused;
	CHECK_EQ(objpool_drop(objects[1], &head), -EAGAIN);
	objpool_drop(objects[1], &head);
}

static void push_dropped(void *unused)
{
	(void)unused;
	CHECK_EQ(objpool_drop(objects[1], &head), -EAGAIN);
	objpool_push(objects[1], &head);
}

static void drop_pushed(void *unused)
{
	(void)unused;
	CHECK_EQ(objpool_push(objects[1], &head), 0);
	objpool_drop(objects[1], &head);
}

// The pool counts it already, and would go while somebody has the others.
static void drop_what_fini_took(void *unused)
{
	(void)unused;
	CHECK_EQ(objpool_push(objects[1], &head), 0);
	objpool_fini(&head);
	objpool_drop(objects[1], &head);
}

static void a_drop_of_what_nobody_had_is_told(void)
{
	strict_pool();
	struct ended ended = in_child(drop_twice, NULL);
	CHECK_FATAL(ended, "objpool_drop", TWICE);
	CHECK(has_address(ended.words, objects[1]));
	ended = in_child(push_dropped, NULL);
	CHECK_FATAL(ended, "objpool_push", TWICE);
	ended = in_child(drop_pushed, NULL);
	CHECK_FATAL(ended, "objpool_drop", TWICE);
	ended = in_child(drop_what_fini_took, NULL);
	CHECK_FATAL(ended, "objpool_drop", TWICE);
	CHECK(has_address(ended.words, objects[1]));
}

// Whoever does nothing wrong sees no difference; a refused bulk push leaves what it named with its owner.
static void right_use_is_silent_in_a_strict_pool(void)
{
	strict_pool();
	void *good = objects[39];
	for (unsigned at = 0; at < 39; at += 13) {
		objects[39] = objects[at];
		objects[at] = &head;
		CHECK_EQ(objpool_push_bulk(objects, 39, &head), -EINVAL);
		objects[at] = objects[39];
	}
	objects[39] = good;
	CHECK(objpool_pop(&head) == NULL);
	CHECK_EQ(objpool_push(&head, &head), -EINVAL);
	CHECK_EQ(objpool_push_bulk(objects, 20, &head), 0);
	for (unsigned i = 20; i < 40; i++)
		CHECK_EQ(objpool_push(objects[i], &head), 0);
	for (unsigned turn = 0; turn < 10; turn++)
		check_stock(&head, 40);
	void *last = objpool_pop(&head);
	objpool_fini(&head);
	CHECK_EQ(objpool_drop(last, &head), 0);
	CHECK_EQ(context.released, 1);
}

static void *use_strict(void *me)
{
	struct object *mine[4];
	for (unsigned turn = test_turns(20000); turn > 0; turn--) {
		for (unsigned i = 0; i < 4; i++)
			mine[i] = take(&head, (uintptr_t)me);
		for (unsigned i = 0; i < 4; i++)
			if (mine[i] != NULL)
				give(&head, mine[i], (uintptr_t)me);
	}
	return NULL;
}

static void threads_may_share_a_strict_pool(void)
{
	pthread_t threads[6];
	setenv("PSREF_STRICT", "1", 1);
	make_pool(&head, &context, 20, 64);
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(use_strict, (void *)(uintptr_t)(i + 2));
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	check_stock(&head, 20);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
}

TEST_MAIN(TEST(a_double_push_names_function_and_object),
	  TEST(a_double_push_by_two_threads_is_told),
	  TEST(a_push_of_what_was_never_popped_is_told),
	  TEST(a_double_push_in_bulk_is_told),
	  TEST(a_drop_of_what_nobody_had_is_told),
	  TEST(right_use_is_silent_in_a_strict_pool),
	  TEST(threads_may_share_a_strict_pool))
