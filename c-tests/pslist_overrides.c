// SPDX-License-Identifier: MIT OR Apache-2.0
// What a program defines before it includes the header is what the header uses: the atomics of ported code, which may count,
// trace or be a model checker's, and the assertion.
static unsigned consumed, released, relaxed, asserted, failed;

#define atomic_load_consume(place) (consumed++, __atomic_load_n(place, __ATOMIC_CONSUME))
#define atomic_store_release(place, value) (released++, __atomic_store_n(place, value, __ATOMIC_RELEASE))
#define atomic_store_relaxed(place, value) (relaxed++, __atomic_store_n(place, value, __ATOMIC_RELAXED))
#define _PSLIST_ASSERT(condition) ((condition) ? (void)asserted++ : (void)failed++)

#include <psref/pslist.h>

#include "test.h"

struct element {
	int key;
	struct pslist_entry link;
};

static struct pslist_head head = PSLIST_INITIALIZER;
static struct element a, b, c;

static void begin(void)
{
	PSLIST_ENTRY_INIT(&a, link);
	PSLIST_ENTRY_INIT(&b, link);
	PSLIST_ENTRY_INIT(&c, link);
	PSLIST_WRITER_INSERT_HEAD(&head, &b, link);
	PSLIST_WRITER_INSERT_BEFORE(&b, &a, link);
	PSLIST_WRITER_INSERT_AFTER(&b, &c, link);
}

static void insertions_release_by_the_programs_own_store(void)
{
	begin();
	CHECK_EQ(released, 3);
	CHECK_EQ(consumed, 0);
	CHECK_EQ(relaxed, 0);
}

static void readers_consume_by_the_programs_own_load_and_writers_do_not(void)
{
	struct element *element;
	begin();
	PSLIST_WRITER_FOREACH(element, &head, struct element, link)
		CHECK_EQ(consumed, 0);
	PSLIST_READER_FOREACH(element, &head, struct element, link)
		continue;
	CHECK_EQ(consumed, 4); // the head, and behind each of three
}

static void removal_and_poison_are_stored_by_the_programs_own(void)
{
	begin();
	PSLIST_WRITER_REMOVE(&b, link);
	CHECK_EQ(released + relaxed, 4);
	unsigned before = released + relaxed;
	PSLIST_ENTRY_DESTROY(&b, link);
	CHECK_EQ(released + relaxed, before + 1);
}

static void the_programs_own_assertion_is_asked_and_told(void)
{
	begin();
	CHECK(asserted > 0);
	CHECK_EQ(failed, 0);
	PSLIST_DESTROY(&head); // is not empty
	CHECK_EQ(failed, 1);
}

TEST_MAIN(TEST(insertions_release_by_the_programs_own_store),
	  TEST(readers_consume_by_the_programs_own_load_and_writers_do_not),
	  TEST(removal_and_poison_are_stored_by_the_programs_own),
	  TEST(the_programs_own_assertion_is_asked_and_told))
