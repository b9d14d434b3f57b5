// SPDX-License-Identifier: MIT OR Apache-2.0
// The whole interface of localcount(9), one behaviour a test, but for drains that wait: those are in localcount_drain.c.
#include "test.h"
#include "threads.h"

#include <psref/localcount.h>

static struct localcount count;
static kmutex_t mutex;
static kcondvar_t cv;

static void begin(void)
{
	mutex_init(&mutex, MUTEX_DEFAULT, IPL_NONE);
	cv_init(&cv, "api");
	CHECK_EQ(localcount_init(&count), 0);
	cpu_number(0);
}

static void drain(void)
{
	mutex_enter(&mutex);
	localcount_drain(&count, &cv, &mutex);
	CHECK(mutex_owned(&mutex));
	mutex_exit(&mutex);
}

static void end(void)
{
	CHECK(localcount_trydrain(&count));
	localcount_fini(&count);
	cv_destroy(&cv);
	mutex_destroy(&mutex);
}

static void release(void)
{
	localcount_release(&count, &cv, &mutex);
}

static void init_does_not_read_what_was_there_before(void)
{
	test_not_strict("strict: lc_totalp is never NULL");
	for (int byte = 0; byte < 256; byte++) {
		memset(&count, byte, sizeof count);
		begin();
		CHECK(count.lc_totalp == NULL);
		CHECK_EQ(localcount_debug_refcnt(&count), 0);
		localcount_acquire(&count);
		CHECK_EQ(localcount_debug_refcnt(&count), 1);
		release();
		end();
	}
}

static void references_are_counted_wherever_they_come_from(void)
{
	enum { MOST = 100000 };
	begin();
	for (unsigned n = 1; n <= MOST; n++) {
		if (n % 1000 == 0)
			pin(n / 1000);
		localcount_acquire(&count);
		if (n % 100 == 0)
			CHECK_EQ(localcount_debug_refcnt(&count), n);
	}
	for (unsigned n = MOST; n-- > 0;) {
		if (n % 777 == 0)
			pin(n / 777);
		release();
		if (n % 100 == 0)
			CHECK_EQ(localcount_debug_refcnt(&count), n);
	}
	end();
}

static void *release_on_the_other_cpu(void *n)
{
	pin(1);
	for (uintptr_t i = (uintptr_t)n; i > 0; i--)
		release();
	return NULL;
}

static void *acquire_on_the_other_cpu(void *n)
{
	pin(1);
	for (uintptr_t i = (uintptr_t)n; i > 0; i--)
		localcount_acquire(&count);
	return NULL;
}

static void a_reference_may_be_released_in_another_thread_and_on_another_cpu(void)
{
	begin();
	pin(0);
	for (int turn = 0; turn < 20; turn++) {
		for (int i = 0; i < 100; i++)
			localcount_acquire(&count);
		elsewhere(release_on_the_other_cpu, (void *)(uintptr_t)99);
		CHECK_EQ(localcount_debug_refcnt(&count), 1);
		CHECK(!localcount_trydrain(&count));
		release();
		CHECK_EQ(localcount_debug_refcnt(&count), 0);
		elsewhere(acquire_on_the_other_cpu, (void *)(uintptr_t)50); // held by a thread that has ended
		CHECK_EQ(localcount_debug_refcnt(&count), 50);
		for (int i = 0; i < 50; i++)
			release();
	}
	end();
}

// As in a detach that answers EBUSY.
static int detach(void)
{
	return localcount_trydrain(&count) ? 0 : EBUSY;
}

static void trydrain_answers_false_and_changes_nothing_while_there_are_references(void)
{
	test_not_strict("strict: lc_totalp is never NULL");
	struct localcount before;
	begin();
	for (unsigned n = 1; n <= 200; n++) {
		pin(n);
		localcount_acquire(&count);
		memcpy(&before, &count, sizeof before);
		CHECK_EQ(detach(), EBUSY);
		CHECK_EQ(memcmp(&before, &count, sizeof before), 0);
		CHECK(count.lc_totalp == NULL);
		CHECK_EQ(localcount_debug_refcnt(&count), n);
	}
	for (unsigned n = 200; n > 0; n--) {
		CHECK_EQ(detach(), EBUSY);
		pin(n / 3);
		release();
	}
	CHECK_EQ(detach(), 0);
	localcount_fini(&count);
}

static void trydrain_that_answered_false_may_be_followed_by_a_drain(void)
{
	begin();
	localcount_acquire(&count);
	CHECK_EQ(detach(), EBUSY);
	release();
	drain();
	localcount_fini(&count);
}

static void trydrain_that_answered_true_is_final_and_fini_may_follow(void)
{
	begin();
	CHECK_EQ(detach(), 0);
	CHECK(count.lc_totalp != NULL);
	CHECK_EQ(localcount_debug_refcnt(&count), 0);
	localcount_fini(&count);
}

// A thread that acquires, and tells by a plain flag that it has: not even that reference may be overlooked.
static int told, answered;

static void *acquire_and_tell(void *unused)
{
	pin(1);
	for (int turn = 1;; turn++) {
		int now;
		while ((now = LOAD(&answered)) < turn - 1 && now >= 0)
			;
		if (now < 0)
			break;
		localcount_acquire(&count);
		__atomic_store_n(&told, turn, __ATOMIC_RELAXED);
		while ((now = LOAD(&answered)) < turn && now >= 0)
			;
	}
	return unused;
}

static void trydrain_sees_a_reference_of_a_moment_ago_on_another_cpu(void)
{
	begin();
	if (cpu_count() < 2 || test_under("valgrind"))
		SKIP("the two threads need a CPU each");
	pthread_t other = start(acquire_and_tell, NULL);
	pin(0);
	int turn = 1;
	for (; turn <= (int)test_turns(20000) && has_time(); turn++) {
		while (__atomic_load_n(&told, __ATOMIC_RELAXED) < turn)
			;
		CHECK_EQ(detach(), EBUSY);
		release();
		STORE(&answered, turn);
	}
	// The other acquires once more, for the turn that there is not.
	while (__atomic_load_n(&told, __ATOMIC_RELAXED) < turn)
		;
	release();
	STORE(&answered, -1);
	join(other);
	end();
}

static void cv_and_interlock_are_not_looked_at_while_nobody_drains(void)
{
	test_not_strict("strict: every release names both");
	begin();
	localcount_acquire(&count);
	localcount_release(&count, NULL, NULL);
	localcount_acquire(&count);
	localcount_release(&count, (kcondvar_t *)&count, (kmutex_t *)(uintptr_t)16);
	localcount_acquire(&count);
	mutex_enter(&mutex); // nor taken
	release();
	mutex_exit(&mutex);
	end();
}

static void errno_stays_as_it_was(void)
{
	begin();
	for (int turn = 0; turn < 3; turn++) {
		errno = 4711;
		localcount_acquire(&count);
		CHECK_EQ(errno, 4711);
		localcount_debug_refcnt(&count);
		CHECK_EQ(errno, 4711);
		release();
		CHECK_EQ(errno, 4711);
	}
	end();
}

static void use_once(void)
{
	CHECK_EQ(localcount_init(&count), 0);
	localcount_acquire(&count);
	localcount_release(&count, &cv, &mutex);
	CHECK(localcount_trydrain(&count));
	localcount_fini(&count);
}

static void counts_come_and_go_in_the_same_memory(void)
{
	unsigned turns = test_turns(100000);
	use_once();
	struct footprint before = footprint_now();
	for (unsigned turn = 0; turn < turns; turn++)
		use_once();
	check_footprint("counts", turns, before);
}

static void a_recycled_count_knows_nothing_of_its_former_life(void)
{
	for (int turn = 0; turn < 200; turn++) {
		begin();
		CHECK_EQ(localcount_debug_refcnt(&count), 0);
		pin(0);
		for (int i = 0; i <= turn; i++)
			localcount_acquire(&count);
		elsewhere(release_on_the_other_cpu, (void *)(uintptr_t)turn); // cells that are not 0, of which the sum is 1
		CHECK(!localcount_trydrain(&count));
		release();
		if (turn % 2 == 0) {
			drain();
			localcount_fini(&count);
		} else {
			end();
		}
	}
}

static void *use_count(void *unused)
{
	localcount_acquire(&count);
	release();
	return unused;
}

static void threads_live_and_die(unsigned n)
{
	pthread_t some[8];
	for (unsigned born = 0; born < n; born += (unsigned)COUNT(some)) {
		for (unsigned i = 0; i < COUNT(some); i++)
			some[i] = start(use_count, NULL);
		for (unsigned i = 0; i < COUNT(some); i++)
			join(some[i]);
	}
}

static void ten_thousand_threads_leave_no_memory_and_no_reference_behind(void)
{
	unsigned turns = test_turns(10000);
	begin();
	threads_live_and_die(64);
	struct footprint before = footprint_now();
	threads_live_and_die(turns);
	check_footprint("threads", turns, before);
	CHECK_EQ(localcount_debug_refcnt(&count), 0);
	end();
}

TEST_MAIN(TEST(init_does_not_read_what_was_there_before),
	  TEST(references_are_counted_wherever_they_come_from),
	  TEST(a_reference_may_be_released_in_another_thread_and_on_another_cpu),
	  TEST(trydrain_answers_false_and_changes_nothing_while_there_are_references),
	  TEST(trydrain_that_answered_false_may_be_followed_by_a_drain),
	  TEST(trydrain_that_answered_true_is_final_and_fini_may_follow),
	  TEST(trydrain_sees_a_reference_of_a_moment_ago_on_another_cpu),
	  TEST(cv_and_interlock_are_not_looked_at_while_nobody_drains),
	  TEST(errno_stays_as_it_was),
	  TEST(counts_come_and_go_in_the_same_memory),
	  TEST(a_recycled_count_knows_nothing_of_its_former_life),
	  TEST(ten_thousand_threads_leave_no_memory_and_no_reference_behind))
