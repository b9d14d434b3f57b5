// SPDX-License-Identifier: MIT OR Apache-2.0
// Signals are what comes nearest to interrupts that cannot be kept out.
#include "nmi.h"

#include "driver.h"

enum { ALIVE = 0x600d };

struct trapframe {
	int number;
};

static int served, interrupts;

static int serves(const struct trapframe *frame, void *argument)
{
	const int *state = (const int *)argument;
	// In a signal handler: no CHECK, which would exit where the thread stands.
	if (LOAD(state) != ALIVE || frame->number != SIGUSR1)
		abort();
	// It may take its time: its list must not change under it.
	if (ADD(&served, 1) % 8 == 0)
		sched_yield();
	return LOAD(state) == ALIVE ? 1 : -1;
}

static int declines(const struct trapframe *frame, void *argument)
{
	(void)frame, (void)argument;
	return 0;
}

static void interrupt(int number)
{
	struct trapframe frame = { number };
	if (nmi_dispatch(&frame) < 0)
		abort();
	ADD(&interrupts, 1);
}

static void handlers_that_serve_are_counted(void)
{
	struct trapframe frame = { SIGUSR1 };
	int state = ALIVE;
	nmi_init();
	CHECK_EQ(nmi_dispatch(&frame), 0);
	nmi_handler_t *one = nmi_establish(serves, &state), *two = nmi_establish(serves, &state);
	nmi_handler_t *not_mine = nmi_establish(declines, NULL);
	CHECK_EQ(nmi_dispatch(&frame), 2);
	CHECK(nmi_disestablish(two));
	CHECK(!nmi_disestablish(two));
	CHECK_EQ(nmi_dispatch(&frame), 1);
	CHECK(nmi_disestablish(one) && nmi_disestablish(not_mine));
	nmi_fini();
}

static unsigned long is_interrupted(unsigned who)
{
	unsigned long n = 0;
	(void)who;
	for (; !over(); n++) {
		pthread_kill(pthread_self(), SIGUSR1);
		under_way();
	}
	return n;
}

// Is interrupted itself, also in the middle of what it does.
static unsigned long comes_and_goes(unsigned who)
{
	unsigned turns = test_turns(1000);
	(void)who;
	for (unsigned turn = 0; turn < turns; turn++) {
		int *state = (int *)malloc(sizeof *state);
		*state = ALIVE;
		nmi_handler_t *handler = nmi_establish(serves, state);
		pthread_kill(pthread_self(), SIGUSR1);
		CHECK(nmi_disestablish(handler));
		STORE(state, 0);
		free(state);
	}
	return turns;
}

static void no_handler_runs_once_it_is_disestablished(void)
{
	nmi_init();
	handle_with(interrupt, SIGUSR1, SA_RESTART);
	unsigned long sent = meanwhile(is_interrupted, 3, comes_and_goes, 2);
	CHECK(LOAD(&served) > 0 && (unsigned long)LOAD(&interrupts) >= sent);
	nmi_fini();
}

TEST_MAIN(TEST(handlers_that_serve_are_counted), TEST(no_handler_runs_once_it_is_disestablished))
