// SPDX-License-Identifier: MIT OR Apache-2.0
// Callers' bugs with holds, drains that take long, and what else ends or changes a program with a word: each in a forked
// child.
#include "test.h"
#include "child.h"
#include "threads.h"
#include "misuse.h"

static void release_for_other(void *unused)
{
	(void)unused;
	psref_release(&hold, &other, right);
}

static void a_release_for_another_target_is_told_with_both(void)
{
	set_up();
	struct ended ended = in_child(release_for_other, NULL);
	CHECK_FATAL(ended, "psref_release", "passive reference target mismatch", "class \"right\"");
	CHECK(has_address(ended.words, &other) && has_address(ended.words, &target));
	CHECK(has_address(ended.words, &hold));
}

// Releases of what holds nothing.
static void release_too_often(void *which)
{
	struct psref mine;
	switch ((int)(intptr_t)which) {
	case 0: // twice
		psref_release(&hold, &target, right);
		psref_release(&hold, &target, right);
		break;
	case 1: // after ENOENT
		psref_release(&hold, &target, right);
		psref_target_drain(&target, right);
		memset(&hold, 0xff, sizeof hold);
		CHECK_EQ(psref_acquire(&hold, &target, right), ENOENT);
		psref_release(&hold, &target, right);
		break;
	case 2: // zeroed, never acquired
		psref_release(&empty, &target, right);
		break;
	case 3: // a copy of what holds nothing
		psref_copy(&mine, &empty, right);
		break;
	case 4: // twice, a copy's
		psref_copy(&mine, &hold, right);
		psref_release(&mine, &target, right);
		psref_release(&mine, &target, right);
		break;
	case 5: // after the target was destroyed
		psref_release(&hold, &target, right);
		psref_target_destroy(&target, right);
		psref_release(&hold, &target, right);
		break;
	default: break;
	}
}

static void a_psref_that_holds_nothing_is_told(void)
{
	set_up();
	for (intptr_t i = 0; i < 6; i++) {
		struct ended ended = in_child(release_too_often, (void *)i);
		CHECK_FATAL(ended, i == 3 ? "psref_copy" : "psref_release", "holds nothing", "class \"right\"");
		if (i != 4)
			CHECK(has_address(ended.words, i == 2 || i == 3 ? &empty : &hold));
	}
}

static void copy_to_itself(void *unused)
{
	(void)unused;
	psref_copy(&hold, &hold, right);
}

static void a_copy_to_itself_is_told(void)
{
	set_up();
	struct ended ended = in_child(copy_to_itself, NULL);
	CHECK_FATAL(ended, "psref_copy", "can't copy passive reference to itself", "class \"right\"");
	CHECK(has_address(ended.words, &hold));
}

static void copy_an_assigned_copy(void *unused)
{
	(void)unused;
	copied = hold;
	psref_release(&hold, &target, right);
	psref_copy(&hold, &copied, right); // of nothing: the target may be gone
}

static void a_structure_copied_by_assignment_is_no_hold_to_copy_from(void)
{
	set_up();
	struct ended ended = in_child(copy_an_assigned_copy, NULL);
	CHECK_FATAL(ended, "psref_copy", "has lost its slot", "class \"right\"");
	CHECK(has_address(ended.words, &copied));
}

static void release_an_assigned_copy(void *other_target_meanwhile)
{
	copied = hold;
	psref_release(&hold, &target, right);
	if (other_target_meanwhile != NULL)
		CHECK_EQ(psref_acquire(&hold, &other, right), 0); // in the slot that the copy still names
	psref_release(&copied, &target, right);
}

static void a_structure_copied_by_assignment_and_released_twice_is_told(void)
{
	set_up();
	for (int meanwhile = 0; meanwhile < 2; meanwhile++) {
		struct ended ended = in_child(release_an_assigned_copy, meanwhile ? &target : NULL);
		CHECK_FATAL(ended, "psref_release", "has lost its slot", "class \"right\"");
		CHECK(has_address(ended.words, &copied));
	}
}

static void *hold_for_a_moment(void *unused)
{
	CHECK_EQ(psref_acquire(&copied, &target, right), 0);
	STORE(&holder_tid, thread_id());
	nap(500000);
	psref_release(&copied, &target, right);
	return unused;
}

static void drain_for_long(void *unused)
{
	(void)unused;
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	psref_release(&hold, &target, right);
	pthread_t holder = start(hold_for_a_moment, NULL);
	wait_until_set(&holder_tid);
	psref_target_destroy(&target, right);
	join(holder);
	fprintf(stderr, "held by thread %d, ended well", holder_tid);
}

static void a_drain_that_takes_long_tells_who_holds_and_goes_on(void)
{
	set_up();
	struct ended ended = in_child(drain_for_long, NULL);
	CHECK_EQ(ended.status, 0);
	const char *told = strstr(ended.words, "held by thread ");
	CHECK(told != NULL);
	char expected[64];
	// Without sections the CPU is not known.
	bool sections = strcmp(psref_backend(), "rseq") == 0 && !test_threads_without_rseq();
	snprintf(expected, sizeof expected, "  thread %d, acquired on %scpu", atoi(told + strlen("held by thread ")),
	         sections ? "" : "no ");
	CHECK(strstr(ended.words, expected) != NULL);
	CHECK(strstr(ended.words, "class \"right\"") != NULL);
	CHECK(has_address(ended.words, &target));
}

static void drain_what_one_holds_oneself(void *unused)
{
	(void)unused;
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	alarm(2);
	psref_target_drain(&target, right);
}

static void a_drain_of_ones_own_hold_is_told_to_have_no_end(void)
{
	test_not_strict("strict: told at once, see strict_psref");
	set_up();
	struct ended ended = in_child(drain_what_one_holds_oneself, NULL);
	CHECK(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGALRM);
	CHECK(strstr(ended.words, "this very thread") != NULL && strstr(ended.words, "class \"right\"") != NULL);
}

static void start_with_unknown_backend(void *unused)
{
	(void)unused;
	setenv("PSREF_BACKEND", "nonsense", 1);
	psref_class_create("x", 0);
}

static void an_unknown_back_end_is_told(void)
{
	struct ended ended = in_child(start_with_unknown_backend, NULL);
	CHECK_FATAL(ended, "PSREF_BACKEND is \"nonsense\"", "expected auto, rseq or atomic");
}

static void create_with_a_name_that_is_no_text(void *unused)
{
	(void)unused;
	psref_class_destroy(psref_class_create("ab\xff%s%n\n", 0));
	struct psref_class *class_ = psref_class_create("ab\xff%s%n\n", 0);
	psref_target_init(&other, class_);
	CHECK_EQ(psref_acquire(&hold, &other, class_), 0);
	psref_class_destroy(class_);
}

static void a_name_that_is_no_text_does_no_harm_in_a_message(void)
{
	struct ended ended = in_child(create_with_a_name_that_is_no_text, NULL);
	CHECK_FATAL(ended, "class \"ab", "is in use");
}

TEST_MAIN(TEST(a_release_for_another_target_is_told_with_both),
	  TEST(a_psref_that_holds_nothing_is_told),
	  TEST(a_copy_to_itself_is_told),
	  TEST(a_structure_copied_by_assignment_and_released_twice_is_told),
	  TEST(a_structure_copied_by_assignment_is_no_hold_to_copy_from),
	  TEST(a_drain_that_takes_long_tells_who_holds_and_goes_on),
	  TEST(a_drain_of_ones_own_hold_is_told_to_have_no_end),
	  TEST(an_unknown_back_end_is_told),
	  TEST(a_name_that_is_no_text_does_no_harm_in_a_message))
