// SPDX-License-Identifier: MIT OR Apache-2.0
// A filter that refuses membarrier after the library has found it working: performs go on by visiting every CPU, and where
// that is refused too the program ends. They never go on without.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/pserialize.h>
#include <psref/psref.h>

enum { READERS = 3, MAGIC = 0x600d };

struct node {
	unsigned magic;
};

static pserialize_t psz;
static struct node *place;
static int stop, begun;
static unsigned long sections;

static void refuse_or_skip(long call, int error)
{
	if (refuse(call, error) != 0)
		SKIP("no seccomp filter here: %s", strerror(errno));
}

static void begin(void)
{
	no_second_look();
	cpu_number(0);
	psz = pserialize_create();
	CHECK(psz != NULL);
}

static struct node *fresh(void)
{
	struct node *node = (struct node *)malloc(sizeof *node);
	CHECK(node != NULL);
	node->magic = MAGIC;
	return node;
}

static void *look(void *number)
{
	unsigned long n = 0;
	if (number != NULL)
		pin((unsigned)(uintptr_t)number);
	ADD(&begun, 1);
	for (; !LOAD(&stop) || n == 0; n++) {
		int s = pserialize_read_enter();
		const volatile struct node *node = __atomic_load_n(&place, __ATOMIC_ACQUIRE);
		for (int i = 0; i < 4; i++)
			if (node->magic != MAGIC)
				FAIL("what a section found was freed before its end");
		if (n % 256 == 0)
			sched_yield();
		pserialize_read_exit(s);
	}
	ADD(&sections, n);
	return NULL;
}

static void perform_with(int error)
{
	pthread_t readers[READERS];
	unsigned turns = test_turns(1000);
	begin();
	place = fresh();
	refuse_or_skip(SYS_membarrier, error);
	for (unsigned i = 0; i < READERS; i++)
		readers[i] = start(look, (void *)(uintptr_t)i);
	while (LOAD(&begun) < READERS)
		sched_yield();
	double began = seconds();
	for (unsigned turn = 0; turn < turns; turn++) {
		struct node *old = __atomic_exchange_n(&place, fresh(), __ATOMIC_ACQ_REL);
		pserialize_perform(psz);
		old->magic = 0xdead;
		free(old);
	}
	double took = seconds() - began;
	STORE(&stop, 1);
	for (unsigned i = 0; i < READERS; i++)
		join(readers[i]);
	test_note("%u performs without membarrier, %lu sections, %.0f us each", turns, sections, took / turns * 1e6);
	CHECK(sections > 0);
	free(place);
	pserialize_destroy(psz);
}

static void performs_wait_as_before_after_EPERM(void)
{
	perform_with(EPERM);
}

static void performs_wait_as_before_after_ENOSYS(void)
{
	perform_with(ENOSYS);
}

static void the_callers_affinity_mask_comes_back(void)
{
	cpu_set_t before, after;
	begin();
	refuse_or_skip(SYS_membarrier, EPERM);
	for (unsigned mask = 0; mask < 3; mask++) {
		if (mask > 0)
			pin(mask); // to one CPU, then to another
		CHECK_EQ(sched_getaffinity(0, sizeof before, &before), 0);
		for (unsigned turn = 0; turn < 20; turn++) {
			pserialize_perform(psz);
			CHECK_EQ(sched_getaffinity(0, sizeof after, &after), 0);
			CHECK(CPU_EQUAL(&before, &after));
		}
	}
	pserialize_destroy(psz);
}

static void perform_with_nothing_left(void *unused)
{
	(void)unused;
	begin();
	if (refuse(SYS_membarrier, EPERM) != 0 || refuse(SYS_sched_setaffinity, EPERM) != 0)
		_exit(TEST_SKIPPED);
	pserialize_perform(psz);
	_exit(strcmp(psref_backend(), "rseq") == 0 ? 1 : 0);
}

static void without_membarrier_and_affinity_the_program_ends(void)
{
	struct ended ended = in_child(perform_with_nothing_left, NULL);
	if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == TEST_SKIPPED)
		SKIP("no seccomp filter here");
	if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0)
		SKIP("the back end is atomic: performs need no membarrier");
	CHECK_FATAL(ended, "membarrier was refused", "not every CPU could be visited");
}

TEST_MAIN(TEST(performs_wait_as_before_after_EPERM),
	  TEST(performs_wait_as_before_after_ENOSYS),
	  TEST(the_callers_affinity_mask_comes_back),
	  TEST(without_membarrier_and_affinity_the_program_ends))
