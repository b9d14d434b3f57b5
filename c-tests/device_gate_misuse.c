// SPDX-License-Identifier: MIT OR Apache-2.0
// Callers' bugs with gates: each done in a forked child, which must die by abort() with a message that names the function,
// the device, what was seen and what was expected. And seals that take long, which only tell.
#include "test.h"
#include "child.h"
#include "threads.h"

#include <psref/device_gate.h>

// Made before the fork, so that addresses are known.
static struct device_gate_device open_, closed, sealed, gone, zeroed, garbage;
static device_gate_t *gate, *sealed_gate;
static int tid;

// The compiler must not see that a NULL is passed on purpose.
static struct device_gate_device *volatile no_device;
static device_gate_t **volatile no_place;

static void attach_and_close(void)
{
	CHECK_EQ(device_gate_attach(&open_), 0);
	CHECK_EQ(device_gate_attach(&closed), 0);
	CHECK_EQ(device_gate_close(&closed, "misuse of a gate with a name of more than 32 bytes", &gate), 0);
}

static void set_up(void)
{
	no_second_look();
	attach_and_close();
	CHECK_EQ(device_gate_attach(&sealed), 0);
	CHECK_EQ(device_gate_close(&sealed, "sealed", &sealed_gate), 0);
	device_gate_seal(&sealed, sealed_gate);
	CHECK_EQ(device_gate_attach(&gone), 0);
	device_gate_detach(&gone);
	memset(&garbage, 0xa5, sizeof garbage);
}

struct bug {
	const char *who, *what;
	const void *named; // by its address
};

static void check(void (*misuse)(void *), const struct bug *bugs, size_t n)
{
	set_up();
	for (size_t i = 0; i < n; i++) {
		struct ended ended = in_child(misuse, (void *)i);
		CHECK_FATAL(ended, bugs[i].who, bugs[i].what);
		if (bugs[i].named != NULL && !has_address(ended.words, bugs[i].named))
			FAIL("bug %zu: no address of the device in: %.300s", i, ended.words);
	}
}

static void with_null(void *which)
{
	device_gate_t *place;
	switch ((int)(intptr_t)which) {
	case 0: device_gate_attach(no_device); break;
	case 1: device_gate_close(no_device, "null", &place); break;
	case 2: device_gate_seal(no_device, gate); break;
	case 3: device_gate_detach(no_device); break;
	case 4: device_gate_close(&open_, "null", no_place); break;
	default: break;
	}
}

static void NULL_is_named_with_function_and_argument(void)
{
	static const struct bug bugs[] = {
		{ "device_gate_attach: ", "device is NULL", NULL }, { "device_gate_close: ", "device is NULL", NULL },
		{ "device_gate_seal: ", "device is NULL", NULL },   { "device_gate_detach: ", "device is NULL", NULL },
		{ "device_gate_close: ", "gate is NULL", NULL },
	};
	check(with_null, bugs, COUNT(bugs));
}

static void with_detached(void *which)
{
	device_gate_t *place;
	switch ((int)(intptr_t)which) {
	case 0: device_gate_acquire(&gone, true); break;
	case 1: device_gate_release(&gone); break;
	case 2: device_gate_enter(&gone); break;
	case 3: device_gate_exit(&gone); break;
	case 4: device_gate_close(&gone, "gone", &place); break;
	case 5: device_gate_seal(&gone, gate); break;
	case 6: device_gate_detach(&gone); break;
	case 7: device_gate_close(&zeroed, "zeroed", &place); break;
	case 8: device_gate_detach(&zeroed); break;
	case 9: device_gate_acquire(&garbage, true); break;
	case 10: device_gate_release(&garbage); break;
	case 11: device_gate_enter(&garbage); break;
	case 12: device_gate_exit(&garbage); break;
	case 13: device_gate_close(&garbage, "garbage", &place); break;
	case 14: device_gate_seal(&garbage, gate); break;
	case 15: device_gate_detach(&garbage); break;
	case 16:
		device_gate_detach(&sealed);
		device_gate_acquire(&sealed, false);
		break;
	default: break;
	}
}

static void a_device_without_a_gate_is_named_by_whatever_uses_it(void)
{
	static const char said[] = "has no gate: detached, or never attached; expected device_gate_attach";
	static const struct bug bugs[] = {
		{ "device_gate_acquire: ", said, &gone },	 { "device_gate_release: ", said, &gone },
		{ "device_gate_enter: ", said, &gone },		 { "device_gate_exit: ", said, &gone },
		{ "device_gate_close: ", said, &gone },		 { "device_gate_seal: ", said, &gone },
		{ "device_gate_detach: ", said, &gone },	 { "device_gate_close: ", said, &zeroed },
		{ "device_gate_detach: ", said, &zeroed },	 { "device_gate_acquire: ", said, &garbage },
		{ "device_gate_release: ", said, &garbage },	 { "device_gate_enter: ", said, &garbage },
		{ "device_gate_exit: ", said, &garbage },	 { "device_gate_close: ", said, &garbage },
		{ "device_gate_seal: ", said, &garbage },	 { "device_gate_detach: ", said, &garbage },
		{ "device_gate_acquire: ", said, &sealed },
	};
	check(with_detached, bugs, COUNT(bugs));
}

static void seal_wrongly(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: device_gate_seal(&open_, gate); break;
	case 1: device_gate_seal(&open_, NULL); break;
	case 2: device_gate_seal(&closed, sealed_gate); break;
	case 3: device_gate_seal(&closed, NULL); break;
	case 4: device_gate_seal(&sealed, sealed_gate); break;
	case 5:
		device_gate_seal(&closed, gate);
		device_gate_seal(&closed, gate);
		break;
	default: break;
	}
}

static void a_seal_of_what_is_not_the_devices_closed_gate_is_told(void)
{
	static const struct bug bugs[] = {
		{ "device_gate_seal: ", "sealed while the device's gate is open, expected device_gate_close", &open_ },
		{ "device_gate_seal: ", "gate 0x0 sealed while the device's gate is open, expected device_gate_close", &open_ },
		{ "device_gate_seal: ", " sealed, expected its own, 0x", &closed },
		{ "device_gate_seal: ", "gate 0x0 sealed, expected its own, 0x", &closed },
		{ "device_gate_seal: ", "gate sealed already, expected one seal", &sealed },
		{ "device_gate_seal: ", "gate sealed already, expected one seal", &closed },
	};
	check(seal_wrongly, bugs, COUNT(bugs));
	struct ended ended = in_child(seal_wrongly, (void *)(intptr_t)2);
	CHECK(has_address(ended.words, gate) && has_address(ended.words, sealed_gate));
}

static void *come_late(void *unused)
{
	STORE(&tid, thread_id());
	device_gate_acquire(&closed, false);
	return unused;
}

static void *exit_open(void *unused)
{
	pin(1);
	device_gate_exit(&open_);
	return unused;
}

static void detach_too_early(void *which)
{
	switch ((int)(intptr_t)which) {
	case 0: // one inside, open
		device_gate_acquire(&open_, false);
		device_gate_detach(&open_);
		break;
	case 1: // one too many has left
		elsewhere(exit_open, NULL);
		device_gate_detach(&open_);
		break;
	case 2: device_gate_detach(&closed); break; // not sealed
	case 3: // not sealed, one waits
		start(come_late, NULL);
		wait_until_asleep(&tid);
		device_gate_detach(&closed);
		break;
	case 4: // sealed, and a handler has come in
		device_gate_enter(&sealed);
		device_gate_enter(&sealed);
		device_gate_detach(&sealed);
		break;
	default: break;
	}
}

static void a_detach_that_comes_too_early_tells_how_many_are_there(void)
{
	static const char said[] = " inside or waiting, expected none, and a sealed gate: device_gate_close and device_gate_seal come first";
	static const struct bug bugs[] = {
		{ "device_gate_detach: ", "detached with 1 inside or waiting", &open_ },
		{ "device_gate_detach: ", "detached with -1 inside or waiting", &open_ },
		{ "device_gate_detach: ", "detached with 0 inside or waiting", &closed },
		{ "device_gate_detach: ", "detached with 1 inside or waiting", &closed },
		{ "device_gate_detach: ", "detached with 2 inside or waiting", &sealed },
	};
	check(detach_too_early, bugs, COUNT(bugs));
	struct ended ended = in_child(detach_too_early, NULL);
	CHECK_FATAL(ended, said);
}

static void leave_too_often(void *which)
{
	device_gate_t *place;
	cpu_number(0);
	pin(0);
	switch ((int)(intptr_t)which) {
	case 0: // before the close; one came in elsewhere, two left there
		device_gate_enter(&open_);
		elsewhere(exit_open, NULL);
		elsewhere(exit_open, NULL);
		device_gate_close(&open_, "left", &place);
		break;
	case 1: // between close and seal
		device_gate_release(&closed);
		device_gate_seal(&closed, gate);
		break;
	default: break;
	}
}

static void more_exits_than_entries_are_told(void)
{
	static const char said[] = ": -1 inside, expected 0 or more: more exits than entries";
	static const struct bug bugs[] = { { "device_gate_close: ", said, &open_ }, { "device_gate_seal: ", said, &closed } };
	check(leave_too_often, bugs, COUNT(bugs));
}

static void *seal(void *unused)
{
	STORE(&tid, thread_id());
	device_gate_seal(&closed, gate);
	return unused;
}

static void seal_for_long(void *warn)
{
	setenv("PSREF_DRAIN_WARN", (const char *)warn, 1);
	for (int i = 0; i < 3; i++)
		device_gate_enter(&closed);
	pthread_t sealer = start(seal, NULL);
	wait_until_asleep(&tid);
	device_gate_exit(&closed);
	nap(350000);
	device_gate_exit(&closed);
	device_gate_exit(&closed);
	join(sealer);
	device_gate_detach(&closed);
}

static void a_seal_that_takes_long_is_told_of_and_goes_on(void)
{
	char often[] = "0.1", seldom[] = "3600";
	attach_and_close(); // and seal nothing: the children read the environment themselves
	struct ended ended = in_child(seal_for_long, often);
	CHECK_EXITED(ended);
	// The wait message up to where it was cut off; and the tests' processes are forked ones.
	CHECK(strstr(ended.words, "psref: seal of device ") != NULL);
	CHECK(strstr(ended.words, " (\"misuse of a gate with a name of \") has waited 0 s for 2 inside; this process was forked: threads "
				  "that did not come along never leave\n") != NULL);
	CHECK(has_address(ended.words, &closed));
	ended = in_child(seal_for_long, seldom);
	CHECK_EXITED(ended);
	CHECK_EQ(strlen(ended.words), 0);
}

TEST_MAIN(TEST(NULL_is_named_with_function_and_argument),
	  TEST(a_device_without_a_gate_is_named_by_whatever_uses_it),
	  TEST(a_seal_of_what_is_not_the_devices_closed_gate_is_told),
	  TEST(a_detach_that_comes_too_early_tells_how_many_are_there),
	  TEST(more_exits_than_entries_are_told),
	  TEST(a_seal_that_takes_long_is_told_of_and_goes_on))
