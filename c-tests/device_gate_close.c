// SPDX-License-Identifier: MIT OR Apache-2.0
// Closed gates: who comes late waits, asleep, until the gate is sealed, and is turned away; handlers pass; a second closer is
// told so and nothing of his is left over.
//
// A lost wake-up hangs: the library's own second look is put off for an hour.
#include "test.h"
#include "threads.h"

#include <psref/device_gate.h>

enum { MOST = 64 };

static struct device_gate_device device;

// A thread that comes when the gate is closed.
struct comer {
	pthread_t thread;
	bool interruptible, closes;
	int tid, back, answer;
	double cpu; // what the wait cost, in seconds of the thread's own time
};

static struct comer comers[MOST];

static void begin(void)
{
	no_second_look();
	cpu_number(0);
	CHECK_EQ(device_gate_attach(&device), 0);
}

static void *come(void *argument)
{
	struct comer *me = (struct comer *)argument;
	device_gate_t *gate = NULL;
	STORE(&me->tid, thread_id());
	double before = cpu_seconds();
	me->answer = me->closes ? device_gate_close(&device, "second", &gate) : device_gate_acquire(&device, me->interruptible);
	me->cpu = cpu_seconds() - before;
	CHECK(gate == NULL);
	STORE(&me->back, 1);
	return NULL;
}

static void start_comer(struct comer *comer, bool interruptible, bool closes)
{
	memset(comer, 0, sizeof *comer);
	comer->interruptible = interruptible;
	comer->closes = closes;
	comer->thread = start(come, comer);
}

static device_gate_t *close_gate(void)
{
	device_gate_t *gate = NULL;
	CHECK_EQ(device_gate_close(&device, "close", &gate), 0);
	CHECK(gate != NULL);
	return gate;
}

static void seal_and_detach(device_gate_t *gate)
{
	device_gate_seal(&device, gate);
	device_gate_detach(&device);
}

static void late_comers_wait_until_the_seal_and_get_ENXIO(void)
{
	for (unsigned turn = 0; turn < test_turns(40); turn++) {
		begin();
		device_gate_t *gate = close_gate();
		unsigned n = turn % 2 == 0 ? 3 : MOST;
		for (unsigned i = 0; i < n; i++)
			start_comer(&comers[i], i % 3 == 1, i % 3 == 2);
		for (unsigned i = 0; i < n && turn % 4 < 2; i++)
			wait_until_asleep(&comers[i].tid); // else some come at the very seal
		for (unsigned i = 0; i < n; i++)
			CHECK_EQ(LOAD(&comers[i].back), 0);
		device_gate_seal(&device, gate);
		for (unsigned i = 0; i < n; i++) {
			join(comers[i].thread);
			CHECK_EQ(comers[i].answer, ENXIO);
		}
		device_gate_detach(&device);
	}
}

// Whatever kind of late-comer: asleep, it costs nothing but the way there.
static void late_comers_use_no_cpu_time(void)
{
	begin();
	device_gate_t *gate = close_gate();
	for (unsigned i = 0; i < 6; i++) {
		start_comer(&comers[i], i % 3 == 1, i % 3 == 2);
		wait_until_asleep(&comers[i].tid);
	}
	nap(500000);
	seal_and_detach(gate);
	double most = 0;
	for (unsigned i = 0; i < 6; i++) {
		join(comers[i].thread);
		CHECK_EQ(comers[i].answer, ENXIO);
		most = comers[i].cpu > most ? comers[i].cpu : most;
	}
	test_note("the dearest of 6 waits of half a second: %.3f ms of CPU time", most * 1e3);
	CHECK(most < (test_under("valgrind") ? 0.2 : 0.05));
}

static void other_devices_are_passed_while_one_is_closed(void)
{
	struct device_gate_device other;
	begin();
	CHECK_EQ(device_gate_attach(&other), 0);
	device_gate_t *gate = close_gate(), *its;
	start_comer(&comers[0], false, false);
	wait_until_asleep(&comers[0].tid);
	for (unsigned turn = 0; turn < test_turns(2000); turn++) {
		CHECK_EQ(device_gate_acquire(&other, false), 0);
		device_gate_release(&other);
		CHECK_EQ(device_gate_close(&other, "other", &its), 0);
		device_gate_seal(&other, its);
		device_gate_detach(&other);
		CHECK_EQ(device_gate_attach(&other), 0);
	}
	CHECK_EQ(LOAD(&comers[0].back), 0);
	device_gate_detach(&other);
	seal_and_detach(gate);
	join(comers[0].thread);
}

static int handled;

static void note_signal(int signal_number)
{
	(void)signal_number;
	ADD(&handled, 1);
}

static void interrupt(struct comer *comer)
{
	int before = LOAD(&handled);
	pthread_kill(comer->thread, SIGUSR1);
	while (LOAD(&handled) == before)
		nap(20);
}

static void a_signal_ends_an_interruptible_wait_with_or_without_SA_RESTART(void)
{
	for (int restart = 0; restart < 2; restart++) {
		handle_with(note_signal, SIGUSR1, restart ? SA_RESTART : 0);
		for (unsigned turn = 0; turn < test_turns(100); turn++) {
			begin();
			device_gate_t *gate = close_gate();
			start_comer(&comers[0], true, false);
			wait_until_asleep(&comers[0].tid);
			interrupt(&comers[0]);
			// A handler that ran before the wait began is none of its business.
			while (LOAD(&comers[0].back) == 0) {
				nap(1000);
				if (LOAD(&comers[0].back) == 0)
					interrupt(&comers[0]);
			}
			join(comers[0].thread);
			CHECK_EQ(comers[0].answer, EINTR);
			CHECK(device.dv_gate == gate);
			seal_and_detach(gate); // hangs where it counts still
		}
	}
}

static void a_signal_does_not_end_an_uninterruptible_wait(void)
{
	for (int restart = 0; restart < 2; restart++) {
		handle_with(note_signal, SIGUSR1, restart ? SA_RESTART : 0);
		begin();
		device_gate_t *gate = close_gate();
		start_comer(&comers[0], false, false);
		start_comer(&comers[1], false, true); // nor a second closer's
		for (unsigned i = 0; i < 2; i++)
			wait_until_asleep(&comers[i].tid);
		for (int sent = 0; sent < 50; sent++) {
			interrupt(&comers[sent % 2]);
			CHECK_EQ(LOAD(&comers[sent % 2].back), 0);
		}
		nap(10000);
		CHECK_EQ(LOAD(&comers[0].back) + LOAD(&comers[1].back), 0);
		seal_and_detach(gate);
		for (unsigned i = 0; i < 2; i++) {
			join(comers[i].thread);
			CHECK_EQ(comers[i].answer, ENXIO);
		}
	}
}

static void signals_among_many_late_comers_are_answered_by_their_own(void)
{
	handle_with(note_signal, SIGUSR1, SA_RESTART);
	begin();
	device_gate_t *gate = close_gate();
	for (unsigned i = 0; i < MOST; i++)
		start_comer(&comers[i], i % 2 == 0, false);
	for (unsigned i = 0; i < MOST; i++)
		wait_until_asleep(&comers[i].tid);
	for (unsigned i = 0; i < MOST; i += 4) {
		do
			interrupt(&comers[i]);
		while (nap(1000), LOAD(&comers[i].back) == 0);
	}
	for (unsigned i = 0; i < MOST; i++)
		CHECK_EQ(LOAD(&comers[i].back), i % 4 == 0);
	seal_and_detach(gate);
	for (unsigned i = 0; i < MOST; i++) {
		join(comers[i].thread);
		CHECK_EQ(comers[i].answer, i % 4 == 0 ? EINTR : ENXIO);
	}
}

// Of several who close at once one is first and seals; the others wait for that and are told.
static int ready, closed_by_one;

static void *close_and_seal(void *answer)
{
	device_gate_t *gate = NULL;
	ADD(&ready, -1);
	while (LOAD(&ready) > 0)
		sched_yield();
	*(int *)answer = device_gate_close(&device, "one of many", &gate);
	if (*(int *)answer == 0) {
		CHECK_EQ(ADD(&closed_by_one, 1), 0);
		CHECK(gate != NULL);
		device_gate_seal(&device, gate);
	}
	return NULL;
}

static void one_of_many_closers_closes_and_the_others_get_ENXIO(void)
{
	for (unsigned turn = 0; turn < test_turns(500) && has_time(); turn++) {
		pthread_t closers[4];
		int answers[4], sum = 0;
		begin();
		STORE(&ready, (int)COUNT(closers));
		STORE(&closed_by_one, 0);
		for (unsigned i = 0; i < COUNT(closers); i++)
			closers[i] = start(close_and_seal, &answers[i]);
		for (unsigned i = 0; i < COUNT(closers); i++) {
			join(closers[i]);
			CHECK(answers[i] == 0 || answers[i] == ENXIO);
			sum += answers[i] == 0;
		}
		CHECK_EQ(sum, 1);
		device_gate_detach(&device);
	}
}

static void a_closer_of_a_sealed_gate_gets_ENXIO_at_once_and_leaves_nothing_behind(void)
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
	CHECK(other == NULL && device.dv_gate == gate);
	device_gate_detach(&device);
}

// A hundred thousand rounds in which two close at the same moment. Who came second has taken a gate that he does not need: one
// that he lost would be missing, and new ones would come up. As it is, the same few are used again and again.
static int round_of_closers, at_the_line, closed_rounds;

static void close_with_another(int round, device_gate_t **gate)
{
	ADD(&at_the_line, 1);
	for (int turn = 0; LOAD(&at_the_line) < 2 * round; turn++) {
		if (turn > 2000)
			sched_yield();
	}
	int answer = device_gate_close(&device, "racer", gate);
	if (answer == 0)
		device_gate_seal(&device, *gate);
	else
		CHECK_EQ(answer, ENXIO);
	ADD(&closed_rounds, answer == 0);
}

static void *close_every_round(void *unused)
{
	for (int round = 1;; round++) {
		int now;
		device_gate_t *gate;
		while ((now = LOAD(&round_of_closers)) < round && now >= 0)
			sched_yield();
		if (now < 0)
			return unused;
		close_with_another(round, &gate);
		STORE(&ready, round);
	}
}

static void second_closers_leave_nothing_behind(void)
{
	int rounds = (int)test_turns(100000);
	device_gate_t *seen[16];
	unsigned used = 0;
	no_second_look();
	pthread_t other = start(close_every_round, NULL);
	int round = 1;
	for (; round <= rounds && has_time(); round++) {
		device_gate_t *gate;
		unsigned i = 0;
		CHECK_EQ(device_gate_attach(&device), 0);
		STORE(&round_of_closers, round);
		close_with_another(round, &gate);
		while (LOAD(&ready) != round)
			sched_yield();
		CHECK_EQ(LOAD(&closed_rounds), round);
		while (i < used && seen[i] != device.dv_gate)
			i++;
		CHECK(i < COUNT(seen));
		if (i == used)
			seen[used++] = device.dv_gate;
		device_gate_detach(&device);
	}
	STORE(&round_of_closers, -1);
	join(other);
	test_note("%d rounds of two closers with %u gates in all", round - 1, used);
}

TEST_MAIN(TEST(late_comers_wait_until_the_seal_and_get_ENXIO),
	  TEST(late_comers_use_no_cpu_time),
	  TEST(other_devices_are_passed_while_one_is_closed),
	  TEST(a_signal_ends_an_interruptible_wait_with_or_without_SA_RESTART),
	  TEST(a_signal_does_not_end_an_uninterruptible_wait),
	  TEST(signals_among_many_late_comers_are_answered_by_their_own),
	  TEST(one_of_many_closers_closes_and_the_others_get_ENXIO),
	  TEST(a_closer_of_a_sealed_gate_gets_ENXIO_at_once_and_leaves_nothing_behind),
	  TEST(second_closers_leave_nothing_behind))
