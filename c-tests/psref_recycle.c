// SPDX-License-Identifier: MIT OR Apache-2.0
// Lives: of targets, classes and threads, again and again, in the memory of the first few; and the first use of all.
#include "test.h"
#include "threads.h"

#include <psref/psref.h>

#if defined(__has_include) && defined(__x86_64__)
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define HAS_RSEQ 1
#endif
#endif

static struct psref_class *class_;
static struct psref_target target;

// Allowed on top of what stood after the warm-up: malloc's and the kernel's own movements, less than a leaked word a turn.
enum { SLACK_KB = 512 };

struct memory {
	long resident, size;
};

static struct memory memory_now(void)
{
	memory_kb("VmRSS:"); // what looking itself touches is not counted
	struct memory now = { memory_kb("VmRSS:"), memory_kb("VmSize:") };
	return now;
}

static void check_no_growth(const char *of, unsigned turns, struct memory before)
{
	struct memory after = memory_now();
	test_note("%u %s: resident %+ld kB, address space %+ld kB", turns, of, after.resident - before.resident,
		  after.size - before.size);
	if (test_memory_is_ours()) {
		CHECK(after.resident - before.resident <= SLACK_KB);
		CHECK(after.size - before.size <= SLACK_KB);
	}
}

static void use_target_once(void)
{
	struct psref hold, copy;
	psref_target_init(&target, class_);
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	psref_copy(&copy, &hold, class_);
	psref_release(&hold, &target, class_);
	psref_release(&copy, &target, class_);
	psref_target_destroy(&target, class_);
}

static void targets_come_and_go_in_the_same_memory(void)
{
	unsigned turns = test_turns(100000);
	class_ = psref_class_create("recycled", 0);
	for (unsigned turn = 0; turn < 100; turn++)
		use_target_once();
	struct memory before = memory_now();
	for (unsigned turn = 0; turn < turns; turn++)
		use_target_once();
	check_no_growth("targets", turns, before);
	psref_class_destroy(class_);
}

static void use_class_once(unsigned holds)
{
	static struct psref psrefs[200];
	class_ = psref_class_create("recycled", 0);
	CHECK(class_ != NULL);
	psref_target_init(&target, class_);
	for (unsigned i = 0; i < holds; i++)
		CHECK_EQ(psref_acquire(&psrefs[i], &target, class_), 0);
	for (unsigned i = 0; i < holds; i++)
		psref_release(&psrefs[i], &target, class_);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

static void classes_come_and_go_in_the_same_memory(void)
{
	unsigned turns = test_turns(100000);
	for (unsigned turn = 0; turn < 100; turn++)
		use_class_once(turn % 8 == 0 ? 200 : 1);
	struct memory before = memory_now();
	for (unsigned turn = 0; turn < turns; turn++)
		use_class_once(turn % 8 == 0 ? 200 : 1); // some that had to grow
	check_no_growth("classes", turns, before);
}

// Far more at once than one region of the library's memory has room for.
static void many_thousand_classes_live_at_once(void)
{
	enum { MOST = 20000 };
	static struct psref_class *classes[MOST];
	static struct psref_target targets[MOST];
	static struct psref holds[MOST];
	unsigned n = test_turns(MOST);
	for (unsigned i = 0; i < n; i++) {
		CHECK((classes[i] = psref_class_create("one of thousands", 0)) != NULL);
		psref_target_init(&targets[i], classes[i]);
		CHECK_EQ(psref_acquire(&holds[i], &targets[i], classes[i]), 0);
	}
	for (unsigned i = 0; i < n; i++) {
		CHECK(psref_held(&targets[i], classes[i]));
		psref_release(&holds[i], &targets[i], classes[i]);
		psref_target_destroy(&targets[i], classes[i]);
		psref_class_destroy(classes[i]);
	}
}

static void a_recycled_class_knows_nothing_of_its_former_life(void)
{
	static struct psref psrefs[1000];
	for (int turn = 0; turn < 50; turn++) {
		class_ = psref_class_create(turn % 2 == 0 ? "first" : "second", 0);
		psref_target_init(&target, class_);
		for (unsigned i = 0; i < COUNT(psrefs); i++) {
			pin(i);
			CHECK_EQ(psref_acquire(&psrefs[i], &target, class_), 0);
		}
		for (unsigned i = 0; i < COUNT(psrefs); i++)
			psref_release(&psrefs[i], &target, class_);
		CHECK(!psref_held(&target, class_));
		psref_target_destroy(&target, class_);
		psref_class_destroy(class_);
	}
}

static void *use_psref(void *unused)
{
	struct psref hold;
	CHECK_EQ(psref_acquire(&hold, &target, class_), 0);
	CHECK(psref_held(&target, class_));
	psref_release(&hold, &target, class_);
	CHECK(!psref_held(&target, class_));
	return unused;
}

static void threads_live_and_die(unsigned n)
{
	pthread_t some[8];
	for (unsigned born = 0; born < n; born += (unsigned)COUNT(some)) {
		for (unsigned i = 0; i < COUNT(some); i++)
			some[i] = start(use_psref, NULL);
		for (unsigned i = 0; i < COUNT(some); i++)
			join(some[i]);
	}
}

static void ten_thousand_threads_leave_no_memory_behind(void)
{
	unsigned turns = test_turns(10000);
	class_ = psref_class_create("threads", 0);
	psref_target_init(&target, class_);
	threads_live_and_die(64);
	struct memory before = memory_now();
	threads_live_and_die(turns);
	check_no_growth("threads", turns, before);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

// A key whose destructor uses psref, perhaps after the library's own destructor has run.
static pthread_key_t key;

static void use_it_late(void *rounds)
{
	use_psref(NULL);
	if ((intptr_t)rounds > 1)
		pthread_setspecific(key, (void *)((intptr_t)rounds - 1));
}

static void *use_it_and_leave_the_rest_to_the_destructor(void *rounds)
{
	pthread_setspecific(key, rounds);
	return use_psref(NULL);
}

static void threads_may_use_psref_in_their_last_destructors(void)
{
	test_not_strict("strict: a thread is bound until the library's destructor at the latest");
	unsigned turns = test_turns(2000);
	struct memory before = { 0, 0 };
	CHECK_EQ(pthread_key_create(&key, use_it_late), 0); // before the library's: runs first, then again after it
	class_ = psref_class_create("late", 0);
	psref_target_init(&target, class_);
	for (unsigned turn = 0; turn < turns + 10; turn++) {
		if (turn == 10)
			before = memory_now();
		elsewhere(use_it_and_leave_the_rest_to_the_destructor, (void *)(intptr_t)3);
	}
	check_no_growth("threads with late destructors", turns, before);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

static void first_use_leaves_the_affinity_mask_alone(void)
{
	cpu_set_t before, after;
	for (int round = 0; round < 2; round++) {
		if (round == 1)
			pin(1);
		CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
		class_ = psref_class_create("first", 0);
		use_target_once();
		CHECK_EQ(sched_getaffinity(0, sizeof after, &after), 0);
		CHECK(CPU_EQUAL(&before, &after));
		psref_class_destroy(class_);
	}
}

static void first_use_pinned_to_one_cpu_serves_threads_on_all(void)
{
	pin(0);
	class_ = psref_class_create("pinned", 0);
	psref_target_init(&target, class_);
	for (unsigned i = 0; i < 4; i++) {
		pin(i);
		elsewhere(use_psref, NULL);
	}
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
}

static void first_use_takes_a_moment(void)
{
	double began = seconds();
	class_ = psref_class_create("first", 0);
	double created = seconds();
	use_target_once();
	double used = seconds();
	test_note("first use: class_create %.0f us, then one target's life %.0f us", (created - began) * 1e6,
		  (used - created) * 1e6);
	psref_class_destroy(class_);
}

// Eight threads make their first use at the same time, before anybody has.
static pthread_barrier_t line;

static void *come_first(void *unused)
{
	struct psref hold;
	struct psref_target mine;
	pthread_barrier_wait(&line);
	struct psref_class *ours = psref_class_create("ours", 0);
	CHECK(ours != NULL);
	psref_target_init(&mine, ours);
	CHECK_EQ(psref_acquire(&hold, &mine, ours), 0);
	CHECK(psref_held(&mine, ours));
	psref_release(&hold, &mine, ours);
	psref_target_destroy(&mine, ours);
	psref_class_destroy(ours);
	return unused;
}

static void first_use_may_be_made_by_many_threads_at_once(void)
{
	pthread_t threads[8];
	pthread_barrier_init(&line, NULL, COUNT(threads));
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(come_first, NULL);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
}

static void *make_classes(void *seed_)
{
	uint64_t seed = (uint64_t)(uintptr_t)seed_;
	struct psref_class *classes[32];
	struct psref_target targets[32];
	struct psref holds[32];
	memset(classes, 0, sizeof classes);
	for (unsigned turn = test_turns(20000); turn > 0; turn--) {
		unsigned i = (unsigned)(random_number(&seed) % COUNT(classes));
		if (classes[i] == NULL) {
			classes[i] = psref_class_create("everybody's", 0);
			CHECK(classes[i] != NULL);
			psref_target_init(&targets[i], classes[i]);
			CHECK_EQ(psref_acquire(&holds[i], &targets[i], classes[i]), 0);
		} else {
			CHECK(psref_held(&targets[i], classes[i]));
			psref_release(&holds[i], &targets[i], classes[i]);
			psref_target_destroy(&targets[i], classes[i]);
			psref_class_destroy(classes[i]); // aborts where the memory is somebody else's too
			classes[i] = NULL;
		}
	}
	for (unsigned i = 0; i < COUNT(classes); i++) {
		if (classes[i] != NULL) {
			psref_release(&holds[i], &targets[i], classes[i]);
			psref_target_destroy(&targets[i], classes[i]);
			psref_class_destroy(classes[i]);
		}
	}
	return NULL;
}

static void threads_may_make_and_destroy_classes_at_once(void)
{
	pthread_t threads[4];
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(make_classes, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
}

// One thread without rseq in a process that has it: it gets a stripe of its own, and drains see its holds all the same.
static int unregister_rseq(void)
{
#ifdef HAS_RSEQ
	enum { UNREGISTER = 1 };
	if (__rseq_size == 0)
		return -1;
	char *area = (char *)__builtin_thread_pointer() + __rseq_offset;
	long size = __rseq_size < 32 ? 32 : (long)__rseq_size;
	return (int)syscall(SYS_rseq, area, size, UNREGISTER, RSEQ_SIG);
#else
	return -1;
#endif
}

static int unregistered, its_hold_may_end;

static void *use_psref_without_rseq(void *unused)
{
	static struct psref many[100];
	unregistered = unregister_rseq();
	for (unsigned i = 0; i < COUNT(many); i++)
		CHECK_EQ(psref_acquire(&many[i], &target, class_), 0);
	CHECK(psref_held(&target, class_));
	STORE(&its_hold_may_end, 1);
	while (!LOAD((unsigned char *)&target.prt_draining))
		nap(50);
	for (unsigned i = 0; i < COUNT(many); i++) {
		STORE(&its_hold_may_end, i == COUNT(many) - 1 ? 2 : 1);
		psref_release(&many[i], &target, class_);
	}
	return unused;
}

static void a_thread_without_rseq_holds_like_any_other(void)
{
	class_ = psref_class_create("alone", 0);
	psref_target_init(&target, class_);
	pthread_t alone = start(use_psref_without_rseq, NULL);
	wait_until_set(&its_hold_may_end);
	psref_target_destroy(&target, class_);
	CHECK_EQ(LOAD(&its_hold_may_end), 2);
	join(alone);
	psref_class_destroy(class_);
	if (unregistered != 0)
		SKIP("no thread here has rseq to lose");
}

// It must not claim where sections do: one of the two would lose its slot, and its release would abort.
static struct psref rows[3][64]; // every slot is some psref's first choice

static void *acquire_and_release(void *without)
{
	static unsigned next;
	unsigned me = ADD(&next, 1);
	if (without != NULL)
		unregistered = unregister_rseq();
	else
		pin(me);
	for (unsigned turn = test_turns(2000000); turn > 0; turn--) {
		struct psref *hold = &rows[me][turn % COUNT(rows[0])];
		CHECK_EQ(psref_acquire(hold, &target, class_), 0);
		psref_release(hold, &target, class_);
	}
	return NULL;
}

static void a_thread_without_rseq_takes_nobodys_slot(void)
{
	pthread_t threads[3];
	class_ = psref_class_create("beside", 0);
	psref_target_init(&target, class_);
	cpu_number(0);
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(acquire_and_release, i == 2 ? &target : NULL);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	psref_target_destroy(&target, class_);
	psref_class_destroy(class_);
	if (unregistered != 0)
		SKIP("no thread here has rseq to lose");
}

TEST_MAIN(TEST(targets_come_and_go_in_the_same_memory),
	  TEST(classes_come_and_go_in_the_same_memory),
	  TEST(many_thousand_classes_live_at_once),
	  TEST(a_recycled_class_knows_nothing_of_its_former_life),
	  TEST(ten_thousand_threads_leave_no_memory_behind),
	  TEST(threads_may_use_psref_in_their_last_destructors),
	  TEST(first_use_leaves_the_affinity_mask_alone),
	  TEST(first_use_pinned_to_one_cpu_serves_threads_on_all),
	  TEST(first_use_takes_a_moment),
	  TEST(first_use_may_be_made_by_many_threads_at_once),
	  TEST(threads_may_make_and_destroy_classes_at_once),
	  TEST(a_thread_without_rseq_holds_like_any_other),
	  TEST(a_thread_without_rseq_takes_nobodys_slot))
