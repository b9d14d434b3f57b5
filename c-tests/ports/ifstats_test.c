// SPDX-License-Identifier: MIT OR Apache-2.0
#include "ifstats.h"

#include "driver.h"

static struct interface interface;
static uint64_t added, collected[IFS_NSTATS];

static unsigned long counts(unsigned who)
{
	uint64_t n = 0;
	(void)who;
	for (; !over(); n++) {
		if_stat_add(&interface, IFS_IPACKETS, 1);
		// What is added in one reference is collected together, however long it takes.
		uint64_t *stats = if_stat_getref(&interface);
		stats[IFS_OPACKETS]++;
		__asm__ volatile("" : : : "memory");
		spin(n % 1000);
		stats[IFS_OBYTES] += 40;
		if_stat_putref(&interface);
		if_stat_add2(&interface, IFS_IBYTES, 20, IFS_OBYTES, 20);
		under_way();
	}
	ADD(&added, n);
	return (unsigned long)n;
}

static unsigned long collects(unsigned who)
{
	unsigned turns = test_turns(200);
	for (unsigned turn = 0; turn < turns; turn++) {
		uint64_t now[IFS_NSTATS];
		if_stats_collect(&interface, now, who == 0);
		CHECK_EQ(now[IFS_OBYTES], 40 * now[IFS_OPACKETS] + now[IFS_IBYTES]);
		if (who == 0)
			for (int i = 0; i < IFS_NSTATS; i++)
				collected[i] += now[i];
	}
	return turns;
}

static void no_count_is_lost_while_the_counters_are_taken_away(void)
{
	uint64_t rest[IFS_NSTATS];
	if_stats_init(&interface);
	CHECK(meanwhile(counts, 4, collects, 2) > 0);
	if_stats_collect(&interface, rest, false);
	CHECK_EQ(collected[IFS_IPACKETS] + rest[IFS_IPACKETS], added);
	CHECK_EQ(collected[IFS_OPACKETS] + rest[IFS_OPACKETS], added);
	CHECK_EQ(collected[IFS_OBYTES] + rest[IFS_OBYTES], 60 * added);
	if_stats_fini(&interface);
}

static void who_asks_with_too_little_room_is_told_how_much(void)
{
	uint64_t copy[IFS_NSTATS] = { 0 };
	size_t room = 0;
	if_stats_init(&interface);
	if_stat_add(&interface, IFS_IBYTES, 1500);
	CHECK_EQ(netstat_copy(interface.if_stats, IFS_NSTATS, NULL, &room), 0);
	CHECK_EQ(room, sizeof copy);
	room = 8;
	CHECK_EQ(netstat_copy(interface.if_stats, IFS_NSTATS, copy, &room), ENOMEM);
	CHECK_EQ(copy[IFS_IBYTES], 0);
	room = sizeof copy;
	CHECK_EQ(netstat_copy(interface.if_stats, IFS_NSTATS, copy, &room), 0);
	CHECK_EQ(copy[IFS_IBYTES], 1500);
	if_stats_fini(&interface);
}

TEST_MAIN(TEST(no_count_is_lost_while_the_counters_are_taken_away),
	  TEST(who_asks_with_too_little_room_is_told_how_much))
