// SPDX-License-Identifier: MIT OR Apache-2.0
// The interface of device gates, one behaviour a test, but for waits: those are in device_gate_close.c and _seal.c.
#include <psref/device_gate.h>
#include <psref/device_gate.h>

// Nothing but the header stands above: what it needs it includes.
static struct device_gate_device device;

#include "test.h"
#include "threads.h"

#include <stddef.h>

#ifdef __cplusplus
#define SAME static_assert
#else
#define SAME _Static_assert
#endif

SAME(sizeof(struct device_gate_device) == 16, "two pointers");
SAME(offsetof(struct device_gate_device, dv_gate) == 0, "the proposal's order");
SAME(offsetof(struct device_gate_device, dv_turnstiles) == 8, "the proposal's order");

static void the_functions_have_the_types_of_the_manual(void)
{
	int (*volatile attach)(struct device_gate_device *) = device_gate_attach;
	int (*volatile acquire)(struct device_gate_device *, bool) = device_gate_acquire;
	void (*volatile release)(struct device_gate_device *) = device_gate_release;
	void (*volatile enter)(struct device_gate_device *) = device_gate_enter;
	void (*volatile exit_)(struct device_gate_device *) = device_gate_exit;
	int (*volatile close_)(struct device_gate_device *, const char *, device_gate_t **) = device_gate_close;
	void (*volatile seal)(struct device_gate_device *, device_gate_t *) = device_gate_seal;
	void (*volatile detach)(struct device_gate_device *) = device_gate_detach;
	struct device_gate *gate = NULL;
	CHECK_EQ(attach(&device), 0);
	CHECK(device.dv_gate == NULL);
	CHECK_EQ(acquire(&device, true), 0);
	enter(&device);
	CHECK_EQ(close_(&device, "types", &gate), 0);
	CHECK(gate != NULL && device.dv_gate == gate);
	enter(&device); // closed: handlers pass
	exit_(&device);
	exit_(&device);
	release(&device);
	seal(&device, gate);
	CHECK_EQ(acquire(&device, false), ENXIO);
	CHECK_EQ(acquire(&device, true), ENXIO);
	detach(&device);
}

static void the_library_writes_no_byte_beyond_the_structure(void)
{
	struct guarded {
		unsigned char before[64];
		struct device_gate_device device;
		unsigned char after[64];
	} guarded;
	device_gate_t *gate;
	memset(&guarded, 0x77, sizeof guarded);
	for (int turn = 0; turn < 2; turn++) {
		CHECK_EQ(device_gate_attach(&guarded.device), 0);
		CHECK_EQ(device_gate_acquire(&guarded.device, false), 0);
		device_gate_release(&guarded.device);
		CHECK_EQ(device_gate_close(&guarded.device, "bounds", &gate), 0);
		device_gate_seal(&guarded.device, gate);
		device_gate_detach(&guarded.device);
	}
	for (unsigned i = 0; i < sizeof guarded.before; i++)
		CHECK(guarded.before[i] == 0x77 && guarded.after[i] == 0x77);
}

static void close_seal_detach(void)
{
	device_gate_t *gate;
	CHECK_EQ(device_gate_close(&device, "api", &gate), 0);
	device_gate_seal(&device, gate);
	device_gate_detach(&device);
}

static void attach_does_not_read_what_was_there_before(void)
{
	for (int byte = 0; byte < 256; byte++) {
		memset(&device, byte, sizeof device);
		CHECK_EQ(device_gate_attach(&device), 0);
		CHECK_EQ(device_gate_acquire(&device, false), 0);
		device_gate_release(&device);
		close_seal_detach();
	}
}

static void a_device_that_was_never_made_known_may_be_detached_at_once(void)
{
	CHECK_EQ(device_gate_attach(&device), 0);
	device_gate_detach(&device);
	CHECK_EQ(device_gate_attach(&device), 0);
	CHECK_EQ(device_gate_acquire(&device, false), 0);
	device_gate_release(&device);
	device_gate_detach(&device);
}

// In and out by whatever names, on whatever CPUs: only the sum means anything.
static void *leave_on_the_other_cpu(void *n)
{
	pin(1);
	for (uintptr_t i = (uintptr_t)n; i > 0; i--) {
		if (i % 2 == 0)
			device_gate_release(&device);
		else
			device_gate_exit(&device);
	}
	return NULL;
}

static void whoever_is_inside_may_leave_in_another_thread_and_on_another_cpu(void)
{
	cpu_number(0);
	for (int turn = 0; turn < 20; turn++) {
		CHECK_EQ(device_gate_attach(&device), 0);
		pin(0);
		for (int i = 0; i < 100; i++) {
			if (i % 2 == 0)
				CHECK_EQ(device_gate_acquire(&device, i % 4 == 0), 0);
			else
				device_gate_enter(&device);
		}
		elsewhere(leave_on_the_other_cpu, (void *)(uintptr_t)100);
		if (turn % 2 == 0)
			device_gate_detach(&device); // aborts where one is counted still
		else
			close_seal_detach(); // hangs there
	}
}

static void any_wait_message_will_do(void)
{
	static const char *const messages[] = { "", "w", "exactly thirty-two bytes, no more", "%s%n", "\xff\xfe\x80", NULL };
	char longest[10000];
	memset(longest, 'm', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	for (unsigned i = 0; i <= COUNT(messages); i++) {
		device_gate_t *gate;
		CHECK_EQ(device_gate_attach(&device), 0);
		CHECK_EQ(device_gate_close(&device, i < COUNT(messages) ? messages[i] : longest, &gate), 0);
		device_gate_seal(&device, gate);
		device_gate_detach(&device);
	}
}

static void errno_stays_as_it_was(void)
{
	device_gate_t *gate;
	CHECK_EQ(device_gate_attach(&device), 0);
	for (int closed = 0; closed < 2; closed++) {
		errno = 4711;
		device_gate_enter(&device);
		CHECK_EQ(errno, 4711);
		device_gate_exit(&device);
		CHECK_EQ(errno, 4711);
		if (closed == 0) {
			CHECK_EQ(device_gate_acquire(&device, true), 0);
			CHECK_EQ(errno, 4711);
			device_gate_release(&device);
			CHECK_EQ(errno, 4711);
			CHECK_EQ(device_gate_close(&device, "errno", &gate), 0);
		}
	}
	device_gate_seal(&device, gate);
	device_gate_detach(&device);
}

static void devices_come_and_go_in_the_same_memory(void)
{
	unsigned turns = test_turns(100000);
	struct footprint before = { 0, 0 };
	for (unsigned turn = 0; turn < turns + 10; turn++) {
		if (turn == 10)
			before = footprint_now();
		CHECK_EQ(device_gate_attach(&device), 0);
		device_gate_enter(&device);
		device_gate_exit(&device);
		if (turn % 8 == 0)
			device_gate_detach(&device);
		else
			close_seal_detach();
	}
	check_footprint("devices", turns, before);
}

static void a_recycled_gate_knows_nothing_of_its_former_life(void)
{
	static struct device_gate_device devices[100];
	device_gate_t *gates[100];
	for (int turn = 0; turn < 20; turn++) {
		for (unsigned i = 0; i < COUNT(devices); i++) {
			CHECK_EQ(device_gate_attach(&devices[i]), 0);
			CHECK_EQ(device_gate_acquire(&devices[i], false), 0); // open
			CHECK_EQ(device_gate_close(&devices[i], "recycled", &gates[i]), 0);
			for (unsigned other = 0; other < i; other++)
				CHECK(gates[i] != gates[other]);
		}
		for (unsigned i = 0; i < COUNT(devices); i++) {
			device_gate_release(&devices[i]);
			device_gate_seal(&devices[i], gates[i]);
			device_gate_detach(&devices[i]);
		}
	}
}

static void *pass_once(void *unused)
{
	CHECK_EQ(device_gate_acquire(&device, true), 0);
	device_gate_enter(&device);
	device_gate_exit(&device);
	device_gate_release(&device);
	return unused;
}

static void threads_live_and_die(unsigned n)
{
	pthread_t some[8];
	for (unsigned born = 0; born < n; born += (unsigned)COUNT(some)) {
		for (unsigned i = 0; i < COUNT(some); i++)
			some[i] = start(pass_once, NULL);
		for (unsigned i = 0; i < COUNT(some); i++)
			join(some[i]);
	}
}

static void ten_thousand_threads_leave_no_memory_behind(void)
{
	unsigned turns = test_turns(10000);
	CHECK_EQ(device_gate_attach(&device), 0);
	threads_live_and_die(64);
	struct footprint before = footprint_now();
	threads_live_and_die(turns);
	check_footprint("threads", turns, before);
	device_gate_detach(&device);
}

TEST_MAIN(TEST(the_functions_have_the_types_of_the_manual),
	  TEST(the_library_writes_no_byte_beyond_the_structure),
	  TEST(attach_does_not_read_what_was_there_before),
	  TEST(a_device_that_was_never_made_known_may_be_detached_at_once),
	  TEST(whoever_is_inside_may_leave_in_another_thread_and_on_another_cpu),
	  TEST(any_wait_message_will_do),
	  TEST(errno_stays_as_it_was),
	  TEST(devices_come_and_go_in_the_same_memory),
	  TEST(a_recycled_gate_knows_nothing_of_its_former_life),
	  TEST(ten_thousand_threads_leave_no_memory_behind))
