// SPDX-License-Identifier: MIT OR Apache-2.0
// A program outside of the kernel, with loads and stores and an assertion of its own, as they stand before
// <sys/pslist.h>.
#include <sys/cdefs.h>
#include <sys/types.h>
#include <assert.h>

#define atomic_load_relaxed(p) (*(p))
#define atomic_load_acquire(p) (*(p))
#define atomic_load_consume(p) (*(p))
#define atomic_store_relaxed(p, v) (*(p) = (v))
#define atomic_store_release(p, v) (*(p) = (v))

#include <sys/pslist.h>

#include "driver.h"

struct element {
	unsigned i;
	struct pslist_entry entry;
};

static void elements_stand_where_they_were_inserted(void)
{
	struct pslist_head list = PSLIST_INITIALIZER;
	struct element e[8], *x;
	static const struct pslist_entry fresh = PSLIST_ENTRY_INITIALIZER;
	unsigned i;

	PSLIST_DESTROY(&list);
	PSLIST_INIT(&list);
	for (i = 0; i < 8; i++) {
		e[i].i = i;
		e[i].entry = fresh;
		PSLIST_ENTRY_DESTROY(&e[i], entry);
		PSLIST_ENTRY_INIT(&e[i], entry);
	}
	PSLIST_WRITER_INSERT_HEAD(&list, &e[4], entry);
	PSLIST_WRITER_INSERT_BEFORE(&e[4], &e[2], entry);
	PSLIST_WRITER_INSERT_BEFORE(&e[4], &e[3], entry);
	PSLIST_WRITER_INSERT_BEFORE(&e[2], &e[1], entry);
	PSLIST_WRITER_INSERT_HEAD(&list, &e[0], entry);
	PSLIST_WRITER_INSERT_AFTER(&e[4], &e[6], entry);
	PSLIST_WRITER_INSERT_AFTER(&e[6], &e[7], entry);
	PSLIST_WRITER_INSERT_AFTER(&e[4], &e[5], entry);

	// A removed one still shows the way; then it is destroyed, and may come again.
	PSLIST_WRITER_REMOVE(&e[4], entry);
	CHECK(PSLIST_READER_NEXT(&e[4], struct element, entry) == &e[5]);
	PSLIST_ENTRY_DESTROY(&e[4], entry);
	PSLIST_ENTRY_INIT(&e[4], entry);
	PSLIST_WRITER_INSERT_AFTER(&e[3], &e[4], entry);

	i = 0;
	PSLIST_WRITER_FOREACH(x, &list, struct element, entry)
		CHECK_EQ(x->i, i++);
	CHECK_EQ(i, 8);
	i = 0;
	PSLIST_READER_FOREACH(x, &list, struct element, entry)
		CHECK_EQ(x->i, i++);
	CHECK_EQ(i, 8);
	while ((x = PSLIST_WRITER_FIRST(&list, struct element, entry)) != NULL) {
		PSLIST_WRITER_REMOVE(x, entry);
		PSLIST_ENTRY_DESTROY(x, entry);
	}
	PSLIST_DESTROY(&list);
}

TEST_MAIN(TEST(elements_stand_where_they_were_inserted))
