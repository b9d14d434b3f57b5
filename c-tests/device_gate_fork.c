// SPDX-License-Identifier: MIT OR Apache-2.0
// A forked child has one thread and all the gates: whoever was inside in the parent is inside in the child, and does not leave
// unless somebody does so for him.
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/device_gate.h>

enum { HOLDERS = 4, EACH = 100 };

static struct device_gate_device device, other;
static device_gate_t *gate;
static int inside, may_end, storming, tid;

static pid_t fork_or_fail(void)
{
	fflush(NULL);
	pid_t child = fork();
	if (child < 0)
		FAIL("fork: %s", strerror(errno));
	return child;
}

static void expect_success(pid_t child)
{
	int status;
	CHECK_EQ(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAIL("a child ended with wait status %#x", (unsigned)status);
}

static void begin(void)
{
	cpu_number(0);
	CHECK_EQ(device_gate_attach(&device), 0);
	CHECK_EQ(device_gate_attach(&other), 0);
}

static void leave(unsigned n)
{
	while (n-- > 0)
		device_gate_release(&device);
}

static void *be_inside(void *number)
{
	pin((unsigned)(uintptr_t)number);
	for (unsigned i = 0; i < EACH; i++)
		CHECK_EQ(device_gate_acquire(&device, false), 0);
	ADD(&inside, 1);
	wait_until_set(&may_end);
	leave(EACH);
	return NULL;
}

static void start_holders(pthread_t *holders)
{
	for (unsigned i = 0; i < HOLDERS; i++)
		holders[i] = start(be_inside, (void *)(uintptr_t)i);
	while (LOAD(&inside) < HOLDERS)
		sched_yield();
}

static void end_holders(const pthread_t *holders)
{
	STORE(&may_end, 1);
	for (unsigned i = 0; i < HOLDERS; i++)
		join(holders[i]);
}

static void close_seal_detach(struct device_gate_device *which)
{
	device_gate_t *its;
	CHECK_EQ(device_gate_close(which, "fork", &its), 0);
	device_gate_seal(which, its);
	device_gate_detach(which);
}

static void *seal(void *unused)
{
	STORE(&tid, thread_id());
	device_gate_seal(&device, gate);
	STORE(&may_end, 2);
	return unused;
}

static void who_is_inside_in_the_parent_is_inside_in_the_child(void)
{
	pthread_t holders[HOLDERS];
	no_second_look();
	begin();
	start_holders(holders);
	for (int turn = 0; turn < 10; turn++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			CHECK_EQ(device_gate_close(&device, "child", &gate), 0);
			leave(HOLDERS * EACH - 1);
			pthread_t sealer = start(seal, NULL);
			wait_until_asleep(&tid);
			CHECK_EQ(LOAD(&may_end), 0);
			leave(1);
			join(sealer);
			device_gate_detach(&device);
			close_seal_detach(&other);
			_exit(0);
		}
		expect_success(child);
	}
	CHECK_EQ(device_gate_acquire(&device, false), 0); // the parent's is open
	leave(1);
	end_holders(holders);
	close_seal_detach(&device);
	close_seal_detach(&other);
}

static void seal_what_vanished_are_in(void *unused)
{
	(void)unused;
	alarm(2); // it waits for ever
	close_seal_detach(&device);
}

static void a_seal_in_a_child_tells_that_it_may_wait_for_ever(void)
{
	pthread_t holders[HOLDERS];
	setenv("PSREF_DRAIN_WARN", "0.1", 1);
	begin();
	start_holders(holders);
	struct ended ended = in_child(seal_what_vanished_are_in, NULL);
	CHECK(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGALRM);
	CHECK(strstr(ended.words, " (\"fork\") has waited 0 s for 400 inside; this process was forked: threads that did not come along "
				  "never leave\n") != NULL);
	CHECK(has_address(ended.words, &device));
	end_holders(holders);
}

static void *come_late(void *its_tid)
{
	STORE((int *)its_tid, thread_id());
	CHECK_EQ(device_gate_acquire(&device, false), ENXIO);
	return NULL;
}

// A closed gate, late-comers at it and one inside: the child, with a copy of all that, goes on where it was forked.
static void fork_while_threads_sleep_at_a_gate(void)
{
	int its_tid = 0;
	no_second_look();
	begin();
	device_gate_enter(&device);
	CHECK_EQ(device_gate_close(&device, "sleep", &gate), 0);
	pthread_t comer = start(come_late, &its_tid);
	wait_until_asleep(&its_tid);
	for (int turn = 0; turn < 20; turn++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			device_gate_enter(&device);
			device_gate_exit(&device);
			device_gate_exit(&device);
			device_gate_exit(&device); // for the late-comer, who waits in the parent alone
			device_gate_seal(&device, gate);
			CHECK_EQ(device_gate_acquire(&device, true), ENXIO);
			device_gate_detach(&device);
			close_seal_detach(&other);
			_exit(0);
		}
		expect_success(child);
	}
	device_gate_exit(&device);
	device_gate_seal(&device, gate);
	join(comer);
	device_gate_detach(&device);
	close_seal_detach(&other);
}

static void fork_while_a_seal_sleeps(void)
{
	no_second_look();
	begin();
	device_gate_enter(&device);
	CHECK_EQ(device_gate_close(&device, "seal", &gate), 0);
	pthread_t sealer = start(seal, NULL);
	wait_until_asleep(&tid);
	for (int turn = 0; turn < 20; turn++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			CHECK_EQ(device_gate_acquire(&device, false), ENXIO);
			device_gate_exit(&device);
			device_gate_detach(&device); // sealed, and empty
			close_seal_detach(&other);
			_exit(0);
		}
		expect_success(child);
	}
	CHECK_EQ(LOAD(&may_end), 0);
	device_gate_exit(&device);
	join(sealer);
	device_gate_detach(&device);
	close_seal_detach(&other);
}

// A storm, so that a fork meets every step of coming in and of leaving.
static void *storm(void *unused)
{
	while (LOAD(&storming)) {
		CHECK_EQ(device_gate_acquire(&device, false), 0);
		device_gate_enter(&device);
		device_gate_exit(&device);
		device_gate_release(&device);
	}
	return unused;
}

static void *pass_other(void *unused)
{
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(device_gate_acquire(&other, true), 0);
		device_gate_release(&other);
	}
	return unused;
}

static void children_of_a_storming_parent_can_do_all(void)
{
	pthread_t threads[4];
	unsigned forks = test_turns(200);
	no_second_look();
	begin();
	STORE(&storming, 1);
	for (unsigned i = 0; i < COUNT(threads); i++)
		threads[i] = start(storm, NULL);
	for (unsigned i = 0; i < forks; i++) {
		pid_t child = fork_or_fail();
		if (child == 0) {
			device_gate_t *its;
			pass_other(NULL);
			// A thread started here can wait for ever for a lock of gcc's sanitizer runtime that a vanished one had.
			if (i % 8 == 0 && !test_under("asan"))
				elsewhere(pass_other, NULL);
			CHECK_EQ(device_gate_close(&device, "child", &its), 0); // aborts with more exits than entries
			close_seal_detach(&other);
			CHECK_EQ(device_gate_attach(&other), 0);
			device_gate_detach(&other);
			_exit(0);
		}
		expect_success(child);
	}
	STORE(&storming, 0);
	for (unsigned i = 0; i < COUNT(threads); i++)
		join(threads[i]);
	device_gate_detach(&device); // aborts where somebody is counted still
	close_seal_detach(&other);
}

TEST_MAIN(TEST(who_is_inside_in_the_parent_is_inside_in_the_child),
	  TEST(a_seal_in_a_child_tells_that_it_may_wait_for_ever),
	  TEST(fork_while_threads_sleep_at_a_gate),
	  TEST(fork_while_a_seal_sleeps),
	  TEST(children_of_a_storming_parent_can_do_all))
