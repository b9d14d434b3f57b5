// SPDX-License-Identifier: MIT OR Apache-2.0
// The interface of objpool: init with Linux's results and fields, pop and push, what push refuses, bulk, statistics. How a
// pool ends is in objpool_end.c, Linux's own test cases in objpool_kernel.c.
#include "test.h"
#include "threads.h"
#include "objects.h"

#include <psref/psref.h> // psref_backend

static struct objpool_head head;
static struct pool_context context;

// The compiler must not see that a NULL is passed on purpose.
static struct objpool_head *volatile no_head;
static void **volatile no_objects;
static struct objpool_stats *volatile no_stats;

static bool has_sections(void)
{
	return strcmp(psref_backend(), "rseq") == 0;
}

static void init_answers_0_and_fills_the_fields_of_Linux(void)
{
	static const int numbers[] = { 1, 2, 7, 64, 1000, 4099 }, sizes[] = { 1, 7, 8, 9, 280, 512, 4097, 65535 };
	for (size_t i = 0; i < COUNT(numbers) * COUNT(sizes); i++) {
		int number = numbers[i % COUNT(numbers)], size = sizes[i / COUNT(numbers)];
		memset(&head, 0xa5, sizeof head);
		CHECK_EQ(objpool_init(&head, number, size, 0xcc0u + (unsigned)i, &context, NULL, count_release), 0);
		CHECK_EQ(head.nr_objs, number);
		CHECK_EQ(head.obj_size, (size + (int)sizeof(long) - 1) / (int)sizeof(long) * (int)sizeof(long));
		CHECK_EQ(head.nr_possible_cpus, possible_cpus());
		CHECK(head.capacity >= 1);
		CHECK_EQ(head.gfp, 0xcc0u + (unsigned)i);
		CHECK_EQ(head.ref, (unsigned)number + 1);
		CHECK_EQ(head.flags, 0);
		CHECK(head.cpu_slots != NULL && head.release == count_release && head.context == &context);
		context.head = &head;
		objpool_free(&head);
	}
	CHECK_EQ(context.released, COUNT(numbers) * COUNT(sizes));
}

static void init_refuses_what_is_out_of_bounds_and_what_it_leaves_may_be_ended(void)
{
	static const int wrong[][2] = {
		{ 0, 8 },
		{ -1, 8 },
		{ INT_MIN, 8 },
		{ INT_MAX, 8 },
		{ (int)OBJPOOL_NR_OBJECT_MAX + 1, 8 },
		{ 8, 0 },
		{ 8, -1 },
		{ 8, INT_MIN },
		{ 8, INT_MAX },
		{ 8, (int)OBJPOOL_OBJECT_SIZE_MAX + 1 },
		{ 0, 0 },
		{ INT_MAX, INT_MAX },
		{ (int)OBJPOOL_NR_OBJECT_MAX + 1, (int)OBJPOOL_OBJECT_SIZE_MAX + 1 },
	};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		memset(&head, 0xa5, sizeof head); // what it was before is not looked at
		context.head = &head;
		CHECK_EQ(objpool_init(&head, wrong[i][0], wrong[i][1], 0, &context, make_object, count_release), -EINVAL);
		CHECK(head.cpu_slots == NULL);
		CHECK(objpool_pop(&head) == NULL);
		CHECK_EQ(objpool_push(&context, &head), -EINVAL);
		objpool_fini(&head);
		objpool_free(&head);
		objpool_fini(&head);
	}
	CHECK_EQ(objpool_init(no_head, 8, 8, 0, &context, make_object, count_release), -EINVAL);
	CHECK_EQ(context.made, 0);
	CHECK_EQ(context.released, 0);
}

static void the_bounds_themselves_are_allowed(void)
{
	static const int right[][2] = {
		{ 1, (int)OBJPOOL_OBJECT_SIZE_MAX },
		{ 333, (int)OBJPOOL_OBJECT_SIZE_MAX },
		{ (int)OBJPOOL_NR_OBJECT_MAX, 1 },
		{ (int)OBJPOOL_NR_OBJECT_MAX, 3 },
	};
	for (size_t i = 0; i < COUNT(right) - (test_short() ? 2 : 0); i++) {
		CHECK_EQ(objpool_init(&head, right[i][0], right[i][1], 0, NULL, NULL, NULL), 0);
		void *object = objpool_pop(&head);
		CHECK(object != NULL);
		memset(object, 0x5a, (size_t)head.obj_size);
		CHECK_EQ(objpool_push(object, &head), 0);
		objpool_free(&head);
	}
}

static void objinit_gets_every_object_once_and_zeroed(void)
{
	// The second time the memory is what the first pool left, if the library keeps any.
	for (int turn = 0; turn < 3; turn++) {
		make_pool(&head, &context, 777, 280);
		struct object *objects[777];
		for (unsigned i = 0; i < COUNT(objects); i++) {
			objects[i] = take(&head, 1);
			CHECK(objects[i] != NULL);
			memset(objects[i], 0xff, 280);
		}
		for (unsigned i = 0; i < COUNT(objects); i++)
			CHECK_EQ(objpool_push(objects[i], &head), 0);
		objpool_fini(&head);
		CHECK_EQ(context.released, 1);
	}
}

static int fail_at;

static int fail_once(void *object, void *answer)
{
	CHECK(object != NULL);
	return fail_at-- == 0 ? *(int *)answer : 0;
}

static void what_objinit_answers_is_inits_answer(void)
{
	static int answers[] = { -EAGAIN, -1, 1, INT_MIN, 4711 };
	for (size_t i = 0; i < COUNT(answers); i++) {
		for (int at = 0; at < 10; at += 3) {
			fail_at = at;
			CHECK_EQ(objpool_init(&head, 10, 100, 0, &answers[i], fail_once, count_release), answers[i]);
			CHECK_EQ(fail_at, -1); // none was asked after it
			CHECK(head.cpu_slots == NULL && objpool_pop(&head) == NULL);
			objpool_fini(&head); // release would not find its context
			objpool_free(&head);
		}
	}
}

static int by_address(const void *a, const void *b)
{
	uintptr_t left = (uintptr_t)*(void *const *)a, right = (uintptr_t)*(void *const *)b;
	return left < right ? -1 : left > right;
}

static void every_object_comes_once_then_NULL_and_none_overlap(void)
{
	static const int numbers[] = { 1, 2, 63, 64, 65, 1000 }, sizes[] = { 1, 8, 24, 280, 4096, 5000 };
	static void *objects[1001];
	for (size_t i = 0; i < COUNT(numbers) * COUNT(sizes); i++) {
		unsigned number = (unsigned)numbers[i % COUNT(numbers)], n = 0;
		size_t size = (size_t)sizes[i / COUNT(numbers)];
		CHECK_EQ(objpool_init(&head, (int)number, (int)size, 0, NULL, NULL, NULL), 0);
		for (int turn = 0; turn < 3; turn++) {
			for (n = 0; n <= number && (objects[n] = objpool_pop(&head)) != NULL; n++)
				memset(objects[n], (int)n, size);
			CHECK_EQ(n, number);
			for (unsigned again = 0; again < 10; again++)
				CHECK(objpool_pop(&head) == NULL);
			for (unsigned k = 0; k < n; k++)
				for (size_t byte = 0; byte < size; byte += size < 64 ? 1 : 61)
					CHECK_EQ(((unsigned char *)objects[k])[byte], k & 0xff);
			qsort(objects, n, sizeof *objects, by_address);
			for (unsigned k = 0; k < n; k++) {
				CHECK_EQ((uintptr_t)objects[k] % sizeof(long), 0);
				CHECK(k == 0 || (char *)objects[k] - (char *)objects[k - 1] >= head.obj_size);
			}
			for (unsigned k = 0; k < n; k++) // in an order that is neither
				CHECK_EQ(objpool_push(objects[(k * 7919) % n], &head), 0);
		}
		objpool_free(&head);
	}
}

static void what_was_written_to_an_object_is_still_there(void)
{
	make_pool(&head, &context, 1, 512);
	for (unsigned i = 0; i < 1000; i++) {
		struct object *object = take(&head, 1);
		uint64_t *last = (uint64_t *)((char *)object + 504);
		CHECK_EQ(*last, i);
		*last = i + 1;
		give(&head, object, 1);
	}
	objpool_free(&head);
}

// A magazine's worth comes back in reverse. The last one first is what makes it warm.
static void the_last_pushed_on_a_CPU_is_popped_first(void)
{
	void *objects[1000];
	if (!has_sections())
		SKIP("depots alone: the last pushed of one home comes first");
	pin(0);
	CHECK_EQ(objpool_init(&head, 1000, 64, 0, NULL, NULL, NULL), 0);
	for (int i = 0; i < 1000; i++)
		CHECK((objects[i] = objpool_pop(&head)) != NULL);
	for (int turn = 0; turn < 100; turn++) {
		int n = 1 + turn % head.capacity;
		for (int i = 0; i < n; i++)
			CHECK_EQ(objpool_push(objects[i], &head), 0);
		for (int i = 0; i < n; i++)
			CHECK(objpool_pop(&head) == objects[n - 1 - i]);
	}
	objpool_free(&head);
}

static void errno_is_left_alone(void)
{
	void *objects[300];
	CHECK_EQ(objpool_init(&head, 200, 64, 0, NULL, NULL, NULL), 0);
	errno = 4711;
	for (int turn = 0; turn < 10; turn++) {
		for (unsigned i = 0; i < 201; i++)
			objects[i] = objpool_pop(&head);
		CHECK(objects[200] == NULL);
		CHECK_EQ(objpool_push(&errno, &head), -EINVAL);
		for (unsigned i = 0; i < 200; i++)
			CHECK_EQ(objpool_push(objects[i], &head), 0);
		CHECK_EQ(objpool_pop_bulk(&head, objects, 300), 200);
		CHECK_EQ(objpool_push_bulk(objects, 200, &head), 0);
	}
	CHECK_EQ(errno, 4711);
	objpool_free(&head);
}

static void pools_do_not_know_each_other(void)
{
	enum { POOLS = 40, OBJECTS = 30 };
	static struct objpool_head heads[POOLS];
	static struct pool_context contexts[POOLS];
	static struct object *objects[POOLS][OBJECTS];
	for (unsigned p = 0; p < POOLS; p++)
		make_pool(&heads[p], &contexts[p], OBJECTS, 24 + 8 * (int)p);
	for (unsigned i = 0; i < OBJECTS; i++)
		for (unsigned p = 0; p < POOLS; p++)
			CHECK((objects[p][i] = take(&heads[p], p + 1)) != NULL);
	for (unsigned p = 0; p < POOLS; p++) {
		CHECK(objpool_pop(&heads[p]) == NULL);
		CHECK_EQ(objpool_push(objects[p][0], &heads[(p + 1) % POOLS]), -EINVAL);
		CHECK_EQ(objpool_drop(objects[p][0], &heads[(p + 1) % POOLS]), -EINVAL);
	}
	for (unsigned p = 0; p < POOLS; p += 2) // every other one goes, whoever has its objects
		objpool_free(&heads[p]);
	for (unsigned p = 1; p < POOLS; p += 2) {
		for (unsigned i = 0; i < OBJECTS; i++)
			give(&heads[p], objects[p][i], p + 1);
		check_stock(&heads[p], OBJECTS);
		objpool_fini(&heads[p]);
		CHECK_EQ(contexts[p].released, 1);
	}
}

// Every byte in, before and behind the objects that is not the first one of an object; and what is nothing of the pool's.
static void refuse_all_but_objects(int number, int size)
{
	static void *objects[64];
	int stack = 0;
	void *heap = malloc(64);
	CHECK_EQ(objpool_init(&head, number, size, 0, NULL, NULL, NULL), 0);
	for (int i = 0; i < number; i++)
		CHECK((objects[i] = objpool_pop(&head)) != NULL);
	qsort(objects, (size_t)number, sizeof *objects, by_address);
	char *const first = (char *)objects[0], *const end = (char *)objects[number - 1] + head.obj_size;
	void *const foreign[] = { NULL, &stack, heap, &head, head.cpu_slots, first - 1, first - head.obj_size, end, end + head.obj_size,
				  (void *)(uintptr_t)8, (void *)UINTPTR_MAX, (void *)(UINTPTR_MAX - 7),
				  (void *)((uintptr_t)first ^ (1ULL << 63)), (void *)((uintptr_t)first + (1ULL << 48)),
				  first + (1ULL << 32) * (unsigned)head.obj_size };
	for (unsigned i = 0; i < COUNT(foreign); i++) {
		CHECK_EQ(objpool_push(foreign[i], &head), -EINVAL);
		CHECK_EQ(objpool_drop(foreign[i], &head), -EINVAL);
		CHECK_EQ(objpool_push_bulk(&foreign[i], 1, &head), -EINVAL);
	}
	int object = 0;
	for (char *at = first; at < end; at++) {
		if (object < number && at == objects[object]) {
			object++;
			continue;
		}
		void *one = at;
		CHECK_EQ(objpool_push(at, &head), -EINVAL);
		CHECK_EQ(objpool_push_bulk(&one, 1, &head), -EINVAL);
	}
	CHECK_EQ(object, number);
	CHECK(objpool_pop(&head) == NULL); // nothing of it got in
	CHECK_EQ(head.ref, number + 1);
	for (int i = 0; i < number; i++)
		CHECK_EQ(objpool_push(objects[i], &head), 0);
	objpool_free(&head);
	free(heap);
}

static void a_pointer_that_is_no_object_is_refused(void)
{
	static const int sizes[] = { 1, 8, 24, 40, 64, 280, 512, 1048, 4104, 65536 };
	for (unsigned i = 0; i < COUNT(sizes); i++) {
		refuse_all_but_objects(1, sizes[i]);
		refuse_all_but_objects(7, sizes[i]);
		refuse_all_but_objects(64, sizes[i] > 1048 ? 1000 : sizes[i]);
	}
}

static void NULL_is_no_pool(void)
{
	void *objects[2] = { &head, &context };
	struct objpool_stats stats;
	CHECK(objpool_pop(no_head) == NULL);
	CHECK_EQ(objpool_push(&head, no_head), -EINVAL);
	CHECK_EQ(objpool_push(NULL, no_head), -EINVAL);
	CHECK_EQ(objpool_pop_bulk(no_head, objects, 2), 0);
	CHECK_EQ(objpool_push_bulk(objects, 2, no_head), -EINVAL);
	CHECK_EQ(objpool_drop(&head, no_head), -EINVAL);
	CHECK_EQ(objpool_stats(no_head, -1, &stats), -EINVAL);
	objpool_fini(no_head);
	objpool_free(no_head);
}

static void bulk_pop_gives_what_there_is_and_bulk_push_takes_all(void)
{
	static void *objects[1200];
	make_pool(&head, &context, 1000, 64);
	for (size_t n = 0; n <= 1000; n += n < 130 ? 1 : 87) {
		memset(objects, 0, sizeof objects);
		CHECK_EQ(objpool_pop_bulk(&head, objects, n), n);
		for (size_t i = 0; i < n; i++)
			taken(objects[i], n + 1);
		CHECK(objects[n] == NULL);
		for (size_t i = 0; i < n; i++)
			given((struct object *)objects[i], n + 1);
		CHECK_EQ(objpool_push_bulk(objects, n, &head), 0);
	}
	check_stock(&head, 1000);
	CHECK_EQ(objpool_pop_bulk(&head, objects, 990), 990);
	CHECK_EQ(objpool_pop_bulk(&head, objects + 990, 210), 10);
	CHECK_EQ(objpool_pop_bulk(&head, objects + 1000, 200), 0);
	CHECK_EQ(objpool_push_bulk(objects, 1000, &head), 0);
	check_stock(&head, 1000);
	CHECK_EQ(objpool_pop_bulk(&head, no_objects, 10), 0);
	CHECK_EQ(objpool_push_bulk(no_objects, 10, &head), -EINVAL);
	CHECK_EQ(objpool_push_bulk(objects, 0, &head), 0);
	check_stock(&head, 1000);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
}

static void bulk_push_gives_nothing_where_one_is_no_object(void)
{
	void *objects[70], *good;
	make_pool(&head, &context, 70, 40);
	CHECK_EQ(objpool_pop_bulk(&head, objects, 70), 70);
	for (unsigned n = 1; n <= 70; n += 3) {
		for (unsigned at = 0; at < n; at++) {
			good = objects[at];
			objects[at] = at % 2 == 0 ? (char *)good + 8 : (char *)&head;
			CHECK_EQ(objpool_push_bulk(objects, n, &head), -EINVAL);
			objects[at] = good;
		}
	}
	CHECK(objpool_pop(&head) == NULL);
	CHECK_EQ(objpool_push_bulk(objects, 70, &head), 0);
	check_stock(&head, 70);
	objpool_free(&head);
}

static struct objpool_stats stats_now(int cpu)
{
	struct objpool_stats stats;
	memset(&stats, 0xa5, sizeof stats);
	CHECK_EQ(objpool_stats(&head, cpu, &stats), 0);
	return stats;
}

static void statistics_tell_what_pops_and_pushes_met(void)
{
	void *objects[500];
	struct objpool_stats before, after, sum;
	pin(0);
	CHECK_EQ(objpool_init(&head, 500, 64, 0, NULL, NULL, NULL), 0);
	before = stats_now(-1);
	CHECK(before.misses + before.failures + before.depot_pops + before.depot_pushes + before.recalls == 0);
	for (unsigned i = 0; i < 500; i++)
		CHECK((objects[i] = objpool_pop(&head)) != NULL);
	after = stats_now(-1);
	CHECK(after.depot_pops > 0 && after.misses >= after.depot_pops && after.failures == 0);
	for (unsigned i = 0; i < 10; i++)
		CHECK(objpool_pop(&head) == NULL);
	CHECK_EQ(stats_now(-1).failures, 10);
	CHECK_EQ(stats_now(-1).misses, after.misses + 10);
	for (unsigned i = 0; i < 500; i++)
		CHECK_EQ(objpool_push(objects[i], &head), 0);
	CHECK(stats_now(-1).depot_pushes > 0); // more than a magazine holds
	memset(&sum, 0, sizeof sum);
	for (int cpu = 0; cpu < head.nr_possible_cpus; cpu++) {
		after = stats_now(cpu);
		sum.misses += after.misses;
		sum.failures += after.failures;
		sum.depot_pops += after.depot_pops;
		sum.depot_pushes += after.depot_pushes;
		sum.recalls += after.recalls;
	}
	after = stats_now(-1);
	CHECK(memcmp(&sum, &after, sizeof sum) == 0);
	if (has_sections()) // all of it happened where this thread is
		CHECK_EQ(stats_now(cpu_number(0)).failures, 10);
	CHECK_EQ(objpool_stats(&head, head.nr_possible_cpus, &after), -EINVAL);
	CHECK_EQ(objpool_stats(&head, -2, &after), -EINVAL);
	CHECK_EQ(objpool_stats(&head, INT_MIN, &after), -EINVAL);
	CHECK_EQ(objpool_stats(&head, INT_MAX, &after), -EINVAL);
	CHECK_EQ(objpool_stats(&head, 0, no_stats), -EINVAL);
	objpool_free(&head);
	CHECK_EQ(objpool_stats(&head, -1, &after), -EINVAL);
}

// Pop and push that find what they want in the own magazine are nowhere counted, and wake nobody.
static void statistics_stand_still_on_the_fast_path(void)
{
	test_not_strict("strict pools take the slow path");
	if (!has_sections())
		SKIP("no magazines without sections");
	pin(0);
	CHECK_EQ(objpool_init(&head, 500, 64, 0, NULL, NULL, NULL), 0);
	CHECK_EQ(objpool_push(objpool_pop(&head), &head), 0);
	struct objpool_stats before = stats_now(-1), after;
	unsigned turns = 100000;
	for (unsigned i = 0; i < turns; i++)
		CHECK_EQ(objpool_push(objpool_pop(&head), &head), 0);
	after = stats_now(-1);
	// A section that was interrupted goes the long way, and finds the same magazine there.
	CHECK(after.depot_pops == before.depot_pops && after.depot_pushes == before.depot_pushes);
	CHECK(after.misses == before.misses && after.recalls == 0);
	objpool_free(&head);
}

TEST_MAIN(TEST(init_answers_0_and_fills_the_fields_of_Linux),
	  TEST(init_refuses_what_is_out_of_bounds_and_what_it_leaves_may_be_ended),
	  TEST(the_bounds_themselves_are_allowed),
	  TEST(objinit_gets_every_object_once_and_zeroed),
	  TEST(what_objinit_answers_is_inits_answer),
	  TEST(every_object_comes_once_then_NULL_and_none_overlap),
	  TEST(what_was_written_to_an_object_is_still_there),
	  TEST(the_last_pushed_on_a_CPU_is_popped_first),
	  TEST(errno_is_left_alone),
	  TEST(pools_do_not_know_each_other),
	  TEST(a_pointer_that_is_no_object_is_refused),
	  TEST(NULL_is_no_pool),
	  TEST(bulk_pop_gives_what_there_is_and_bulk_push_takes_all),
	  TEST(bulk_push_gives_nothing_where_one_is_no_object),
	  TEST(statistics_tell_what_pops_and_pushes_met),
	  TEST(statistics_stand_still_on_the_fast_path))
