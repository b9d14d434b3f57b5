// SPDX-License-Identifier: MIT OR Apache-2.0
// No memory: attach and close answer ENOMEM, leak nothing and leave things as they were; passing, leaving, waiting and sealing
// need none.
#include "test.h"
#include "child.h"
#include "filter.h"
#include "threads.h"

#include <psref/device_gate.h>

enum { MOST = 200000 };

static struct device_gate_device *devices; // MOST of them
static device_gate_t **gates;
static int tid, go;

static void begin(void)
{
	no_second_look();
	devices = (struct device_gate_device *)calloc(MOST, sizeof *devices);
	gates = (device_gate_t **)calloc(MOST, sizeof *gates);
	CHECK(devices != NULL && gates != NULL);
	memset(devices, 0xff, MOST * sizeof *devices); // not when they are measured
	memset(gates, 0xff, MOST * sizeof *gates);
}

static unsigned attach_until_refused(void)
{
	unsigned n = 0;
	int answer = 0;
	while (n < MOST && (answer = device_gate_attach(&devices[n])) == 0)
		n++;
	CHECK(n < MOST);
	CHECK_EQ(answer, ENOMEM);
	return n;
}

static void check_refused_without_a_leak(unsigned times)
{
	struct device_gate_device refused;
	struct footprint before = footprint_now();
	for (unsigned i = 0; i < times; i++)
		CHECK_EQ(device_gate_attach(&refused), ENOMEM);
	check_footprint("refusals", times, before);
}

static void use_and_detach(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		CHECK_EQ(device_gate_acquire(&devices[i], false), 0);
		device_gate_release(&devices[i]);
		device_gate_detach(&devices[i]);
	}
}

static void attach_answers_ENOMEM_and_works_again_when_there_is_memory(void)
{
	begin();
	CHECK_EQ(device_gate_attach(&devices[0]), 0);
	use_and_detach(1);
	limit_memory(true);
	unsigned n = attach_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	use_and_detach(n / 2);
	for (unsigned i = 0; i < n / 2; i++)
		CHECK_EQ(device_gate_attach(&devices[i]), 0);
	limit_memory(false);
	CHECK_EQ(device_gate_attach(&devices[n]), 0);
	use_and_detach(n + 1);
	test_note("%u devices before memory ran out", n);
}

static void a_first_attach_without_memory_answers_ENOMEM(void)
{
	begin();
	limit_memory(true);
	unsigned n = attach_until_refused();
	check_refused_without_a_leak(test_turns(10000));
	limit_memory(false);
	CHECK_EQ(device_gate_attach(&devices[n]), 0);
	use_and_detach(n + 1);
}

// The library took the one it needs when it was loaded.
static void attach_works_where_the_program_has_taken_all_pthread_keys(void)
{
	pthread_key_t key;
	begin();
	while (pthread_key_create(&key, NULL) == 0)
		;
	CHECK_EQ(device_gate_attach(&devices[0]), 0);
	CHECK_EQ(device_gate_close(&devices[0], "keyless", &gates[0]), 0);
	device_gate_seal(&devices[0], gates[0]);
	device_gate_detach(&devices[0]);
}

static void close_answers_ENOMEM_and_the_gate_stays_open(void)
{
	unsigned n = 1;
	int answer = 0;
	begin();
	for (unsigned i = 0; i < 5000; i++)
		CHECK_EQ(device_gate_attach(&devices[i]), 0);
	CHECK_EQ(device_gate_close(&devices[0], "nomem", &gates[0]), 0);
	limit_memory(true);
	while (n < 5000 && (answer = device_gate_close(&devices[n], "nomem", &gates[n])) == 0)
		n++;
	CHECK(n < 5000);
	CHECK_EQ(answer, ENOMEM);
	struct footprint before = footprint_now();
	for (unsigned i = 0; i < test_turns(10000); i++) {
		CHECK_EQ(device_gate_close(&devices[n], "nomem", &gates[n]), ENOMEM);
		CHECK(devices[n].dv_gate == NULL);
		CHECK_EQ(device_gate_acquire(&devices[n], false), 0); // open: else it would wait for ever
		device_gate_release(&devices[n]);
	}
	check_footprint("closes refused", test_turns(10000), before);
	// A gate that another does not need any more will do.
	device_gate_seal(&devices[0], gates[0]);
	device_gate_detach(&devices[0]);
	CHECK_EQ(device_gate_close(&devices[n], "nomem", &gates[n]), 0);
	limit_memory(false);
	for (unsigned i = 1; i <= n; i++) {
		device_gate_seal(&devices[i], gates[i]);
		device_gate_detach(&devices[i]);
	}
	for (unsigned i = n + 1; i < 5000; i++)
		device_gate_detach(&devices[i]);
	test_note("%u gates before memory ran out", n);
}

// One call each, by number, with a device that could not get a gate.
static void use_the_refused(void *which)
{
	limit_memory(true);
	unsigned n = attach_until_refused();
	limit_memory(false);
	struct device_gate_device *refused = &devices[n];
	switch ((int)(intptr_t)which) {
	case 0: device_gate_acquire(refused, true); break;
	case 1: device_gate_release(refused); break;
	case 2: device_gate_enter(refused); break;
	case 3: device_gate_exit(refused); break;
	case 4: device_gate_close(refused, "refused", &gates[0]); break;
	default: device_gate_detach(refused); break;
	}
}

static void use_of_a_device_that_got_no_gate_is_told(void)
{
	static const char *const who[] = { "device_gate_acquire: ", "device_gate_release: ", "device_gate_enter: ",
					   "device_gate_exit: ",    "device_gate_close: ",   "device_gate_detach: " };
	if (!test_memory_is_ours())
		SKIP("limits on memory would hit what the test runs under");
	begin();
	for (size_t i = 0; i < COUNT(who); i++) {
		struct ended ended = in_child(use_the_refused, (void *)i);
		CHECK_FATAL(ended, who[i], "has no gate: detached, or never attached; expected device_gate_attach");
	}
}

static void *come_late(void *unused)
{
	wait_until_set(&go);
	device_gate_enter(&devices[0]);
	device_gate_exit(&devices[0]);
	STORE(&tid, thread_id());
	CHECK_EQ(device_gate_acquire(&devices[0], false), ENXIO);
	return unused;
}

static void late_comers_need_no_memory(void)
{
	begin();
	CHECK_EQ(device_gate_attach(&devices[0]), 0);
	CHECK_EQ(device_gate_close(&devices[0], "nomem", &gates[0]), 0);
	pthread_t comer = start(come_late, NULL);
	limit_memory(true);
	STORE(&go, 1);
	wait_until_asleep(&tid);
	limit_memory(false);
	device_gate_seal(&devices[0], gates[0]);
	join(comer);
	device_gate_detach(&devices[0]);
}

static void *seal(void *unused)
{
	wait_until_set(&go);
	STORE(&tid, thread_id());
	device_gate_seal(&devices[0], gates[0]);
	return unused;
}

// It cannot fail, so it may not need any: the first seal of the process, in a thread that has never called malloc.
static void a_seal_that_waits_needs_no_memory(void)
{
	begin();
	CHECK_EQ(device_gate_attach(&devices[0]), 0);
	device_gate_enter(&devices[0]);
	CHECK_EQ(device_gate_close(&devices[0], "nomem", &gates[0]), 0);
	pthread_t sealer = start(seal, NULL);
	limit_memory(true);
	STORE(&go, 1);
	wait_until_asleep(&tid);
	device_gate_exit(&devices[0]);
	join(sealer);
	device_gate_detach(&devices[0]);
}

TEST_MAIN(TEST(attach_answers_ENOMEM_and_works_again_when_there_is_memory),
	  TEST(a_first_attach_without_memory_answers_ENOMEM),
	  TEST(attach_works_where_the_program_has_taken_all_pthread_keys),
	  TEST(close_answers_ENOMEM_and_the_gate_stays_open),
	  TEST(use_of_a_device_that_got_no_gate_is_told),
	  TEST(late_comers_need_no_memory),
	  TEST(a_seal_that_waits_needs_no_memory))
