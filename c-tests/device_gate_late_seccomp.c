// SPDX-License-Identifier: MIT OR Apache-2.0
// A filter that refuses membarrier after the library has found it working: closes go on by visiting every CPU, and where that
// is refused too the program ends. They never go on without.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/device_gate.h>
#include <psref/psref.h>

enum { WORKERS = 3, MAGIC = 0x600d, POISON = 0xdead };

static struct device_gate_device device;
static unsigned magic;
static int turn_of_workers, done, running;

static void begin(void)
{
	no_second_look();
	cpu_number(0);
	CHECK_EQ(device_gate_attach(&device), 0);
}

static void close_seal_detach(void)
{
	device_gate_t *gate;
	CHECK_EQ(device_gate_close(&device, "late", &gate), 0);
	device_gate_seal(&device, gate);
	STORE(&magic, (unsigned)POISON);
}

static void refuse_or_skip(long call, int error)
{
	if (refuse(call, error) != 0)
		SKIP("no seccomp filter here: %s", strerror(errno));
}

static void *pass_until_turned_away(void *number)
{
	if (number != NULL)
		pin((unsigned)(uintptr_t)number);
	for (int turn = 1;; turn++) {
		int now;
		while ((now = LOAD(&turn_of_workers)) < turn && now >= 0)
			sched_yield();
		if (now < 0)
			return NULL;
		ADD(&running, 1);
		while (device_gate_acquire(&device, false) == 0) {
			for (int i = 0; i < 10; i++)
				if (LOAD(&magic) != MAGIC)
					FAIL("somebody is inside after the seal");
			device_gate_release(&device);
		}
		ADD(&done, 1);
	}
}

static void close_with(int error)
{
	pthread_t workers[WORKERS];
	unsigned turns = test_turns(60);
	begin();
	refuse_or_skip(SYS_membarrier, error);
	for (unsigned i = 0; i < WORKERS; i++)
		workers[i] = start(pass_until_turned_away, (void *)(uintptr_t)i);
	double began = seconds();
	for (unsigned turn = 1; turn <= turns; turn++) {
		STORE(&done, 0);
		STORE(&running, 0);
		STORE(&magic, (unsigned)MAGIC);
		STORE(&turn_of_workers, (int)turn);
		while (LOAD(&running) < WORKERS)
			sched_yield();
		close_seal_detach();
		while (LOAD(&done) < WORKERS)
			sched_yield();
		device_gate_detach(&device);
		CHECK_EQ(device_gate_attach(&device), 0);
	}
	test_note("%u seals without membarrier, threads racing, %.0f us each with all around", turns,
		  (seconds() - began) / turns * 1e6);
	STORE(&turn_of_workers, -1);
	for (unsigned i = 0; i < WORKERS; i++)
		join(workers[i]);
}

static void seals_wait_as_before_after_EPERM(void)
{
	close_with(EPERM);
}

static void seals_wait_as_before_after_ENOSYS(void)
{
	close_with(ENOSYS);
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
			if (turn % 2 == 0)
				close_seal_detach();
			device_gate_detach(&device);
			CHECK_EQ(device_gate_attach(&device), 0);
			CHECK_EQ(sched_getaffinity(0, sizeof after, &after), 0);
			CHECK(CPU_EQUAL(&before, &after));
		}
	}
}

static void end_with_nothing_left(void *detached)
{
	begin();
	if (refuse(SYS_membarrier, EPERM) != 0 || refuse(SYS_sched_setaffinity, EPERM) != 0)
		_exit(TEST_SKIPPED);
	if (detached != NULL)
		device_gate_detach(&device);
	else
		close_seal_detach();
	_exit(strcmp(psref_backend(), "rseq") == 0 ? 1 : 0);
}

static void without_membarrier_and_affinity_the_program_ends(void)
{
	for (intptr_t which = 0; which < 2; which++) {
		struct ended ended = in_child(end_with_nothing_left, (void *)which);
		if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == TEST_SKIPPED)
			SKIP("no seccomp filter here");
		if (WIFEXITED(ended.status) && WEXITSTATUS(ended.status) == 0)
			SKIP("the back end is atomic: closes need no membarrier");
		CHECK_FATAL(ended, "membarrier was refused", "not every CPU could be visited");
	}
}

TEST_MAIN(TEST(seals_wait_as_before_after_EPERM),
	  TEST(seals_wait_as_before_after_ENOSYS),
	  TEST(the_callers_affinity_mask_comes_back),
	  TEST(without_membarrier_and_affinity_the_program_ends))
