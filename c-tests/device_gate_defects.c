// SPDX-License-Identifier: MIT OR Apache-2.0
// What the proposal of 2009 got wrong, one test a defect: each fails, by its check or by hanging, on an implementation that does
// what the proposal's code did.
#include "test.h"
#include "threads.h"

#include <psref/device_gate.h>

enum { MAGIC = 0x600d, POISON = 0xdead };

static struct device_gate_device device;
static unsigned magic;
static int turn_of_round, done;

static void begin(void)
{
	no_second_look();
	cpu_number(0);
	CHECK_EQ(device_gate_attach(&device), 0);
}

static device_gate_t *close_gate(void)
{
	device_gate_t *gate = NULL;
	CHECK_EQ(device_gate_close(&device, "defect", &gate), 0);
	return gate;
}

// Waits for round n, or the end of all.
static bool wait_for_round(int n)
{
	int now;
	while ((now = LOAD(&turn_of_round)) < n && now >= 0)
		sched_yield();
	return now >= 0;
}

// First: acquire looked whether the gate is open and then counted itself. Close and seal fit in between: nobody was counted,
// the device is gone, and acquire answers 0. A handler that takes its time makes the gap, wherever it is, as wide as that.
static int sealed;

static void take_time(int signal_number)
{
	(void)signal_number;
	for (double end = seconds() + 0.0003; LOAD(&sealed) == 0 && seconds() < end;)
		;
}

static void *pass_until_turned_away(void *unused)
{
	pin(1);
	for (int round = 1; wait_for_round(round); round++) {
		while (device_gate_acquire(&device, false) == 0) {
			if (LOAD(&magic) != MAGIC)
				FAIL("acquire answered 0 after the seal");
			device_gate_release(&device);
		}
		STORE(&done, round);
	}
	return unused;
}

static void no_acquire_that_began_before_the_close_passes_after_the_seal(void)
{
	uint64_t seed = 23;
	handle_with(take_time, SIGUSR1, SA_RESTART);
	begin();
	pthread_t passer = start(pass_until_turned_away, NULL);
	pin(0);
	for (int round = 1; round <= (int)test_turns(4000) && has_time(); round++) {
		STORE(&magic, (unsigned)MAGIC);
		STORE(&sealed, 0);
		STORE(&turn_of_round, round);
		spin(random_number(&seed) % 20000);
		pthread_kill(passer, SIGUSR1);
		spin(random_number(&seed) % 4000);
		device_gate_seal(&device, close_gate());
		STORE(&magic, (unsigned)POISON);
		STORE(&sealed, 1);
		while (LOAD(&done) != round)
			sched_yield();
		device_gate_detach(&device);
		CHECK_EQ(device_gate_attach(&device), 0);
	}
	STORE(&turn_of_round, -1);
	join(passer);
}

// Second: seal added up who came in and who went out CPU by CPU. Who enters on a CPU that was read and leaves on one that was
// not makes up for somebody who has not left. Here it is a handler that does so, on top of the sealer itself: whatever it
// interrupts, perhaps the step from one CPU to the next, all of it happens there.
static int inside, seal_returned, sealer_tid, handled;

static void enter_here_and_leave_there(int signal_number)
{
	unsigned here = (unsigned)LOAD(&handled) % 2;
	(void)signal_number;
	int before = errno;
	pin(here);
	device_gate_enter(&device);
	pin(!here);
	device_gate_exit(&device);
	errno = before;
	ADD(&handled, 1);
}

static void *seal_it(void *gate)
{
	STORE(&sealer_tid, thread_id());
	device_gate_seal(&device, (device_gate_t *)gate);
	CHECK_EQ(LOAD(&inside), 0);
	STORE(&seal_returned, 1);
	return NULL;
}

static void who_enters_here_and_leaves_there_does_not_make_up_for_one_who_stays(void)
{
	handle_with(enter_here_and_leave_there, SIGUSR1, SA_RESTART);
	begin();
	CHECK_EQ(device_gate_acquire(&device, false), 0);
	STORE(&inside, 1);
	pthread_t sealer = start(seal_it, close_gate());
	wait_until_asleep(&sealer_tid);
	for (int sent = 0; sent < (int)test_turns(20000) && has_time(); sent++) {
		pthread_kill(sealer, SIGUSR1);
		while (LOAD(&handled) == sent)
			sched_yield();
		CHECK_EQ(LOAD(&seal_returned), 0);
	}
	STORE(&inside, 0);
	device_gate_release(&device);
	join(sealer);
	device_gate_detach(&device);
}

// Third: a release woke those who sleep at the gate that it found on the device. After the seal that was another than the
// sealer slept at; and a release that had found the gate open woke nobody.
static void a_release_after_the_seal_began_wakes_the_sealer(void)
{
	for (unsigned round = 0; round < test_turns(200); round++) {
		begin();
		STORE(&sealer_tid, 0);
		STORE(&inside, 1);
		if (round % 2 == 0)
			CHECK_EQ(device_gate_acquire(&device, true), 0);
		else
			device_gate_enter(&device);
		pthread_t sealer = start(seal_it, close_gate());
		wait_until_asleep(&sealer_tid);
		STORE(&inside, 0);
		if (round % 2 == 0)
			device_gate_release(&device);
		else
			device_gate_exit(&device);
		join(sealer);
		device_gate_detach(&device);
	}
}

static void *leave_soon(void *unused)
{
	uint64_t seed = 29;
	pin(1);
	for (int round = 1; wait_for_round(round); round++) {
		spin(random_number(&seed) % (round % 2 == 0 ? 3000 : 20000));
		STORE(&inside, 0);
		if (round % 4 < 2)
			device_gate_release(&device);
		else
			device_gate_exit(&device);
		STORE(&done, round);
	}
	return unused;
}

static void a_release_that_found_the_gate_open_wakes_the_sealer(void)
{
	handle_with(take_time, SIGUSR1, SA_RESTART);
	begin();
	pthread_t leaver = start(leave_soon, NULL);
	pin(0);
	STORE(&sealed, 0);
	double end = seconds() + 20;
	int round = 0;
	// On a busy machine every round may take as long as others have the CPUs.
	while (round < (int)test_turns(20000) && (round < 100 || seconds() < end)) {
		round++;
		if (round % 4 < 2)
			CHECK_EQ(device_gate_acquire(&device, false), 0);
		else
			device_gate_enter(&device);
		STORE(&inside, 1);
		STORE(&turn_of_round, round);
		if (round % 8 == 0)
			pthread_kill(leaver, SIGUSR1); // it is slow between any two steps of its release
		device_gate_seal(&device, close_gate());
		CHECK_EQ(LOAD(&inside), 0);
		while (LOAD(&done) != round)
			sched_yield();
		device_gate_detach(&device);
		CHECK_EQ(device_gate_attach(&device), 0);
	}
	STORE(&turn_of_round, -1);
	join(leaver);
}

// Fourth: a late-comer that may not be interrupted never slept: it looked again and again, with the gate's mutex held.
static int tid;
static double its_time;

static void *come_late(void *unused)
{
	STORE(&tid, thread_id());
	double before = cpu_seconds();
	CHECK_EQ(device_gate_acquire(&device, false), ENXIO);
	its_time = cpu_seconds() - before;
	STORE(&done, 1);
	return unused;
}

static void an_uninterruptible_late_comer_sleeps_and_is_in_nobodys_way(void)
{
	begin();
	CHECK_EQ(device_gate_acquire(&device, false), 0);
	device_gate_t *gate = close_gate();
	pthread_t comer = start(come_late, NULL);
	wait_until_asleep(&tid);
	nap(300000);
	device_gate_enter(&device);
	device_gate_exit(&device);
	device_gate_release(&device);
	CHECK_EQ(LOAD(&done), 0);
	device_gate_seal(&device, gate);
	join(comer);
	test_note("%.3f ms of CPU time for 300 ms at the gate", its_time * 1e3);
	CHECK(its_time < (test_under("valgrind") ? 0.2 : 0.05));
	device_gate_detach(&device);
}

// Fifth: a closer of a gate that another had sealed was told so with a gate's memory lost and a mutex held.
static void a_closer_who_is_told_ENXIO_loses_nothing(void)
{
	unsigned turns = test_turns(100000);
	device_gate_t *other = NULL;
	begin();
	device_gate_t *gate = close_gate();
	device_gate_seal(&device, gate);
	CHECK_EQ(device_gate_close(&device, "second", &other), ENXIO);
	struct footprint before = footprint_now();
	for (unsigned turn = 0; turn < turns; turn++)
		CHECK_EQ(device_gate_close(&device, "second", &other), ENXIO);
	check_footprint("closers of a sealed gate", turns, before);
	CHECK(other == NULL);
	device_gate_detach(&device);
	begin();
	device_gate_seal(&device, close_gate());
	device_gate_detach(&device);
}

TEST_MAIN(TEST(no_acquire_that_began_before_the_close_passes_after_the_seal),
	  TEST(who_enters_here_and_leaves_there_does_not_make_up_for_one_who_stays),
	  TEST(a_release_after_the_seal_began_wakes_the_sealer),
	  TEST(a_release_that_found_the_gate_open_wakes_the_sealer),
	  TEST(an_uninterruptible_late_comer_sleeps_and_is_in_nobodys_way),
	  TEST(a_closer_who_is_told_ENXIO_loses_nothing))
