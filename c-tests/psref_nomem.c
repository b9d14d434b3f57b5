// SPDX-License-Identifier: MIT OR Apache-2.0
// No memory: class_create answers NULL and ENOMEM and leaks nothing; an acquire that has to make room, which cannot fail,
// ends the program with a message.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/psref.h>

#include <sys/resource.h>

enum { MOST = 100000, SLACK_KB = 256 };

static struct psref_class *classes[MOST];
static struct psref holds[MOST];
static struct psref_target target;

static void needs_own_memory(void)
{
	if (!test_memory_is_ours())
		SKIP("limits on memory would hit what the test runs under");
}

static void limit(bool limited)
{
	struct rlimit now;
	CHECK_EQ(getrlimit(RLIMIT_AS, &now), 0);
	now.rlim_cur = limited ? (rlim_t)memory_kb("VmSize:") * 1024 : now.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_AS, &now), 0);
}

static unsigned create_until_refused(void)
{
	unsigned n = 0;
	errno = 0;
	while (n < MOST && (classes[n] = psref_class_create("one of many", 0)) != NULL)
		n++;
	CHECK(n < MOST);
	CHECK_EQ(errno, ENOMEM);
	return n;
}

static void check_refused_without_a_leak(unsigned times)
{
	long size = memory_kb("VmSize:"), resident = memory_kb("VmRSS:");
	for (unsigned i = 0; i < times; i++) {
		errno = 0;
		CHECK(psref_class_create("refused", 0) == NULL);
		CHECK_EQ(errno, ENOMEM);
	}
	CHECK(memory_kb("VmSize:") - size <= SLACK_KB);
	CHECK(memory_kb("VmRSS:") - resident <= SLACK_KB);
}

static void use_and_destroy(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		psref_target_init(&target, classes[i]);
		CHECK_EQ(psref_acquire(&holds[0], &target, classes[i]), 0);
		psref_release(&holds[0], &target, classes[i]);
		psref_target_destroy(&target, classes[i]);
		psref_class_destroy(classes[i]);
	}
}

// The thread's own record needs memory too, once.
static void use_once(void)
{
	classes[0] = psref_class_create("first", 0);
	CHECK(classes[0] != NULL);
	use_and_destroy(1);
}

static void class_create_answers_ENOMEM_and_works_again_when_there_is_memory(void)
{
	needs_own_memory();
	use_once();
	limit(true);
	unsigned n = create_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	limit(false);
	struct psref_class *after = psref_class_create("after", 0);
	CHECK(after != NULL);
	psref_class_destroy(after);
	use_and_destroy(n);
	// Nothing was lost: as many again need nothing new.
	long size = memory_kb("VmSize:");
	limit(true);
	for (unsigned i = 0; i < n; i++)
		CHECK((classes[i] = psref_class_create("again", 0)) != NULL);
	CHECK_EQ(memory_kb("VmSize:"), size);
	limit(false);
	use_and_destroy(n);
	test_note("%u classes before memory ran out", n);
}

static void a_first_use_without_memory_answers_ENOMEM(void)
{
	needs_own_memory();
	limit(true);
	unsigned n = create_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	limit(false);
	classes[n] = psref_class_create("after", 0);
	CHECK(classes[n] != NULL);
	use_and_destroy(n + 1);
}

static void refuse_or_skip(long call)
{
	needs_own_memory();
	if (refuse(call, ENOMEM) != 0)
		SKIP("no seccomp filter here: %s", strerror(errno));
}

static void class_create_answers_ENOMEM_where_mmap_fails(void)
{
	use_once();
	refuse_or_skip(SYS_mmap);
	unsigned n = create_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	use_and_destroy(n); // what was made before is sound
	CHECK_EQ(create_until_refused(), n);
	use_and_destroy(n);
}

static void class_create_answers_ENOMEM_where_mprotect_fails(void)
{
	use_once();
	refuse_or_skip(SYS_mprotect);
	unsigned n = create_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	use_and_destroy(n);
	CHECK_EQ(create_until_refused(), n);
	use_and_destroy(n);
}

static void acquire_until_it_dies(void *how)
{
	struct psref_class *class_ = psref_class_create("too many", 0);
	psref_target_init(&target, class_);
	CHECK_EQ(psref_acquire(&holds[0], &target, class_), 0);
	if (how == NULL) {
		limit(true);
	} else {
		CHECK_EQ(refuse(SYS_mprotect, ENOMEM), 0);
	}
	for (unsigned i = 1; i < MOST; i++)
		CHECK_EQ(psref_acquire(&holds[i], &target, class_), 0);
	fprintf(stderr, "%d holds without memory", MOST);
}

static void copy_until_it_dies(void *unused)
{
	(void)unused;
	struct psref_class *class_ = psref_class_create("too many", 0);
	psref_target_init(&target, class_);
	CHECK_EQ(psref_acquire(&holds[0], &target, class_), 0);
	limit(true);
	for (unsigned i = 1; i < MOST; i++)
		psref_copy(&holds[i], &holds[i - 1], class_);
}

static void an_acquire_that_cannot_make_room_names_the_class(void)
{
	needs_own_memory();
	struct ended ended = in_child(acquire_until_it_dies, NULL);
	CHECK_FATAL(ended, "psref_acquire", "no memory for one more block of slots", "class \"too many\"");
	ended = in_child(acquire_until_it_dies, &target);
	CHECK_FATAL(ended, "psref_acquire", "no memory for one more block of slots", "class \"too many\"");
	ended = in_child(copy_until_it_dies, NULL);
	CHECK_FATAL(ended, "psref_copy", "no memory for one more block of slots", "class \"too many\"");
}

// Holds do not need more memory than the class has taken: what was held once can be held without any.
static void holds_of_a_class_that_has_grown_need_no_memory(void)
{
	needs_own_memory();
	pin(0);
	struct psref_class *class_ = psref_class_create("grown", 0);
	psref_target_init(&target, class_);
	for (int limited = 0; limited < 2; limited++) {
		limit(limited != 0);
		for (int turn = 0; turn < 10; turn++) {
			for (unsigned i = 0; i < 3000; i++)
				CHECK_EQ(psref_acquire(&holds[i], &target, class_), 0);
			for (unsigned i = 0; i < 3000; i++)
				psref_release(&holds[i], &target, class_);
		}
	}
	limit(false);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

static void a_program_without_pthread_keys_left_can_begin_to_use_it(void)
{
	pthread_key_t keys[4096], last = 0;
	unsigned n = 0;
	while (n < COUNT(keys) && pthread_key_create(&keys[n], NULL) == 0)
		n++;
	use_once(); // its own key was made when it was loaded
	CHECK(n == COUNT(keys) || pthread_key_create(&last, NULL) != 0);
	CHECK_EQ(pthread_key_delete(keys[n - 1]), 0);
}

TEST_MAIN(TEST(class_create_answers_ENOMEM_and_works_again_when_there_is_memory),
	  TEST(a_first_use_without_memory_answers_ENOMEM),
	  TEST(class_create_answers_ENOMEM_where_mmap_fails),
	  TEST(class_create_answers_ENOMEM_where_mprotect_fails),
	  TEST(a_program_without_pthread_keys_left_can_begin_to_use_it),
	  TEST(an_acquire_that_cannot_make_room_names_the_class),
	  TEST(holds_of_a_class_that_has_grown_need_no_memory))
