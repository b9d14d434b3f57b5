// SPDX-License-Identifier: MIT OR Apache-2.0
#include <sys/psref.h>

#include "pfhooks.h"

#include "driver.h"

enum { ALIVE = 0x600d };

struct packet {
	int seen;
};

struct filter {
	int state;
	int verdict;
	unsigned calls;
};

static pfil_head_t *head;
static char path[8];
static size_t length;

static int filters(void *argument, struct packet **packet, struct interface *ifp, int direction)
{
	struct filter *filter = (struct filter *)argument;
	CHECK_EQ(LOAD(&filter->state), ALIVE);
	(void)ifp;
	(void)direction;
	(*packet)->seen++;
	ADD(&filter->calls, 1);
	// A hook may sleep.
	if ((*packet)->seen % 64 == 0)
		sched_yield();
	CHECK_EQ(LOAD(&filter->state), ALIVE);
	return filter->verdict;
}

static int swallows(void *argument, struct packet **packet, struct interface *ifp, int direction)
{
	(void)argument, (void)ifp, (void)direction;
	*packet = NULL;
	return 0;
}

static int notes(void *argument, struct packet **packet, struct interface *ifp, int direction)
{
	(void)packet, (void)ifp, (void)direction;
	path[length++] = *(const char *)argument;
	return 0;
}

static void address_changes(void *argument, unsigned long command, void *address)
{
	struct filter *filter = (struct filter *)argument;
	CHECK_EQ(LOAD(&filter->state), ALIVE);
	CHECK_EQ(command, 7);
	CHECK(address == path);
	ADD(&filter->calls, 1);
}

static struct filter *filter_new(int verdict)
{
	struct filter *filter = (struct filter *)calloc(1, sizeof *filter);
	filter->state = ALIVE;
	filter->verdict = verdict;
	return filter;
}

static void filter_free(struct filter *filter)
{
	STORE(&filter->state, 0);
	free(filter);
}

static void hooks_run_in_order_and_out_in_the_opposite_one(void)
{
	struct packet here = { 0 }, *packet = &here;
	static char a[] = "a", b[] = "b";
	pfil_init();
	head = pfil_head_create(1, path);
	CHECK(head != NULL && pfil_head_get(1, path) == head);
	CHECK(pfil_head_create(1, path) == NULL);
	CHECK(pfil_head_get(2, path) == NULL);
	CHECK_EQ(pfil_add_hook(notes, a, PFIL_ALL, head), 0);
	CHECK_EQ(pfil_add_hook(notes, b, PFIL_ALL, head), 0);
	CHECK_EQ(pfil_add_hook(notes, b, PFIL_IN, head), EEXIST);
	CHECK_EQ(pfil_run_hooks(head, &packet, NULL, PFIL_IN), 0);
	CHECK_EQ(pfil_run_hooks(head, &packet, NULL, PFIL_OUT), 0);
	CHECK(length == 4 && memcmp(path, "abba", 4) == 0);
	CHECK_EQ(pfil_add_hook(swallows, NULL, PFIL_IN, head), 0);
	CHECK_EQ(pfil_run_hooks(head, &packet, NULL, PFIL_IN), 0);
	CHECK(packet == NULL);
	CHECK_EQ(pfil_run_hooks(head, &packet, NULL, PFIL_IN), 0);
	CHECK_EQ(length, 6);
	CHECK_EQ(pfil_remove_hook(notes, a, PFIL_OUT, head), 0);
	CHECK_EQ(pfil_remove_hook(notes, a, PFIL_OUT, head), ENOENT);
	// In is taken, so out must not be left behind.
	CHECK_EQ(pfil_add_hook(notes, a, PFIL_ALL, head), EEXIST);
	packet = &here;
	CHECK_EQ(pfil_run_hooks(head, &packet, NULL, PFIL_OUT), 0);
	CHECK_EQ(length, 7);
	pfil_head_destroy(head);
	pfil_fini();
}

static void a_full_list_takes_nothing_back_to_front(void)
{
	char names[9];
	pfil_init();
	head = pfil_head_create(1, path);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(pfil_add_hook(notes, &names[i], PFIL_OUT, head), 0);
	// Out is full: what was added for in goes again.
	CHECK_EQ(pfil_add_hook(notes, &names[8], PFIL_ALL, head), ENOSPC);
	CHECK_EQ(pfil_remove_hook(notes, &names[8], PFIL_IN, head), ENOENT);
	pfil_head_destroy(head);
	pfil_fini();
}

static unsigned long packets_pass(unsigned who)
{
	unsigned long refused = 0;
	while (!over()) {
		struct packet here = { 0 }, *packet = &here;
		int error = pfil_run_hooks(head, &packet, NULL, who % 2 == 0 ? PFIL_IN : PFIL_OUT);
		CHECK(error == 0 || error == EPERM);
		CHECK(packet == &here && here.seen >= 1);
		refused += error == EPERM;
		pfil_run_addrhooks(head, 7, path);
		// As a kernel does before it returns to a program.
		PSREF_DEBUG_BARRIER();
		under_way();
	}
	return refused;
}

static unsigned long filters_come_and_go(unsigned who)
{
	unsigned turn = 0;
	for (; turn < test_turns(60) && has_time(); turn++) {
		struct filter *filter = filter_new(turn % 2 == who % 2 ? EPERM : 0);
		CHECK_EQ(pfil_add_hook(filters, filter, PFIL_ALL, head), 0);
		CHECK_EQ(pfil_add_ihook(address_changes, filter, PFIL_IFADDR, head), 0);
		sched_yield();
		CHECK_EQ(pfil_remove_ihook(address_changes, filter, PFIL_IFADDR, head), 0);
		CHECK_EQ(pfil_remove_ihook(address_changes, filter, PFIL_IFADDR, head), ENOENT);
		CHECK_EQ(pfil_remove_hook(filters, filter, PFIL_ALL, head), 0);
		filter_free(filter);
	}
	return turn;
}

static void a_removed_hook_may_be_freed(void)
{
	struct filter *stays = filter_new(0);
	pfil_init();
	head = pfil_head_create(1, path);
	// At the front of those that come, and so at the back of those that leave.
	CHECK_EQ(pfil_add_hook(filters, stays, PFIL_IN, head), 0);
	CHECK_EQ(pfil_add_hook(filters, stays, PFIL_OUT, head), 0);
	struct packet here = { 0 }, *packet = &here;
	CHECK_EQ(pfil_run_hooks(head, &packet, NULL, PFIL_OUT), 0);
	meanwhile(packets_pass, 4, filters_come_and_go, 2);
	CHECK_EQ(pfil_remove_hook(filters, stays, PFIL_ALL, head), 0);
	filter_free(stays);
	pfil_head_destroy(head);
	pfil_fini();
}

TEST_MAIN(TEST(hooks_run_in_order_and_out_in_the_opposite_one), TEST(a_full_list_takes_nothing_back_to_front),
	  TEST(a_removed_hook_may_be_freed))
