// SPDX-License-Identifier: MIT OR Apache-2.0
// Callers' bugs with classes and targets: each done in a forked child, which must die by abort() with a message that names
// what was wrong. Those with holds are in psref_misuse_hold.c.
#include "test.h"
#include "child.h"
#include "threads.h"
#include "misuse.h"

static void *hold_elsewhere(void *psref)
{
	STORE(&holder_tid, thread_id());
	CHECK_EQ(psref_acquire((struct psref *)psref, &target, right), 0);
	while (psref != &empty)
		pause();
	return psref;
}

// The compiler must not see that a NULL is passed on purpose.
static struct psref_class *volatile no_class;
static struct psref_target *volatile no_target;
static struct psref *volatile no_psref;
static const char *volatile no_name;

// One call each, by number.
static void with_null(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: psref_class_create(no_name, 0); break;
	case 1: psref_class_destroy(no_class); break;
	case 2: psref_target_init(no_target, right); break;
	case 3: psref_target_init(&other, no_class); break;
	case 4: psref_acquire(no_psref, &target, right); break;
	case 5: psref_acquire(&empty, no_target, right); break;
	case 6: psref_acquire(&empty, &target, no_class); break;
	case 7: psref_release(no_psref, &target, right); break;
	case 8: psref_release(&hold, no_target, right); break;
	case 9: psref_release(&hold, &target, no_class); break;
	case 10: psref_copy(no_psref, &hold, right); break;
	case 11: psref_copy(&empty, no_psref, right); break;
	case 12: psref_copy(&empty, &hold, no_class); break;
	case 13: psref_held(no_target, right); break;
	case 14: psref_held(&target, no_class); break;
	case 15: psref_target_drain(no_target, right); break;
	case 16: psref_target_drain(&other, no_class); break;
	case 17: psref_target_destroy(no_target, right); break;
	case 18: psref_target_destroy(&other, no_class); break;
	case 19: psref_acquire(no_psref, no_target, no_class); break;
	case 20: psref_release(no_psref, no_target, no_class); break;
	case 21: psref_copy(no_psref, no_psref, no_class); break;
	default: break;
	}
}

static void NULL_is_named_with_function_and_argument(void)
{
	static const char *const said[][2] = {
		{ "psref_class_create", "name is NULL" },     { "psref_class_destroy", "class is NULL" },
		{ "psref_target_init", "target is NULL" },    { "psref_target_init", "class is NULL" },
		{ "psref_acquire", "psref is NULL" },	      { "psref_acquire", "target is NULL" },
		{ "psref_acquire", "class is NULL" },	      { "psref_release", "psref is NULL" },
		{ "psref_release", "target is NULL" },	      { "psref_release", "class is NULL" },
		{ "psref_copy", "psref is NULL" },	      { "psref_copy", "psref is NULL" },
		{ "psref_copy", "class is NULL" },	      { "psref_held", "target is NULL" },
		{ "psref_held", "class is NULL" },	      { "psref_target_drain", "target is NULL" },
		{ "psref_target_drain", "class is NULL" },    { "psref_target_destroy", "target is NULL" },
		{ "psref_target_destroy", "class is NULL" },  { "psref_acquire", "is NULL" },
		{ "psref_release", "is NULL" },		      { "psref_copy", "is NULL" },
	};
	set_up();
	for (size_t i = 0; i < COUNT(said); i++) {
		struct ended ended = in_child(with_null, (void *)i);
		CHECK_FATAL(ended, said[i][0], said[i][1]);
	}
}

static void acquire_zeroed(void *unused)
{
	static struct psref_target zeroed;
	(void)unused;
	psref_acquire(&empty, &zeroed, right);
}

static void acquire_zeroed_without_class(void *unused)
{
	static struct psref_target zeroed;
	(void)unused;
	psref_acquire(&empty, &zeroed, no_class);
}

static void a_target_that_was_never_initialised_is_refused(void)
{
	set_up();
	struct ended ended = in_child(acquire_zeroed, NULL);
	CHECK_FATAL(ended, "psref_acquire", "never initialised", "\"right\"");
	ended = in_child(acquire_zeroed_without_class, NULL);
	CHECK_FATAL(ended, "psref_acquire", "class is NULL");
}

static void destroy_right(void *unused)
{
	(void)unused;
	psref_class_destroy(right);
}

static void a_class_destroyed_in_use_names_class_holds_target_and_thread(void)
{
	char tid[40];
	set_up();
	struct ended ended = in_child(destroy_right, NULL);
	snprintf(tid, sizeof tid, "held by thread %d ", ended.pid); // forked: the holder has a new id
	CHECK_FATAL(ended, "psref_class_destroy", "class \"right\" is in use", "1 passive reference", tid);
	CHECK(has_address(ended.words, &target));
	static struct psref more[99];
	for (unsigned i = 0; i < COUNT(more); i++)
		CHECK_EQ(psref_acquire(&more[i], &target, right), 0);
	ended = in_child(destroy_right, NULL);
	CHECK_FATAL(ended, ": 100 passive reference");
}

static void hold_in_a_thread_and_destroy(void *words)
{
	holder_tid = 0;
	psref_release(&hold, &target, right);
	start(hold_elsewhere, &copied);
	wait_until_set(&holder_tid);
	while (!LOAD((void **)&copied.psref_target))
		sched_yield();
	// The expected words go ahead of the message.
	fprintf(stderr, "%s %d (acquired on cpu", (const char *)words, holder_tid);
	psref_class_destroy(right);
}

static void a_class_destroyed_in_use_names_another_thread(void)
{
	char words[] = "held by thread";
	set_up();
	struct ended ended = in_child(hold_in_a_thread_and_destroy, words);
	CHECK_FATAL(ended, "class \"right\" is in use");
	// Said twice: by the test, which knows the thread, and by the library.
	char *first = strstr(ended.words, "psref: fatal");
	CHECK(first != NULL);
	char expected[64];
	snprintf(expected, sizeof expected, "%.*s", (int)(first - ended.words), ended.words);
	CHECK_FATAL(ended, expected);
	CHECK(strstr(first, expected) != NULL);
}

static void hold_in_a_thread_that_ends_and_destroy(void *unused)
{
	(void)unused;
	psref_release(&hold, &target, right);
	elsewhere(hold_elsewhere, &empty);
	psref_class_destroy(right);
}

static void a_class_destroyed_in_use_tells_of_a_thread_that_has_ended(void)
{
	test_not_strict("strict: no hold outlives its thread");
	set_up();
	struct ended ended = in_child(hold_in_a_thread_that_ends_and_destroy, NULL);
	CHECK_FATAL(ended, "class \"right\" is in use", "a thread that has ended");
}

static void *drain_target(void *unused)
{
	psref_target_drain(&target, right);
	return unused;
}

static void destroy_while_a_drain_waits(void *unused)
{
	(void)unused;
	start(drain_target, NULL);
	while (!LOAD((unsigned char *)&target.prt_draining))
		sched_yield();
	psref_class_destroy(right);
}

static void a_class_destroyed_while_a_drain_waits_is_refused(void)
{
	set_up();
	struct ended ended = in_child(destroy_while_a_drain_waits, NULL);
	CHECK_FATAL(ended, "psref_class_destroy", "class \"right\" is in use");
}

// Everything one can do with a class that is gone.
static void with_destroyed_class(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: psref_class_destroy(gone); break;
	case 1: psref_target_init(&other, gone); break;
	case 2: psref_acquire(&empty, &target, gone); break;
	case 3: psref_release(&hold, &target, gone); break;
	case 4: psref_copy(&empty, &hold, gone); break;
	case 5: psref_held(&target, gone); break;
	case 6: psref_target_drain(&other, gone); break;
	case 7: psref_target_destroy(&other, gone); break;
	case 8: // its own target, which outlived it
		psref_release(&hold, &target, right);
		psref_class_destroy(right);
		psref_acquire(&empty, &target, right);
		break;
	default: break;
	}
}

static void a_destroyed_class_is_named_by_whatever_uses_it(void)
{
	static const char *const who[] = { "psref_class_destroy", "psref_target_init", "psref_acquire",
					   "psref_release",	  "psref_copy",	       "psref_held",
					   "psref_target_drain",  "psref_target_destroy", "psref_acquire" };
	set_up();
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(with_destroyed_class, (void *)i);
		CHECK_FATAL(ended, who[i], "psref class already destroyed");
		CHECK(has_address(ended.words, i < 8 ? gone : right));
	}
}

static void with_destroyed_target(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: psref_target_destroy(&destroyed, right); break;
	case 1: psref_target_drain(&destroyed, right); break;
	case 2: psref_acquire(&empty, &destroyed, right); break;
	case 3: psref_held(&destroyed, right); break;
	default: break;
	}
}

static void a_destroyed_target_is_named_by_whatever_uses_it(void)
{
	static const char *const who[] = { "psref_target_destroy", "psref_target_drain", "psref_acquire", "psref_held" };
	set_up();
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(with_destroyed_target, (void *)i);
		CHECK_FATAL(ended, who[i], "psref target already destroyed", "class \"right\"");
		CHECK(has_address(ended.words, &destroyed));
	}
}

static void with_wrong_class(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: psref_acquire(&empty, &foreign, right); break;
	case 1: psref_release(&hold, &target, wrong); break;
	case 2: psref_copy(&empty, &hold, wrong); break;
	case 3: psref_target_destroy(&foreign, right); break;
	case 4: psref_target_drain(&foreign, right); break;
	case 5: psref_held(&foreign, right); break;
	default: break;
	}
}

static void a_target_of_another_class_is_told_with_both(void)
{
	static const char *const who[] = { "psref_acquire",	   "psref_release",	 "psref_copy",
					   "psref_target_destroy", "psref_target_drain", "psref_held" };
	set_up();
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(with_wrong_class, (void *)i);
		CHECK_FATAL(ended, who[i], "mismatched psref target class", "\"right\"", "\"wrong\"");
		CHECK(has_address(ended.words, right) && has_address(ended.words, wrong));
	}
}

static void with_moved_target(void *which)
{
	struct psref_target moved = target;
	switch ((int)(intptr_t)which) {
	case 0: psref_target_drain(&moved, right); break;
	case 1: psref_target_destroy(&moved, right); break;
	case 2: psref_held(&moved, right); break;
	default: break;
	}
}

static void a_target_that_was_moved_is_told(void)
{
	static const char *const who[] = { "psref_target_drain", "psref_target_destroy", "psref_held" };
	set_up();
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(with_moved_target, (void *)i);
		CHECK_FATAL(ended, who[i], "was initialised at another address", "class \"right\"");
	}
}

// Memory that was freed, or never was what it is taken for.
static void with_garbage(void *which)
{
	static union {
		struct psref_target target;
		unsigned char bytes[256];
	} garbage;
	intptr_t i = (intptr_t)which;
	struct psref_class *no = (struct psref_class *)&garbage;
	memset(&garbage, i & 1 ? 0xa5 : 0x01, sizeof garbage);
	switch (i >> 1) {
	case 0: psref_acquire(&empty, &garbage.target, right); break;
	case 1: psref_target_destroy(&garbage.target, right); break;
	case 2: psref_held(&garbage.target, right); break;
	case 3: psref_target_init(&other, no); break;
	case 4: psref_acquire(&empty, &target, no); break;
	case 5: psref_class_destroy(no); break;
	default: break;
	}
}

static void what_is_no_class_and_no_target_is_told_and_not_followed(void)
{
	set_up();
	for (intptr_t i = 0; i < 12; i++) {
		struct ended ended = in_child(with_garbage, (void *)i);
		CHECK_FATAL(ended, i < 6 ? "already destroyed" : "no psref class");
	}
}

TEST_MAIN(TEST(NULL_is_named_with_function_and_argument),
	  TEST(a_target_that_was_never_initialised_is_refused),
	  TEST(a_class_destroyed_in_use_names_class_holds_target_and_thread),
	  TEST(a_class_destroyed_in_use_names_another_thread),
	  TEST(a_class_destroyed_in_use_tells_of_a_thread_that_has_ended),
	  TEST(a_class_destroyed_while_a_drain_waits_is_refused),
	  TEST(a_destroyed_class_is_named_by_whatever_uses_it),
	  TEST(a_destroyed_target_is_named_by_whatever_uses_it),
	  TEST(a_target_of_another_class_is_told_with_both),
	  TEST(a_target_that_was_moved_is_told),
	  TEST(what_is_no_class_and_no_target_is_told_and_not_followed))
