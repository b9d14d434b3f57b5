// SPDX-License-Identifier: MIT OR Apache-2.0
// The whole interface of psref(9), one behaviour a test; drains that wait are in psref_drain.c, threads' lives and
// memory in psref_recycle.c.
#include "test.h"
#include "threads.h"

#include <psref/psref.h>

static struct psref_class *class_;
static struct psref_target target;

static void begin(void)
{
	class_ = psref_class_create("api", 0);
	CHECK(class_ != NULL);
	psref_target_init(&target, class_);
}

static void end(void)
{
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

static void acquire_answers_0_and_the_hold_lasts_until_release(void)
{
	struct psref hold;
	begin();
	CHECK(!psref_held(&target, class_));
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK(psref_held(&target, class_));
	CHECK(hold.psref_target == &target);
	psref_release(&hold, &target, class_);
	CHECK(!psref_held(&target, class_));
	end();
}

static void acquire_does_not_read_what_the_psref_held_before(void)
{
	struct psref hold, copy;
	begin();
	for (int byte = 0; byte < 256; byte++) {
		memset(&hold, byte, sizeof hold);
		memset(&copy, byte, sizeof copy);
		CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
		psref_copy(&copy, &hold, class_);
		psref_release(&hold, &target, class_);
		psref_release(&copy, &target, class_);
	}
	end();
}

static void acquire_after_drain_answers_ENOENT_and_the_psref_is_empty(void)
{
	struct psref hold;
	begin();
	psref_target_drain(&target, class_);
	for (int turn = 0; turn < 100; turn++) {
		memset(&hold, 0xa5, sizeof hold);
		errno = 4711;
		CHECK_EQ(psref_acquire(&hold, &target, class_), ENOENT);
		CHECK_EQ(errno, 4711);
		CHECK(hold.psref_entry == NULL && hold.psref_target == NULL);
		CHECK(!psref_held(&target, class_));
	}
	end();
}

static void drain_sets_the_flags_of_the_target_and_may_be_repeated(void)
{
	begin();
	CHECK(!target.prt_draining && !target.prt_drained && target.prt_class == class_);
	psref_target_drain(&target, class_);
	CHECK(target.prt_draining && target.prt_drained && target.prt_class == class_);
	psref_target_drain(&target, class_);
	psref_target_destroy(&target, class_);
	CHECK(target.prt_class == NULL);
	psref_class_destroy(class_);
}

static void destroy_drains_what_was_not_drained_and_poisons(void)
{
	begin();
	psref_target_destroy(&target, class_);
	CHECK(target.prt_draining && target.prt_class == NULL);
	psref_class_destroy(class_);
}

static void a_destroyed_target_may_be_initialised_again(void)
{
	struct psref hold;
	begin();
	for (int turn = 0; turn < 1000; turn++) {
		CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
		psref_release(&hold, &target, class_);
		psref_target_destroy(&target, class_);
		psref_target_init(&target, class_);
	}
	end();
}

static void a_class_may_go_with_targets_that_were_never_made_known(void)
{
	begin();
	psref_class_destroy(class_);
}

static void any_name_and_any_ipl_make_a_class(void)
{
	static const int ipls[] = { 0, 1, 4, 7, -1, 1 << 30 };
	char name[20000], bytes[] = "\xff\xfe\x80 \xc3";
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	const char *const names[] = { "", "n", name, bytes, "%s%n%d", "with \"quotes\"\n" };
	for (size_t i = 0; i < COUNT(names) * COUNT(ipls); i++) {
		struct psref hold;
		class_ = psref_class_create(names[i % COUNT(names)], ipls[i / COUNT(names)]);
		CHECK(class_ != NULL);
		psref_target_init(&target, class_);
		CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
		psref_release(&hold, &target, class_);
		end();
	}
}

static void the_name_is_copied(void)
{
	char name[] = "gone";
	class_ = psref_class_create(name, 0);
	memset(name, 0, sizeof name);
	psref_target_init(&target, class_);
	end();
}

// Any number of holds, of several targets, in a random order; psref_held must know at every moment which are left.
enum { MOST = 5000, TARGETS = 50 };

static void hold_many(unsigned n)
{
	static struct psref holds[MOST];
	static struct psref_target targets[TARGETS];
	static unsigned order[MOST], left[TARGETS];
	uint64_t seed = 0x9e3779b97f4a7c15ULL + n;
	class_ = psref_class_create("many", 0);
	for (unsigned t = 0; t < TARGETS; t++)
		psref_target_init(&targets[t], class_);
	for (unsigned i = 0; i < n; i++) {
		order[i] = i;
		left[i % TARGETS]++;
		CHECK_EQ(psref_acquire(&holds[i], &targets[i % TARGETS], class_), 0);
	}
	for (unsigned i = n - 1; i > 0; i--) {
		unsigned other = (unsigned)(random_number(&seed) % (i + 1)), keep = order[i];
		order[i] = order[other];
		order[other] = keep;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned t = order[i] % TARGETS;
		psref_release(&holds[order[i]], &targets[t], class_);
		left[t]--;
		if (i % 16 == 0 || left[t] == 0)
			CHECK_EQ(psref_held(&targets[t], class_), left[t] != 0);
	}
	for (unsigned t = 0; t < TARGETS; t++)
		psref_target_destroy(&targets[t], class_);
	psref_class_destroy(class_);
}

static void holds_on_one_cpu_may_be_500_in_any_order(void)
{
	pin(0);
	hold_many(500);
	hold_many(500); // on recycled blocks
}

static void holds_on_one_cpu_may_be_5000_in_any_order(void)
{
	pin(1);
	hold_many(MOST);
	hold_many(MOST);
}

static void holds_nest_in_any_order(void)
{
	struct psref holds[40];
	bool held[40] = { false };
	uint64_t seed = 42;
	int count = 0;
	begin();
	for (unsigned turn = test_turns(100000); turn > 0; turn--) {
		unsigned i = (unsigned)(random_number(&seed) % COUNT(holds));
		if (held[i])
			psref_release(&holds[i], &target, class_);
		else
			CHECK_EQ(psref_acquire(&holds[i], &target, class_), 0);
		held[i] = !held[i];
		count += held[i] ? 1 : -1;
		if (turn % 64 == 0)
			CHECK_EQ(psref_held(&target, class_), count != 0);
	}
	for (unsigned i = 0; i < COUNT(holds); i++)
		if (held[i])
			psref_release(&holds[i], &target, class_);
	CHECK(!psref_held(&target, class_));
	end();
}

static void a_copy_is_a_hold_of_its_own(void)
{
	struct psref first, second, third;
	begin();
	for (int turn = 0; turn < 2; turn++) {
		CHECK_EQ(psref_acquire(&first, &target, class_), 0);
		psref_copy(&second, &first, class_);
		CHECK(second.psref_target == &target && second.psref_entry != first.psref_entry);
		psref_release(turn == 0 ? &first : &second, &target, class_);
		CHECK(psref_held(&target, class_));
		psref_copy(&third, turn == 0 ? &second : &first, class_); // the copy of a copy
		psref_release(turn == 0 ? &second : &first, &target, class_);
		CHECK(psref_held(&target, class_));
		psref_release(&third, &target, class_);
		CHECK(!psref_held(&target, class_));
	}
	end();
}

static void held_tells_targets_apart(void)
{
	struct psref_target other;
	struct psref hold;
	begin();
	psref_target_init(&other, class_);
	CHECK_EQ(psref_acquire(&hold, &other, class_), 0);
	CHECK(psref_held(&other, class_) && !psref_held(&target, class_));
	psref_release(&hold, &other, class_);
	psref_target_destroy(&other, class_);
	end();
}

static void *expect_not_held(void *unused)
{
	struct psref_target mine;
	struct psref hold;
	CHECK(!psref_held(&target, class_)); // before this thread's first use
	psref_target_init(&mine, class_);
	CHECK_EQ(psref_acquire(&hold, &mine, class_), 0);
	CHECK(psref_held(&mine, class_) && !psref_held(&target, class_));
	psref_release(&hold, &mine, class_);
	psref_target_destroy(&mine, class_);
	return unused;
}

static void held_is_false_in_another_thread(void)
{
	struct psref hold;
	begin();
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	for (int turn = 0; turn < 20; turn++)
		elsewhere(expect_not_held, NULL);
	CHECK(psref_held(&target, class_));
	psref_release(&hold, &target, class_);
	end();
}

static struct psref handed[2];

static void *release_it(void *cpu)
{
	if (cpu != NULL)
		pin(1);
	psref_release(&handed[0], &target, class_);
	return NULL;
}

static void a_hold_may_be_released_by_another_thread(void)
{
	test_not_strict("strict: a hold is released and copied by its thread alone");
	begin();
	for (int turn = 0; turn < 100; turn++) {
		CHECK_EQ(psref_acquire(&handed[0], &target, class_), 0);
		elsewhere(release_it, NULL);
		CHECK(!psref_held(&target, class_));
	}
	end();
}

static void a_hold_may_be_released_by_another_thread_on_another_cpu(void)
{
	test_not_strict("strict: a hold is released and copied by its thread alone");
	begin();
	pin(0);
	for (int turn = 0; turn < 100; turn++) {
		CHECK_EQ(psref_acquire(&handed[0], &target, class_), 0);
		elsewhere(release_it, &target);
		CHECK(!psref_held(&target, class_));
	}
	end();
}

static void a_hold_may_be_released_and_copied_on_another_cpu(void)
{
	struct psref copy;
	begin();
	for (unsigned turn = 0; turn < 100; turn++) {
		pin(turn);
		CHECK_EQ(psref_acquire(&handed[0], &target, class_), 0);
		pin(turn + 1);
		CHECK(psref_held(&target, class_));
		psref_copy(&copy, &handed[0], class_);
		pin(turn + 2);
		psref_release(&handed[0], &target, class_);
		CHECK(psref_held(&target, class_));
		psref_release(&copy, &target, class_);
		CHECK(!psref_held(&target, class_));
	}
	end();
}

static void *copy_it(void *unused)
{
	psref_copy(&handed[1], &handed[0], class_);
	CHECK(psref_held(&target, class_)); // the copy is the copying thread's
	return unused;
}

static void a_hold_may_be_copied_by_another_thread(void)
{
	test_not_strict("strict: a hold is released and copied by its thread alone");
	begin();
	CHECK_EQ(psref_acquire(&handed[0], &target, class_), 0);
	elsewhere(copy_it, NULL);
	psref_release(&handed[0], &target, class_);
	CHECK(!psref_held(&target, class_)); // its holder is gone
	psref_release(&handed[1], &target, class_);
	end();
}

static void *acquire_it(void *unused)
{
	CHECK_EQ(psref_acquire(&handed[0], &target, class_), 0);
	return unused;
}

static void a_hold_outlives_its_thread(void)
{
	test_not_strict("strict: no hold outlives its thread");
	begin();
	elsewhere(acquire_it, NULL);
	elsewhere(expect_not_held, NULL); // the next thread is not taken for the first
	CHECK(!psref_held(&target, class_));
	psref_release(&handed[0], &target, class_);
	end();
}

static void classes_do_not_know_each_other(void)
{
	struct psref_class *classes[40];
	struct psref_target targets[40];
	struct psref holds[40];
	for (unsigned i = 0; i < COUNT(classes); i++) {
		classes[i] = psref_class_create("one of many", 0);
		psref_target_init(&targets[i], classes[i]);
		CHECK_EQ(psref_acquire(&holds[i], &targets[i], classes[i]), 0);
	}
	for (unsigned i = 0; i < COUNT(classes); i += 2) {
		psref_release(&holds[i], &targets[i], classes[i]);
		psref_target_destroy(&targets[i], classes[i]);
		psref_class_destroy(classes[i]);
	}
	for (unsigned i = 1; i < COUNT(classes); i += 2) {
		CHECK(psref_held(&targets[i], classes[i]));
		psref_release(&holds[i], &targets[i], classes[i]);
		psref_target_destroy(&targets[i], classes[i]);
		psref_class_destroy(classes[i]);
	}
}

TEST_MAIN(TEST(acquire_answers_0_and_the_hold_lasts_until_release),
	  TEST(acquire_does_not_read_what_the_psref_held_before),
	  TEST(acquire_after_drain_answers_ENOENT_and_the_psref_is_empty),
	  TEST(drain_sets_the_flags_of_the_target_and_may_be_repeated),
	  TEST(destroy_drains_what_was_not_drained_and_poisons),
	  TEST(a_destroyed_target_may_be_initialised_again),
	  TEST(a_class_may_go_with_targets_that_were_never_made_known),
	  TEST(any_name_and_any_ipl_make_a_class),
	  TEST(the_name_is_copied),
	  TEST(holds_on_one_cpu_may_be_500_in_any_order),
	  TEST(holds_on_one_cpu_may_be_5000_in_any_order),
	  TEST(holds_nest_in_any_order),
	  TEST(a_copy_is_a_hold_of_its_own),
	  TEST(held_tells_targets_apart),
	  TEST(held_is_false_in_another_thread),
	  TEST(a_hold_may_be_released_by_another_thread),
	  TEST(a_hold_may_be_released_by_another_thread_on_another_cpu),
	  TEST(a_hold_may_be_released_and_copied_on_another_cpu),
	  TEST(a_hold_may_be_copied_by_another_thread),
	  TEST(a_hold_outlives_its_thread),
	  TEST(classes_do_not_know_each_other))
