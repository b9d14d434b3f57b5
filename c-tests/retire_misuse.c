// SPDX-License-Identifier: MIT OR Apache-2.0
// Misuse of retiring ends the program with a message that names what was seen.
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref.h>

static struct psref_class *class_;
static struct psref_target target;
static struct psref hold;
static int called;

static void count(void *place)
{
	ADD((int *)place, 1);
}

static void set_up(void)
{
	class_ = psref_class_create("misused", IPL_SOFTNET);
	psref_target_init(&target, class_);
}

static void retire(void)
{
	psref_target_retire(&target, class_, count, &called);
}

static void twice(void *unused)
{
	(void)unused;
	psref_acquire(&hold, &target, class_);
	retire();
	retire();
}

static void retiring_twice_is_told(void)
{
	set_up();
	struct ended ended = in_child(twice, NULL);
	CHECK_FATAL(ended, "psref_target_retire: psref target", "of class \"misused\" drains already: retired twice");
	CHECK(has_address(ended.words, &target));
}

static void after_a_drain(void *unused)
{
	(void)unused;
	psref_target_drain(&target, class_);
	retire();
}

static void retiring_what_drains_is_told(void)
{
	set_up();
	struct ended ended = in_child(after_a_drain, NULL);
	CHECK_FATAL(ended, "psref_target_retire: psref target", "drains already");
}

static void after_its_end(void *unused)
{
	(void)unused;
	retire();
	psref_retire_barrier();
	retire();
}

static void retiring_what_was_destroyed_is_told(void)
{
	set_up();
	struct ended ended = in_child(after_its_end, NULL);
	CHECK_FATAL(ended, "psref_target_retire: psref target already destroyed");
}

static void acquire_after(void *unused)
{
	(void)unused;
	retire();
	psref_retire_barrier();
	psref_acquire(&hold, &target, class_);
}

static void acquiring_after_the_function_is_told(void)
{
	set_up();
	struct ended ended = in_child(acquire_after, NULL);
	CHECK_FATAL(ended, "psref_acquire: psref target already destroyed");
}

static void no_function(void *unused)
{
	(void)unused;
	psref_target_retire(&target, class_, NULL, NULL);
}

static void no_call(void *unused)
{
	(void)unused;
	pserialize_call(NULL, NULL);
}

static void no_target(void *unused)
{
	(void)unused;
	psref_target_retire(NULL, class_, count, &called);
}

static void null_is_told(void)
{
	set_up();
	struct ended ended = in_child(no_function, NULL);
	CHECK_FATAL(ended, "psref_target_retire: fn is NULL");
	ended = in_child(no_call, NULL);
	CHECK_FATAL(ended, "pserialize_call: fn is NULL");
	ended = in_child(no_target, NULL);
	CHECK_FATAL(ended, "psref_target_retire: target is NULL");
}

static void barrier_within(void *unused)
{
	(void)unused;
	psref_retire_barrier();
}

static void barrier_in_a_function(void *poll)
{
	if (poll != NULL)
		psref_retire_poll();
	pserialize_call(barrier_within, NULL);
	psref_retire_barrier();
}

static void a_barrier_in_a_function_is_told(void)
{
	set_up();
	struct ended ended = in_child(barrier_in_a_function, NULL);
	CHECK_FATAL(ended, "psref_retire_barrier: called by a function that was retired");
	ended = in_child(barrier_in_a_function, &called);
	CHECK_FATAL(ended, "psref_retire_barrier: called by a function that was retired");
}

static void barrier_in_a_section(void *unused)
{
	(void)unused;
	pserialize_read_enter();
	retire();
	psref_retire_barrier();
}

static void a_barrier_in_a_section_is_told(void)
{
	set_up();
	struct ended ended = in_child(barrier_in_a_section, NULL);
	CHECK_FATAL(ended, "psref_retire_barrier", "inside a read section of this very thread");
}

static void barrier_with_a_hold(void *unused)
{
	(void)unused;
	alarm(5); // it would wait for ever
	psref_set_strict(true);
	psref_curlwp_bind();
	set_up();
	psref_acquire(&hold, &target, class_);
	retire();
	psref_retire_barrier();
}

static void a_barrier_that_waits_for_its_callers_hold_is_told(void)
{
	struct ended ended = in_child(barrier_with_a_hold, NULL);
	CHECK_FATAL(ended, "psref_retire_barrier: target", "(class \"misused\") is held by this very thread");
	CHECK(has_address(ended.words, &target));
}

static void enter(void *unused)
{
	(void)unused;
	pserialize_read_enter();
}

static void leave_open(void *unused)
{
	(void)unused;
	pserialize_call(enter, NULL);
	psref_retire_barrier();
}

static void a_function_that_leaves_a_section_open_is_told(void)
{
	struct ended ended = in_child(leave_open, NULL);
	CHECK_FATAL(ended, "returned inside a read section");
}

static void destroy_early(void *unused)
{
	(void)unused;
	psref_retire_poll(); // no thread, which might be faster
	retire();
	psref_class_destroy(class_);
}

static void a_class_destroyed_before_its_targets_end_is_told(void)
{
	set_up();
	struct ended ended = in_child(destroy_early, NULL);
	CHECK_FATAL(ended, "psref_class_destroy: class \"misused\" is in use: 1 retired target(s)");
}

// Reads what is said on standard error until all of it is there; a report that never comes is a hang.
static void a_hold_that_stays_is_reported(void)
{
	char words[8192];
	size_t used = 0;
	int ends[2];
	setenv("PSREF_DRAIN_WARN", "0.05", 1);
	set_up();
	CHECK_EQ(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	retire();
	for (words[0] = '\0'; strstr(words, "drain of target") == NULL || !has_address(words, &target);) {
		ssize_t n = read(ends[0], words + used, sizeof words - 1 - used);
		CHECK(n > 0);
		used += (size_t)n;
		words[used] = '\0';
	}
	psref_release(&hold, &target, class_);
	psref_retire_barrier();
	CHECK_EQ(called, 1);
}

TEST_MAIN(TEST(retiring_twice_is_told), TEST(retiring_what_drains_is_told), TEST(retiring_what_was_destroyed_is_told),
    TEST(acquiring_after_the_function_is_told), TEST(null_is_told), TEST(a_barrier_in_a_function_is_told),
    TEST(a_barrier_in_a_section_is_told), TEST(a_barrier_that_waits_for_its_callers_hold_is_told), TEST(a_function_that_leaves_a_section_open_is_told),
    TEST(a_class_destroyed_before_its_targets_end_is_told), TEST(a_hold_that_stays_is_reported))
