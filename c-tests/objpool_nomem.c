// SPDX-License-Identifier: MIT OR Apache-2.0
// No memory: init answers -ENOMEM, whatever it was that failed, leaks nothing and leaves a head that may be ended. And what a
// pool costs where there is memory.
#include "test.h"
#include "filter.h"
#include "threads.h"
#include "objects.h"

#include <sys/resource.h>

static struct objpool_head head;
static struct pool_context context;

// malloc and its kin fail at the nth call from now, once, in this program and in the library: the linker takes the program's.
// Not where the tests run under something that has its own.
static long allocations_left = -1;

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__)
#define COUNTS_ALLOCATIONS 1
#ifdef __cplusplus
extern "C" {
#endif
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_memalign(size_t, size_t);

static bool refused(void)
{
	return allocations_left >= 0 && allocations_left-- == 0;
}

void *malloc(size_t size)
{
	return refused() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return refused() ? NULL : __libc_calloc(n, size);
}

int posix_memalign(void **place, size_t alignment, size_t size)
{
	void *memory = refused() ? NULL : __libc_memalign(alignment, size);
	if (memory == NULL)
		return ENOMEM;
	*place = memory;
	return 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
	return refused() ? NULL : __libc_memalign(alignment, size);
}
#ifdef __cplusplus
}
#endif
#else
#define COUNTS_ALLOCATIONS 0
#endif

static void needs_own_memory(void)
{
	if (!test_memory_is_ours())
		SKIP("limits on memory would hit what the test runs under");
}

// The first pool finds out what the process runs on.
static void use_once(void)
{
	make_pool(&head, &context, 10, 64);
	check_stock(&head, 10);
	objpool_fini(&head);
	CHECK_EQ(context.released, 1);
}

static void check_refused(int number, int size)
{
	memset(&context, 0, sizeof context);
	CHECK_EQ(objpool_init(&head, number, size, 0, &context, make_object, count_release), -ENOMEM);
	CHECK(head.cpu_slots == NULL && objpool_pop(&head) == NULL);
	objpool_fini(&head);
	objpool_free(&head);
	CHECK_EQ(context.made, 0);
	CHECK_EQ(context.released, 0);
}

static void init_answers_ENOMEM_whichever_allocation_fails(void)
{
	long failed = 0;
	if (!COUNTS_ALLOCATIONS || !test_memory_is_ours())
		SKIP("malloc is not ours here");
	for (int strict = 0; strict < 2; strict++) {
		setenv("PSREF_STRICT", strict ? "1" : "0", 1);
		use_once();
		for (long at = 0;; at++) {
			memset(&context, 0, sizeof context);
			context.head = &head;
			allocations_left = at;
			int answer = objpool_init(&head, 300, 64, 0, &context, NULL, count_release);
			bool all = allocations_left >= 0; // more than it asks for
			allocations_left = -1;
			CHECK_EQ(answer, all ? 0 : -ENOMEM);
			objpool_fini(&head);
			CHECK_EQ(context.released, all ? 1 : 0);
			if (all)
				break;
			failed++;
		}
	}
	CHECK(failed > 0);
	test_note("%ld allocations were refused", failed);
}

static void limit(bool limited)
{
	struct rlimit now;
	CHECK_EQ(getrlimit(RLIMIT_AS, &now), 0);
	now.rlim_cur = limited ? (rlim_t)memory_kb("VmSize:") * 1024 : now.rlim_max;
	CHECK_EQ(setrlimit(RLIMIT_AS, &now), 0);
}

static void init_answers_ENOMEM_where_the_address_space_is_full_and_leaks_nothing(void)
{
	static struct objpool_head many[4096];
	unsigned n = 0;
	needs_own_memory();
	use_once();
	limit(true);
	while (n < COUNT(many) && objpool_init(&many[n], 100, 64, 0, NULL, NULL, NULL) == 0)
		n++;
	CHECK(n < COUNT(many));
	long size = memory_kb("VmSize:"), resident = memory_kb("VmRSS:");
	for (unsigned turn = test_turns(5000); turn > 0; turn--) {
		check_refused(100, 64);
		check_refused((int)OBJPOOL_NR_OBJECT_MAX, (int)OBJPOOL_OBJECT_SIZE_MAX);
	}
	CHECK(memory_kb("VmSize:") - size <= 256);
	CHECK(memory_kb("VmRSS:") - resident <= 256);
	limit(false);
	for (unsigned i = 0; i < n; i++) {
		CHECK_EQ(objpool_push(objpool_pop(&many[i]), &many[i]), 0);
		objpool_free(&many[i]);
	}
	use_once();
	test_note("%u pools before memory ran out", n);
}

// A terabyte of objects: refused, where the machine does not have it, before anything is touched.
static void an_impossible_amount_of_memory_is_ENOMEM(void)
{
	test_not_strict("strict pools take memory by malloc first, which keeps some");
	use_once();
	long size = memory_kb("VmSize:"), resident = memory_kb("VmRSS:");
	int answer = 0;
	for (unsigned turn = test_turns(1000); turn > 0; turn--) {
		answer = objpool_init(&head, (int)OBJPOOL_NR_OBJECT_MAX, (int)OBJPOOL_OBJECT_SIZE_MAX, 0, NULL, NULL, NULL);
		objpool_free(&head);
		if (answer == 0)
			break;
		CHECK_EQ(answer, -ENOMEM);
	}
	if (answer == 0)
		SKIP("this kernel promises a terabyte");
	CHECK(memory_kb("VmSize:") - size <= 256);
	CHECK(memory_kb("VmRSS:") - resident <= 256);
	use_once();
}

static void refused_call(long call, int error)
{
	needs_own_memory();
	use_once();
	if (refuse(call, error) != 0)
		SKIP("no seccomp filter here: %s", strerror(errno));
	long size = memory_kb("VmSize:");
	for (unsigned turn = test_turns(5000); turn > 0; turn--)
		check_refused(4000, 64);
	CHECK(memory_kb("VmSize:") - size <= 256);
}

static void init_answers_ENOMEM_where_mmap_fails(void)
{
	refused_call(SYS_mmap, ENOMEM);
}

static void init_answers_ENOMEM_where_mprotect_fails(void)
{
	refused_call(SYS_mprotect, ENOMEM);
}

// What mmap says where all memory is locked.
static void init_answers_ENOMEM_where_mmap_says_EAGAIN(void)
{
	refused_call(SYS_mmap, EAGAIN);
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

// Pages that somebody has touched, of the kind that pools take; malloc's own included.
static long touched(void)
{
	memory_kb("RssAnon:"); // what looking touches is not counted
	return memory_kb("RssAnon:") * 1024;
}

// Beyond the objects: 4 bytes an object and 8 KiB a possible CPU, after every CPU has used the pool.
static void check_cost(int number, unsigned pools)
{
	static struct objpool_head many[64];
	static void *all[100003];
	needs_own_memory();
	use_once();
	CHECK(pools <= COUNT(many) && number <= (int)COUNT(all));
	memset(all, 0xff, sizeof all);
	cpu_number(0);
	unsigned cpus = cpu_count();
	long before = touched();
	for (unsigned p = 0; p < pools; p++) {
		// Nobody writes to the objects, so they take nothing.
		CHECK_EQ(objpool_init(&many[p], number, 64, 0, NULL, NULL, NULL), 0);
		for (unsigned cpu = 0; cpu < cpus; cpu++) {
			pin(cpu);
			CHECK_EQ(objpool_pop_bulk(&many[p], all, (size_t)number), number);
			for (int i = 0; i < number; i++)
				CHECK_EQ(objpool_push(all[i], &many[p]), 0);
		}
	}
	double cost = (double)(touched() - before) / pools;
	double allowed = 4.0 * number + 8192.0 * many[0].nr_possible_cpus;
	test_note("%u pools of %d objects on %u CPUs: %.0f bytes each beyond the objects, allowed %.0f", pools, number, cpus,
		  cost, allowed);
	CHECK(cost <= allowed);
	for (unsigned p = 0; p < pools; p++)
		objpool_free(&many[p]);
}

static void a_pool_costs_4_bytes_an_object_and_8_KiB_a_CPU(void)
{
	test_not_strict("strict pools cost a byte an object more");
	check_cost(100003, 10);
}

static void a_small_pool_costs_no_more(void)
{
	check_cost(10, 64);
}

static void pools_come_and_go_in_the_same_memory(void)
{
	unsigned turns = test_turns(20000);
	use_once();
	for (unsigned i = 0; i < 100; i++)
		use_once();
	long size = memory_kb("VmSize:"), resident = memory_kb("VmRSS:");
	for (unsigned turn = 0; turn < turns; turn++) {
		make_pool(&head, &context, 1 + (int)(turn % 300), 24 + (int)(turn % 7) * 100);
		struct object *object = take(&head, 1);
		if (turn % 2 == 0) {
			objpool_fini(&head);
			CHECK_EQ(objpool_drop(object, &head), 0);
		} else {
			objpool_free(&head);
		}
	}
	test_note("%u pools: address space %+ld kB, resident %+ld kB", turns, memory_kb("VmSize:") - size,
		  memory_kb("VmRSS:") - resident);
	if (test_memory_is_ours()) {
		CHECK(memory_kb("VmSize:") - size <= 512);
		CHECK(memory_kb("VmRSS:") - resident <= 512);
	}
}

static int fail_late(void *object, void *left)
{
	(void)object;
	return --*(int *)left == 0 ? -EIO : 0;
}

static void an_objinit_that_fails_leaks_nothing(void)
{
	use_once();
	long size = memory_kb("VmSize:"), resident = memory_kb("VmRSS:");
	for (unsigned turn = test_turns(20000); turn > 0; turn--) {
		int left = 1 + (int)(turn % 100);
		CHECK_EQ(objpool_init(&head, 100, 64, 0, &left, fail_late, count_release), -EIO);
	}
	CHECK(memory_kb("VmSize:") - size <= 512);
	CHECK(memory_kb("VmRSS:") - resident <= 512 || !test_memory_is_ours());
}

TEST_MAIN(TEST(init_answers_ENOMEM_whichever_allocation_fails),
	  TEST(init_answers_ENOMEM_where_the_address_space_is_full_and_leaks_nothing),
	  TEST(an_impossible_amount_of_memory_is_ENOMEM),
	  TEST(init_answers_ENOMEM_where_mmap_fails),
	  TEST(init_answers_ENOMEM_where_mprotect_fails),
	  TEST(init_answers_ENOMEM_where_mmap_says_EAGAIN),
	  TEST(a_program_without_pthread_keys_left_can_begin_to_use_it),
	  TEST(a_pool_costs_4_bytes_an_object_and_8_KiB_a_CPU),
	  TEST(a_small_pool_costs_no_more),
	  TEST(pools_come_and_go_in_the_same_memory),
	  TEST(an_objinit_that_fails_leaks_nothing))
