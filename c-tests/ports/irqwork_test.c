// SPDX-License-Identifier: MIT OR Apache-2.0
#include "irqwork.h"

#include "driver.h"

enum { WORKS = 8 };

struct counted {
	struct irq_work work;
	unsigned queued, done;
};

static struct counted works[WORKS];

static void works_on(struct irq_work *work)
{
	struct counted *counted = (struct counted *)(void *)work;
	ADD(&counted->done, 1);
}

static unsigned long queues(unsigned who)
{
	unsigned long again = 0;
	unsigned turns = test_turns(20000);
	for (unsigned turn = 0; turn < turns; turn++) {
		struct counted *counted = &works[(turn + who) % WORKS];
		if (irq_work_queue(&counted->work))
			ADD(&counted->queued, 1);
		else
			again++;
		under_way();
	}
	return again;
}

static void all_done(void)
{
	for (unsigned i = 0; i < WORKS; i++)
		while (LOAD(&works[i].done) != LOAD(&works[i].queued))
			nap(50);
}

static void what_is_queued_is_done_once(void)
{
	CHECK_EQ(irq_work_sysinit(), 0);
	for (unsigned i = 0; i < WORKS; i++)
		irq_work_init(&works[i].work, works_on);
	meanwhile(queues, 3, queues, 3);
	all_done();
	irq_work_sysfini();
	for (unsigned i = 0; i < WORKS; i++) {
		CHECK(works[i].queued > 0);
		CHECK_EQ(works[i].work.pending, 0);
	}
}

static int entered, leave;

static void lingers(struct irq_work *work)
{
	(void)work;
	STORE(&entered, 1);
	wait_until_set(&leave);
}

static void *ends(void *unused)
{
	(void)unused;
	irq_work_sysfini();
	return NULL;
}

static void work_that_waits_is_not_queued_twice_and_the_end_waits_for_what_runs(void)
{
	struct irq_work slow;
	CHECK_EQ(irq_work_sysinit(), 0);
	irq_work_init(&slow, lingers);
	CHECK(irq_work_queue(&slow));
	wait_until_set(&entered);
	pthread_t thread = start(ends, NULL);
	STORE(&leave, 1);
	join(thread);
	CHECK_EQ(slow.pending, 0);
}

TEST_MAIN(TEST(what_is_queued_is_done_once),
	  TEST(work_that_waits_is_not_queued_twice_and_the_end_waits_for_what_runs))
