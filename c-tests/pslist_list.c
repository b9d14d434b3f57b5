// SPDX-License-Identifier: MIT OR Apache-2.0
// What pslist promises to one thread: order, removal, insertion anew, and what it asserts. With UndefinedBehaviorSanitizer
// (the asan environment) also that none of it is done by undefined arithmetic.
#undef NDEBUG
#include <psref/pslist.h>

// Nothing but the header stands above: what it needs it includes.
static struct pslist_head alone = PSLIST_INITIALIZER;
static struct pslist_entry link_alone = PSLIST_ENTRY_INITIALIZER;

#include "test.h"
#include "child.h"
#include "threads.h"

#include <stddef.h>

struct element {
	unsigned key;
	struct pslist_entry link;
	char between[24];
	struct pslist_entry other;
};

static void initialisers_make_what_can_be_destroyed(void)
{
	struct pslist_head head = PSLIST_INITIALIZER;
	struct element element = { 0, PSLIST_ENTRY_INITIALIZER, { 0 }, PSLIST_ENTRY_INITIALIZER };
	PSLIST_DESTROY(&head);
	PSLIST_ENTRY_DESTROY(&element, link);
	PSLIST_ENTRY_DESTROY(&element, other);
	pslist_destroy(&alone);
	pslist_entry_destroy(&link_alone);
}

static void check_order(struct pslist_head *head, unsigned n)
{
	struct element *element;
	unsigned key = 0;
	PSLIST_WRITER_FOREACH(element, head, struct element, link)
		CHECK_EQ(element->key, key++);
	CHECK_EQ(key, n);
	key = 0;
	PSLIST_READER_FOREACH(element, head, struct element, link)
		CHECK_EQ(element->key, key++);
	CHECK_EQ(key, n);
}

// The cases of NetBSD's t_pslist: eight elements come in by every way in, one goes and comes back.
static void entries_come_in_the_order_they_were_inserted_in(void)
{
	struct pslist_head head;
	struct element e[8];
	memset(&head, 0xa5, sizeof head);
	memset(e, 0xa5, sizeof e);
	PSLIST_INIT(&head);
	CHECK(PSLIST_WRITER_FIRST(&head, struct element, link) == NULL);
	CHECK(PSLIST_READER_FIRST(&head, struct element, link) == NULL);
	for (unsigned i = 0; i < COUNT(e); i++) {
		e[i].key = i;
		PSLIST_ENTRY_INIT(&e[i], link);
	}
	PSLIST_WRITER_INSERT_HEAD(&head, &e[4], link);	    // 4
	PSLIST_WRITER_INSERT_BEFORE(&e[4], &e[2], link);    // 2 4
	PSLIST_WRITER_INSERT_AFTER(&e[4], &e[5], link);	    // 2 4 5
	PSLIST_WRITER_INSERT_BEFORE(&e[4], &e[3], link);    // 2 3 4 5
	PSLIST_WRITER_INSERT_HEAD(&head, &e[0], link);	    // 0 2 3 4 5
	PSLIST_WRITER_INSERT_AFTER(&e[0], &e[1], link);	    // 0 1 2 3 4 5
	PSLIST_WRITER_INSERT_AFTER(&e[5], &e[7], link);	    // 0 1 2 3 4 5 7
	PSLIST_WRITER_INSERT_BEFORE(&e[7], &e[6], link);    // all
	check_order(&head, COUNT(e));
	CHECK(PSLIST_WRITER_FIRST(&head, struct element, link) == &e[0]);
	CHECK(PSLIST_READER_NEXT(&e[6], struct element, link) == &e[7]);
	CHECK(PSLIST_WRITER_NEXT(&e[7], struct element, link) == NULL);
	CHECK(PSLIST_READER_NEXT(&e[7], struct element, link) == NULL);

	static const unsigned places[] = { 3, 0, 7 }; // within, first, last
	for (unsigned i = 0; i < COUNT(places); i++) {
		struct element *gone = &e[places[i]];
		struct element *behind = PSLIST_WRITER_NEXT(gone, struct element, link);
		PSLIST_WRITER_REMOVE(gone, link);
		CHECK(PSLIST_READER_NEXT(gone, struct element, link) == behind); // a reader on it goes on
		PSLIST_ENTRY_DESTROY(gone, link);
		PSLIST_ENTRY_INIT(gone, link);
		if (places[i] == 0)
			PSLIST_WRITER_INSERT_HEAD(&head, gone, link);
		else
			PSLIST_WRITER_INSERT_AFTER(&e[places[i] - 1], gone, link);
		check_order(&head, COUNT(e));
	}
	for (unsigned i = 0; i < COUNT(e); i++) {
		CHECK(PSLIST_WRITER_FIRST(&head, struct element, link) == &e[i]);
		PSLIST_WRITER_REMOVE(&e[i], link);
		PSLIST_ENTRY_DESTROY(&e[i], link);
	}
	PSLIST_DESTROY(&head);
}

static void functions_and_macros_are_the_same(void)
{
	struct pslist_head head;
	struct element a, b;
	ptrdiff_t offset = offsetof(struct element, other);
	pslist_init(&head);
	pslist_entry_init(&a.other);
	pslist_entry_init(&b.other);
	CHECK(_pslist_writer_first_container(&head, offset) == NULL);
	CHECK(_pslist_reader_first_container(&head, offset) == NULL);
	pslist_writer_insert_head(&head, &a.other);
	pslist_writer_insert_after(&a.other, &b.other);
	CHECK(pslist_writer_first(&head) == &a.other && pslist_reader_first(&head) == &a.other);
	CHECK(pslist_writer_next(&a.other) == &b.other && pslist_reader_next(&a.other) == &b.other);
	CHECK(_pslist_writer_first_container(&head, offset) == &a && _pslist_reader_first_container(&head, offset) == &a);
	CHECK(_pslist_writer_next_container(&a.other, offset) == &b);
	CHECK(_pslist_reader_next_container(&a.other, offset) == &b);
	CHECK(_pslist_writer_next_container(&b.other, offset) == NULL);
	CHECK(_pslist_reader_next_container(&b.other, offset) == NULL);
	pslist_writer_remove(&a.other);
	pslist_entry_init(&a.other);
	pslist_writer_insert_before(&b.other, &a.other);
	CHECK(PSLIST_READER_FIRST(&head, struct element, other) == &a);
	pslist_writer_remove(&a.other);
	pslist_writer_remove(&b.other);
	pslist_entry_destroy(&a.other);
	pslist_entry_destroy(&b.other);
	pslist_destroy(&head);
}

// An argument with a side effect, as a caller may write it.
static void arguments_are_evaluated_once(void)
{
	static struct pslist_head heads[2] = { PSLIST_INITIALIZER, PSLIST_INITIALIZER };
	static struct element e[3];
	struct pslist_head *head = heads;
	struct element *at = e;
	for (unsigned i = 0; i < COUNT(e); i++)
		PSLIST_ENTRY_INIT(at++, link);
	CHECK(at == e + COUNT(e));
	PSLIST_WRITER_INSERT_HEAD(head++, --at, link);
	CHECK(head == heads + 1 && at == e + 2);
	PSLIST_WRITER_INSERT_BEFORE(at--, &e[0], link);
	CHECK(at == e + 1);
	PSLIST_WRITER_INSERT_AFTER(&e[0], at++, link);
	CHECK(at == e + 2);
	CHECK(PSLIST_WRITER_FIRST(--head, struct element, link) == e);
	CHECK(PSLIST_READER_FIRST(head++, struct element, link) == e);
	CHECK(head == heads + 1);
	at = e;
	CHECK(PSLIST_WRITER_NEXT(at++, struct element, link) == e + 1);
	CHECK(PSLIST_READER_NEXT(at++, struct element, link) == e + 2);
	CHECK(at == e + 2);
	PSLIST_WRITER_REMOVE(at--, link);
	CHECK(at == e + 1);
	PSLIST_ENTRY_DESTROY(&e[2], link);
	PSLIST_DESTROY(head++);
	CHECK(head == heads + 2);
}

enum { MANY = 24 };

// An array does all the list does, the slow way.
static void a_list_does_what_an_array_does(void)
{
	struct pslist_head head = PSLIST_INITIALIZER;
	static struct element e[MANY];
	unsigned order[MANY], n = 0;
	bool in[MANY] = { false };
	uint64_t seed = 20260711;
	for (unsigned i = 0; i < MANY; i++) {
		e[i].key = i;
		PSLIST_ENTRY_INIT(&e[i], other);
	}
	for (unsigned turn = 0; turn < test_turns(100000); turn++) {
		unsigned i = (unsigned)(random_number(&seed) % MANY), place = 0;
		if (in[i]) {
			while (order[place] != i)
				place++;
			n--;
			memmove(&order[place], &order[place + 1], (n - place) * sizeof order[0]);
			PSLIST_WRITER_REMOVE(&e[i], other);
			PSLIST_ENTRY_DESTROY(&e[i], other);
			PSLIST_ENTRY_INIT(&e[i], other);
		} else {
			place = (unsigned)(random_number(&seed) % (n + 1));
			if (place == 0)
				PSLIST_WRITER_INSERT_HEAD(&head, &e[i], other);
			else if (place < n && turn % 2 == 0)
				PSLIST_WRITER_INSERT_BEFORE(&e[order[place]], &e[i], other);
			else
				PSLIST_WRITER_INSERT_AFTER(&e[order[place - 1]], &e[i], other);
			memmove(&order[place + 1], &order[place], (n - place) * sizeof order[0]);
			order[place] = i;
			n++;
		}
		in[i] = !in[i];
		struct element *element;
		place = 0;
		PSLIST_READER_FOREACH(element, &head, struct element, other)
			CHECK(place < n && element->key == order[place++]);
		CHECK_EQ(place, n);
	}
}

// Callers' bugs, by number; each in a child of its own.
static void misuse(void *which)
{
	static struct pslist_head head = PSLIST_INITIALIZER;
	static struct element a, b, c;
	PSLIST_ENTRY_INIT(&a, link);
	PSLIST_ENTRY_INIT(&b, link);
	PSLIST_ENTRY_INIT(&c, link);
	PSLIST_WRITER_INSERT_HEAD(&head, &a, link);
	switch ((int)(intptr_t)which) {
	case 0: PSLIST_DESTROY(&head); break;
	case 1: PSLIST_ENTRY_DESTROY(&a, link); break;
	case 2: PSLIST_WRITER_INSERT_HEAD(&head, &a, link); break;
	case 3: PSLIST_WRITER_INSERT_BEFORE(&a, &a, link); break;
	case 4: PSLIST_WRITER_INSERT_AFTER(&b, &c, link); break;
	case 5: PSLIST_WRITER_INSERT_BEFORE(&b, &c, link); break;
	case 6: PSLIST_WRITER_REMOVE(&b, link); break;
	case 7: // removed twice
		PSLIST_WRITER_REMOVE(&a, link);
		PSLIST_WRITER_REMOVE(&a, link);
		break;
	case 8: // inserted again without a grace period
		PSLIST_WRITER_INSERT_HEAD(&head, &b, link);
		PSLIST_WRITER_REMOVE(&b, link);
		PSLIST_WRITER_INSERT_HEAD(&head, &b, link);
		break;
	case 9:
		PSLIST_WRITER_REMOVE(&a, link);
		PSLIST_ENTRY_DESTROY(&a, link);
		(void)PSLIST_READER_NEXT(&a, struct element, link);
		break;
	case 10:
		PSLIST_WRITER_REMOVE(&a, link);
		PSLIST_ENTRY_DESTROY(&a, link);
		(void)PSLIST_WRITER_NEXT(&a, struct element, link);
		break;
	case 11: // a neighbour that was copied elsewhere
		b = a;
		PSLIST_WRITER_INSERT_AFTER(&b, &c, link);
		break;
	case 12: // destroyed, but not made anew
		PSLIST_ENTRY_DESTROY(&b, link);
		PSLIST_WRITER_INSERT_HEAD(&head, &b, link);
		break;
	default: break;
	}
}

static void misuse_fails_an_assertion_that_names_it(void)
{
	static const char *const said[][2] = {
		{ "pslist_destroy", "plh_first == 0" },
		{ "pslist_entry_destroy", "ple_prevp == 0" },
		{ "pslist_writer_insert_head", "ple_prevp == 0" },
		{ "pslist_writer_insert_before", "entry->ple_prevp == 0" },
		{ "pslist_writer_insert_after", "neighbour->ple_prevp != 0" },
		{ "pslist_writer_insert_before", "neighbour->ple_prevp != 0" },
		{ "pslist_writer_remove", "ple_prevp != 0" },
		{ "pslist_writer_remove", "ple_prevp != 0" },
		{ "pslist_writer_insert_head", "ple_next == 0" },
		{ "pslist_reader_next", "next != _PSLIST_POISON" },
		{ "pslist_writer_next", "next != _PSLIST_POISON" },
		{ "pslist_writer_insert_after", "*neighbour->ple_prevp == neighbour" },
		{ "pslist_writer_insert_head", "ple_next == 0" },
	};
	for (size_t i = 0; i < COUNT(said); i++) {
		struct ended ended = in_child(misuse, (void *)i);
		if (!WIFSIGNALED(ended.status) || WTERMSIG(ended.status) != SIGABRT || strstr(ended.words, said[i][0]) == NULL
		    || strstr(ended.words, said[i][1]) == NULL)
			FAIL("misuse %zu: %s, said: %.300s", i, ending(&ended), ended.words);
	}
}

TEST_MAIN(TEST(initialisers_make_what_can_be_destroyed),
	  TEST(entries_come_in_the_order_they_were_inserted_in),
	  TEST(functions_and_macros_are_the_same),
	  TEST(arguments_are_evaluated_once),
	  TEST(a_list_does_what_an_array_does),
	  TEST(misuse_fails_an_assertion_that_names_it))
