// SPDX-License-Identifier: MIT OR Apache-2.0
// Seals that wait: never back before the last has left, whichever way he came in, and soon after; and when they are back the
// device may be gone at once.
//
// "Never before" is strict and needs no clock: whoever leaves counts himself out first, and the sealer looks at the count as
// its seal returns. A lost wake-up hangs: the library's own second look is put off for an hour.
#include "test.h"
#include "threads.h"

#include <psref/device_gate.h>

enum { MOST = 64 };

// A device, the thread that seals it, and when.
struct place {
	struct device_gate_device device;
	device_gate_t *gate;
	int left; // who has not left yet
	int tid, back;
	double released, returned;
};

static struct place places[MOST];

static void begin(unsigned n)
{
	no_second_look();
	cpu_number(0);
	for (unsigned i = 0; i < n; i++)
		CHECK_EQ(device_gate_attach(&places[i].device), 0);
}

static void *seal(void *argument)
{
	struct place *place = (struct place *)argument;
	STORE(&place->tid, thread_id());
	device_gate_seal(&place->device, place->gate);
	place->returned = seconds();
	CHECK_EQ(LOAD(&place->left), 0);
	STORE(&place->back, 1);
	return NULL;
}

static void close_gate(struct place *place)
{
	CHECK_EQ(device_gate_close(&place->device, "seal", &place->gate), 0);
}

static pthread_t start_seal(struct place *place)
{
	STORE(&place->tid, 0);
	STORE(&place->back, 0);
	return start(seal, place);
}

// In and out, by turns as a thread and as a handler.
static void come_in(struct place *place, unsigned i)
{
	if (i % 2 == 0)
		CHECK_EQ(device_gate_acquire(&place->device, i % 4 == 0), 0);
	else
		device_gate_enter(&place->device);
	ADD(&place->left, 1);
}

static void leave(struct place *place, unsigned i)
{
	place->released = seconds();
	ADD(&place->left, -1);
	if (i % 2 == 0)
		device_gate_release(&place->device);
	else
		device_gate_exit(&place->device);
}

static double check_delay(const struct place *place)
{
	double delay = place->returned - place->released;
	CHECK(delay >= 0);
	CHECK(delay < (test_short() ? 20 : 5));
	return delay;
}

static void seal_of_an_empty_device_does_not_wait(void)
{
	for (unsigned turn = test_turns(10000); turn > 0; turn--) {
		begin(1);
		come_in(&places[0], turn);
		leave(&places[0], turn);
		close_gate(&places[0]);
		seal(&places[0]);
		device_gate_detach(&places[0].device);
	}
}

static void wait_for_one(unsigned my_cpu, unsigned its_cpu)
{
	unsigned n = test_turns(100);
	double longest = 0;
	for (unsigned turn = 0; turn < n; turn++) {
		begin(1);
		come_in(&places[0], turn);
		close_gate(&places[0]);
		pin(its_cpu); // the sealer inherits it
		pthread_t sealer = start_seal(&places[0]);
		pin(my_cpu);
		wait_until_asleep(&places[0].tid);
		CHECK_EQ(LOAD(&places[0].back), 0);
		leave(&places[0], turn);
		join(sealer);
		double delay = check_delay(&places[0]);
		longest = delay > longest ? delay : longest;
		device_gate_detach(&places[0].device);
	}
	test_note("from exit to the seal's return, cpu %u to cpu %u: longest %.0f us", my_cpu, its_cpu, longest * 1e6);
}

static void seal_waits_for_who_is_inside_on_its_own_cpu(void)
{
	wait_for_one(0, 0);
}

static void seal_waits_for_who_is_inside_on_another_cpu(void)
{
	wait_for_one(0, 1);
}

static void *leave_half(void *n)
{
	pin(1);
	for (unsigned i = 0; i < (unsigned)(uintptr_t)n; i++)
		leave(&places[0], i);
	return NULL;
}

// Some came in before the close and some, handlers, after it; they leave before it, between close and seal, and after it, on
// other CPUs: only the sum means anything.
static void seal_waits_for_the_last_of_many(void)
{
	for (unsigned turn = 0; turn < test_turns(40); turn++) {
		begin(1);
		for (unsigned i = 0; i < 400; i++) {
			pin(turn % 3 == 0 ? 0 : i);
			come_in(&places[0], i);
		}
		elsewhere(leave_half, (void *)(uintptr_t)100);
		close_gate(&places[0]);
		for (unsigned i = 0; i < 100; i++)
			come_in(&places[0], 1); // handlers'
		elsewhere(leave_half, (void *)(uintptr_t)100);
		pthread_t sealer = start_seal(&places[0]);
		if (turn % 2 == 0)
			wait_until_asleep(&places[0].tid);
		pthread_t leaver = start(leave_half, (void *)(uintptr_t)149);
		for (unsigned i = 0; i < 150; i++)
			leave(&places[0], i);
		join(leaver);
		CHECK_EQ(LOAD(&places[0].back), 0);
		leave(&places[0], turn);
		join(sealer);
		check_delay(&places[0]);
		device_gate_detach(&places[0].device);
	}
}

static void many_seals_at_once_each_wait_for_their_own(void)
{
	pthread_t sealers[MOST];
	uint64_t seed = 5;
	for (unsigned turn = 0; turn < test_turns(20); turn++) {
		unsigned order[MOST];
		begin(MOST);
		for (unsigned i = 0; i < MOST; i++) {
			order[i] = i;
			come_in(&places[i], i);
			come_in(&places[i], turn);
			close_gate(&places[i]);
			sealers[i] = start_seal(&places[i]);
			leave(&places[i], turn); // perhaps while it begins
		}
		wait_until_asleep(&places[MOST - 1].tid);
		for (unsigned n = MOST; n > 0; n--) {
			unsigned pick = (unsigned)(random_number(&seed) % n), i = order[pick];
			order[pick] = order[n - 1];
			CHECK_EQ(LOAD(&places[i].back), 0);
			leave(&places[i], i);
			join(sealers[i]);
			check_delay(&places[i]);
			device_gate_detach(&places[i].device);
		}
	}
}

static int handled;

static void note_signal(int signal_number)
{
	(void)signal_number;
	device_gate_enter(&places[0].device);
	device_gate_exit(&places[0].device);
	ADD(&handled, 1);
}

static void signals_do_not_end_a_seal(void)
{
	for (int restart = 0; restart < 2; restart++) {
		handle_with(note_signal, SIGUSR1, restart ? SA_RESTART : 0);
		begin(1);
		come_in(&places[0], 0);
		close_gate(&places[0]);
		pthread_t sealer = start_seal(&places[0]);
		wait_until_asleep(&places[0].tid);
		STORE(&handled, 0);
		for (int sent = 0; sent < 50; sent++) {
			pthread_kill(sealer, SIGUSR1);
			while (LOAD(&handled) <= sent)
				nap(20);
		}
		CHECK_EQ(LOAD(&places[0].back), 0);
		leave(&places[0], 0);
		join(sealer);
		check_delay(&places[0]);
		device_gate_detach(&places[0].device);
	}
}

// The device lies on a page of its own, which is made inaccessible as soon as the seal and the detach are back: neither who
// leaves nor who was turned away may touch it then.
static struct device_gate_device *on_page;
static int turn_of_users, in, ready;

static bool wait_for_turn(int turn)
{
	int now;
	while ((now = LOAD(&turn_of_users)) < turn && now >= 0)
		sched_yield();
	return now >= 0;
}

static void *leave_in_time(void *number)
{
	uint64_t seed = (uint64_t)(uintptr_t)number + 1;
	for (int turn = 1; wait_for_turn(2 * turn - 1); turn++) {
		CHECK_EQ(device_gate_acquire(on_page, false), 0);
		ADD(&in, 1);
		spin(random_number(&seed) % 30000);
		device_gate_release(on_page);
		ADD(&ready, 1);
	}
	return NULL;
}

// Comes while the gate is closed: sooner or later.
static void *come_late(void *number)
{
	uint64_t seed = (uint64_t)(uintptr_t)number + 77;
	for (int turn = 1; wait_for_turn(2 * turn); turn++) {
		spin(random_number(&seed) % 10000);
		// Who comes must be known to be on his way: the owner waits for look-ups after the seal, and this is one.
		CHECK_EQ(device_gate_acquire(on_page, number == NULL), ENXIO);
		ADD(&ready, 1);
	}
	return NULL;
}

static void the_device_may_be_gone_as_soon_as_it_is_sealed(void)
{
	pthread_t leavers[2], comers[2];
	uint64_t seed = 41;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	no_second_look();
	on_page = (struct device_gate_device *)memory;
	for (unsigned i = 0; i < 2; i++) {
		leavers[i] = start(leave_in_time, (void *)(uintptr_t)i);
		comers[i] = start(come_late, (void *)(uintptr_t)i);
	}
	for (int turn = 1; turn <= (int)test_turns(4000) && has_time(); turn++) {
		device_gate_t *gate;
		CHECK_EQ(device_gate_attach(on_page), 0);
		STORE(&in, 0);
		STORE(&ready, 0);
		STORE(&turn_of_users, 2 * turn - 1);
		while (LOAD(&in) < 2)
			sched_yield();
		CHECK_EQ(device_gate_close(on_page, "page", &gate), 0);
		if (turn % 2 == 0) { // with late-comers, whose look-ups the seal's owner has to wait for
			STORE(&turn_of_users, 2 * turn);
			spin(random_number(&seed) % 20000);
			device_gate_seal(on_page, gate);
			while (LOAD(&ready) < 4)
				sched_yield();
			device_gate_detach(on_page);
		} else { // without: at once
			device_gate_seal(on_page, gate);
			device_gate_detach(on_page);
			CHECK_EQ(mprotect(memory, page, PROT_NONE), 0);
			while (LOAD(&ready) < 2)
				sched_yield();
			CHECK_EQ(mprotect(memory, page, PROT_READ | PROT_WRITE), 0);
			// The late-comers of this turn find it sealed.
			CHECK_EQ(device_gate_attach(on_page), 0);
			CHECK_EQ(device_gate_close(on_page, "page", &gate), 0);
			device_gate_seal(on_page, gate);
			STORE(&turn_of_users, 2 * turn);
			while (LOAD(&ready) < 4)
				sched_yield();
			device_gate_detach(on_page);
		}
	}
	STORE(&turn_of_users, -1);
	for (unsigned i = 0; i < 2; i++) {
		join(leavers[i]);
		join(comers[i]);
	}
}

// Late-comers that sleep are waited for too: the device may be gone then, and its gate closed for another one.
static void *come_late_once(void *tid)
{
	STORE((int *)tid, thread_id());
	CHECK_EQ(device_gate_acquire(on_page, false), ENXIO);
	ADD(&ready, 1);
	return NULL;
}

static void sleeping_late_comers_do_not_touch_the_device_after_the_seal(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(memory != MAP_FAILED);
	no_second_look();
	on_page = (struct device_gate_device *)memory;
	for (unsigned turn = 0; turn < test_turns(300) && has_time(); turn++) {
		pthread_t comers[4];
		int tids[4] = { 0, 0, 0, 0 };
		device_gate_t *gate, *again;
		CHECK_EQ(device_gate_attach(on_page), 0);
		CHECK_EQ(device_gate_attach(&places[0].device), 0);
		CHECK_EQ(device_gate_close(on_page, "page", &gate), 0);
		for (unsigned i = 0; i < COUNT(comers); i++)
			comers[i] = start(come_late_once, &tids[i]);
		for (unsigned i = 0; i < COUNT(comers); i++)
			wait_until_asleep(&tids[i]);
		device_gate_seal(on_page, gate);
		device_gate_detach(on_page);
		CHECK_EQ(device_gate_close(&places[0].device, "again", &again), 0);
		CHECK_EQ(mprotect(memory, page, PROT_NONE), 0);
		for (unsigned i = 0; i < COUNT(comers); i++)
			join(comers[i]);
		CHECK_EQ(mprotect(memory, page, PROT_READ | PROT_WRITE), 0);
		device_gate_seal(&places[0].device, again);
		device_gate_detach(&places[0].device);
	}
}

TEST_MAIN(TEST(seal_of_an_empty_device_does_not_wait),
	  TEST(seal_waits_for_who_is_inside_on_its_own_cpu),
	  TEST(seal_waits_for_who_is_inside_on_another_cpu),
	  TEST(seal_waits_for_the_last_of_many),
	  TEST(many_seals_at_once_each_wait_for_their_own),
	  TEST(signals_do_not_end_a_seal),
	  TEST(the_device_may_be_gone_as_soon_as_it_is_sealed),
	  TEST(sleeping_late_comers_do_not_touch_the_device_after_the_seal))
