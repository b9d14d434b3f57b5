// SPDX-License-Identifier: MIT OR Apache-2.0
// Objects of pools that know who has them: an object in two hands, or in none and not in the pool, does not go unseen. After
// test.h and threads.h.
#ifndef PSREF_C_TESTS_OBJECTS_H
#define PSREF_C_TESTS_OBJECTS_H

#include <limits.h>
#include <psref/objpool.h>

// What every object begins with.
struct object {
	uint64_t seal; // its address, disguised
	uint64_t number;
	uint64_t owner; // 0: the pool
};

// The context of a pool of such objects.
struct pool_context {
	unsigned size, made, released;
	struct objpool_head *head;
};

static const uint64_t object_seal = 0x0b1ec7ed0b1ec7edULL;

static inline int make_object(void *place, void *context)
{
	struct pool_context *pool = (struct pool_context *)context;
	struct object *object = (struct object *)place;
	const unsigned char *bytes = (const unsigned char *)place;
	for (unsigned i = 0; i < pool->size; i++)
		if (bytes[i] != 0)
			FAIL("byte %u of object %u is %#x before its first use", i, pool->made, bytes[i]);
	object->seal = object_seal ^ (uint64_t)(uintptr_t)place;
	object->number = pool->made++;
	return 0;
}

static inline int count_release(struct objpool_head *head, void *context)
{
	struct pool_context *pool = (struct pool_context *)context;
	CHECK(head == pool->head);
	ADD(&pool->released, 1);
	return 0;
}

static inline void make_pool(struct objpool_head *head, struct pool_context *context, int objects, int size)
{
	memset(context, 0, sizeof *context);
	context->size = (unsigned)size;
	context->head = head;
	CHECK(size >= (int)sizeof(struct object));
	CHECK_EQ(objpool_init(head, objects, size, 0, context, make_object, count_release), 0);
	CHECK_EQ(context->made, objects);
	CHECK_EQ(head->nr_objs, objects);
}

// An object that came out of a pool is the caller's from here on.
static inline struct object *taken(void *place, uint64_t me)
{
	struct object *object = (struct object *)place;
	if (object->seal != (object_seal ^ (uint64_t)(uintptr_t)place))
		FAIL("%p is no object", place);
	uint64_t before = __atomic_exchange_n(&object->owner, me, __ATOMIC_SEQ_CST);
	if (before != 0)
		FAIL("object %u was handed to %#llx while %#llx had it", (unsigned)object->number, (unsigned long long)me,
		     (unsigned long long)before);
	return object;
}

static inline struct object *take(struct objpool_head *head, uint64_t me)
{
	void *place = objpool_pop(head);
	return place != NULL ? taken(place, me) : NULL;
}

// Before it goes back.
static inline void given(struct object *object, uint64_t me)
{
	uint64_t before = __atomic_exchange_n(&object->owner, 0, __ATOMIC_SEQ_CST);
	if (before != me)
		FAIL("object %u of %#llx was taken by %#llx", (unsigned)object->number, (unsigned long long)me,
		     (unsigned long long)before);
}

static inline void give(struct objpool_head *head, struct object *object, uint64_t me)
{
	given(object, me);
	CHECK_EQ(objpool_push(object, head), 0);
}

// `expected` objects are in the pool and come out of it once each, then none; after that they are back.
static inline void check_stock(struct objpool_head *head, unsigned expected)
{
	struct object **all = (struct object **)calloc(expected + 1, sizeof *all);
	unsigned n = 0;
	bool seen_all = true;
	while (n <= expected && (all[n] = take(head, 1)) != NULL)
		n++;
	if (n != expected)
		FAIL("%u objects came out of the pool%s, expected %u", n, n > expected ? " or more" : "", expected);
	unsigned char *seen = (unsigned char *)calloc((unsigned)head->nr_objs, 1);
	for (unsigned i = 0; i < n; i++) {
		seen_all = seen_all && all[i]->number < (unsigned)head->nr_objs && seen[all[i]->number]++ == 0;
		give(head, all[i], 1);
	}
	CHECK(seen_all);
	free(seen);
	free(all);
}

// Highest possible CPU number plus one, out of a list such as "0-3,8".
static inline int possible_cpus(void)
{
	char text[256], *last;
	int file = open("/sys/devices/system/cpu/possible", O_RDONLY);
	ssize_t n = read(file, text, sizeof text - 1);
	close(file);
	CHECK(n > 0);
	text[n] = '\0';
	last = strpbrk(text, "-,");
	while (last != NULL && strpbrk(last + 1, "-,") != NULL)
		last = strpbrk(last + 1, "-,");
	return atoi(last != NULL ? last + 1 : text) + 1;
}

#endif
