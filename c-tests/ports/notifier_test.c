// SPDX-License-Identifier: MIT OR Apache-2.0
#include "notifier.h"

#include "driver.h"

enum { ALIVE = 0x600d, DEAD = 0xdead };

struct listener {
	struct notifier_block block;
	int state;
	int last;
	bool stops;
};

static struct notifier_head head;

static int called(struct notifier_block *block, unsigned long event, void *argument)
{
	struct listener *listener = container_of(block, struct listener, block);
	int *last = (int *)argument;
	CHECK_EQ(LOAD(&listener->state), ALIVE);
	CHECK_EQ(event, 42);
	// By priority, the highest first.
	CHECK(*last >= block->priority);
	*last = block->priority;
	return listener->stops ? NOTIFY_OK | NOTIFY_STOP : NOTIFY_OK;
}

static struct listener *listener_new(int priority, bool stops)
{
	struct listener *listener = (struct listener *)calloc(1, sizeof *listener);
	listener->block.notifier_call = called;
	listener->block.priority = priority;
	listener->state = ALIVE;
	listener->stops = stops;
	return listener;
}

static void listener_free(struct listener *listener)
{
	STORE(&listener->state, DEAD);
	free(listener);
}

static unsigned long tells(unsigned who)
{
	unsigned long calls = 0;
	(void)who;
	for (; !over(); calls++) {
		int last = 1000;
		notifier_call_chain(&head, 42, &last);
		under_way();
	}
	return calls;
}

static unsigned long comes_and_goes(unsigned who)
{
	unsigned turns = test_turns(100);
	for (unsigned turn = 0; turn < turns; turn++) {
		struct listener *one = listener_new((int)((turn + who) % 7), false);
		struct listener *two = listener_new((int)(turn % 5), turn % 3 == 0);
		notifier_register(&head, &one->block);
		notifier_register(&head, &two->block);
		CHECK(notifier_unregister(&head, &one->block));
		CHECK(!notifier_unregister(&head, &one->block));
		CHECK(notifier_unregister(&head, &two->block));
		listener_free(one);
		listener_free(two);
	}
	return turns;
}

static void listeners_are_told_by_priority_until_one_stops_the_chain(void)
{
	struct listener *low = listener_new(1, false), *high = listener_new(3, false), *middle = listener_new(2, true);
	int last = 1000;
	notifier_init(&head);
	CHECK_EQ(notifier_call_chain(&head, 42, &last), NOTIFY_DONE);
	notifier_register(&head, &low->block);
	notifier_register(&head, &high->block);
	CHECK_EQ(notifier_call_chain(&head, 42, &last), NOTIFY_OK);
	CHECK_EQ(last, 1);
	notifier_register(&head, &middle->block);
	last = 1000;
	CHECK_EQ(notifier_call_chain(&head, 42, &last), NOTIFY_OK | NOTIFY_STOP);
	CHECK_EQ(last, 2);
	CHECK(notifier_unregister(&head, &high->block));
	CHECK(notifier_unregister(&head, &middle->block));
	CHECK(notifier_unregister(&head, &low->block));
	notifier_destroy(&head);
	listener_free(low);
	listener_free(middle);
	listener_free(high);
}

static void an_unregistered_listener_may_be_freed(void)
{
	struct listener *stays = listener_new(6, false);
	notifier_init(&head);
	notifier_register(&head, &stays->block);
	CHECK(meanwhile(tells, 4, comes_and_goes, 2) > 0);
	CHECK(notifier_unregister(&head, &stays->block));
	notifier_destroy(&head);
	listener_free(stays);
}

TEST_MAIN(TEST(listeners_are_told_by_priority_until_one_stops_the_chain), TEST(an_unregistered_listener_may_be_freed))
