// SPDX-License-Identifier: MIT OR Apache-2.0
// Linux's structure, constants and function types, as a program that was written for <linux/objpool.h> relies on them.
#include "test.h"

#include <psref/objpool.h>

#ifdef __cplusplus
#define SAME(condition, why) static_assert(condition, why)
#else
#define SAME(condition, why) _Static_assert(condition, why)
#endif
#define FIELD(name, at, bytes)                                                                                         \
	SAME(offsetof(struct objpool_head, name) == (at) && sizeof(((struct objpool_head *)0)->name) == (bytes), #name)

// Linux's order; its slot memory is ours to arrange.
FIELD(obj_size, 0, 4);
FIELD(nr_objs, 4, 4);
FIELD(nr_possible_cpus, 8, 4);
FIELD(capacity, 12, 4);
FIELD(gfp, 16, 4);
FIELD(ref, 20, 4);
FIELD(flags, 24, 8);
FIELD(cpu_slots, 32, 8);
FIELD(release, 40, 8);
FIELD(context, 48, 8);
SAME(sizeof(struct objpool_head) == 56, "no larger than Linux's");
SAME(sizeof(struct objpool_stats) == 40, "five counts");
SAME(OBJPOOL_NR_OBJECT_MAX == 1UL << 24 && OBJPOOL_OBJECT_SIZE_MAX == 1UL << 16, "Linux's bounds");

static struct objpool_head alone;
static unsigned calls;

static int each(void *object, void *context)
{
	CHECK(object != NULL && context == &calls);
	calls++;
	return 0;
}

static int release(struct objpool_head *head, void *context)
{
	CHECK(head == &alone && context == &calls);
	calls += 100;
	return 0;
}

static void the_functions_have_the_types_of_Linux(void)
{
	int (*volatile init)(struct objpool_head *, int, int, unsigned int, void *, objpool_init_obj_cb, objpool_fini_cb) =
		objpool_init;
	void *(*volatile pop)(struct objpool_head *) = objpool_pop;
	int (*volatile push)(void *, struct objpool_head *) = objpool_push;
	int (*volatile drop)(void *, struct objpool_head *) = objpool_drop;
	void (*volatile fini)(struct objpool_head *) = objpool_fini;
	void (*volatile free_)(struct objpool_head *) = objpool_free;
	objpool_init_obj_cb objinit = each;
	objpool_fini_cb end = release;
	CHECK_EQ(init(&alone, 3, 8, 0, &calls, objinit, end), 0);
	CHECK_EQ(calls, 3);
	void *object = pop(&alone);
	CHECK_EQ(push(object, &alone), 0);
	object = pop(&alone);
	fini(&alone);
	CHECK_EQ(drop(object, &alone), 0);
	CHECK_EQ(calls, 103);
	free_(&alone);
}

static void the_extensions_have_the_types_of_the_contract(void)
{
	size_t (*volatile pop_bulk)(struct objpool_head *, void **, size_t) = objpool_pop_bulk;
	int (*volatile push_bulk)(void *const *, size_t, struct objpool_head *) = objpool_push_bulk;
	int (*volatile stats)(const struct objpool_head *, int, struct objpool_stats *) = objpool_stats;
	struct objpool_stats told;
	void *objects[3];
	CHECK_EQ(objpool_init(&alone, 3, 8, 0, &calls, NULL, NULL), 0);
	CHECK_EQ(pop_bulk(&alone, objects, 3), 3);
	CHECK_EQ(push_bulk(objects, 3, &alone), 0);
	CHECK_EQ(stats(&alone, -1, &told), 0);
	objpool_free(&alone);
}

static void the_library_writes_no_byte_beyond_the_structures(void)
{
	struct guarded {
		unsigned char before[64];
		struct objpool_head head;
		unsigned char between[64];
		struct objpool_stats stats;
		unsigned char after[64];
	} guarded;
	memset(&guarded, 0x77, sizeof guarded);
	CHECK_EQ(objpool_init(&guarded.head, 100, 64, 0, NULL, NULL, NULL), 0);
	CHECK_EQ(objpool_push(objpool_pop(&guarded.head), &guarded.head), 0);
	CHECK_EQ(objpool_stats(&guarded.head, -1, &guarded.stats), 0);
	objpool_fini(&guarded.head);
	for (unsigned i = 0; i < 64; i++)
		CHECK(guarded.before[i] == 0x77 && guarded.between[i] == 0x77 && guarded.after[i] == 0x77);
}

// Only full objects are written to by nobody but their users: the first and last bytes of neighbours stay.
static void the_library_writes_nothing_into_objects(void)
{
	static unsigned char *objects[500];
	CHECK_EQ(objpool_init(&alone, 500, 32, 0, NULL, NULL, NULL), 0);
	for (unsigned i = 0; i < 500; i++) {
		objects[i] = (unsigned char *)objpool_pop(&alone);
		memset(objects[i], (int)(i & 0xff), 32);
	}
	for (unsigned turn = 0; turn < 5; turn++) {
		void *again[500];
		for (unsigned i = 0; i < 500; i++)
			CHECK_EQ(objpool_push(objects[i], &alone), 0);
		CHECK_EQ(objpool_pop_bulk(&alone, again, 500), 500);
		for (unsigned i = 0; i < 500; i++)
			for (unsigned byte = 0; byte < 32; byte++)
				CHECK_EQ(objects[i][byte], i & 0xff);
	}
	objpool_free(&alone);
}

TEST_MAIN(TEST(the_functions_have_the_types_of_Linux),
	  TEST(the_extensions_have_the_types_of_the_contract),
	  TEST(the_library_writes_no_byte_beyond_the_structures),
	  TEST(the_library_writes_nothing_into_objects))
