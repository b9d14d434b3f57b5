// SPDX-License-Identifier: MIT OR Apache-2.0
#include "encap.h"

#include "driver.h"

enum { ALIVE = 0x600d };

struct tunnel {
	int state, priority;
	unsigned packets;
};

static int matches(const void *packet, void *argument)
{
	struct tunnel *tunnel = (struct tunnel *)argument;
	CHECK_EQ(LOAD(&tunnel->state), ALIVE);
	if (*(const unsigned *)packet % 32 == 0)
		sched_yield();
	CHECK_EQ(LOAD(&tunnel->state), ALIVE);
	return tunnel->priority;
}

static void takes(const void *packet, void *argument)
{
	struct tunnel *tunnel = (struct tunnel *)argument;
	(void)packet;
	CHECK_EQ(LOAD(&tunnel->state), ALIVE);
	ADD(&tunnel->packets, 1);
}

static struct tunnel *tunnel_new(int priority)
{
	struct tunnel *tunnel = (struct tunnel *)calloc(1, sizeof *tunnel);
	tunnel->state = ALIVE;
	tunnel->priority = priority;
	return tunnel;
}

static void tunnel_free(struct tunnel *tunnel)
{
	STORE(&tunnel->state, 0);
	free(tunnel);
}

static void the_best_match_gets_the_packet(void)
{
	struct tunnel *low = tunnel_new(1), *high = tunnel_new(9), *other = tunnel_new(5), *never = tunnel_new(0);
	unsigned packet = 1;
	int error;
	encap_init();
	CHECK(!encap_input(4, &packet));
	CHECK(encap_attach(-1, matches, takes, low, &error) == NULL && error == EINVAL);
	const struct encaptab *a = encap_attach(4, matches, takes, low, &error);
	const struct encaptab *b = encap_attach(4, matches, takes, high, &error);
	const struct encaptab *c = encap_attach(6, matches, takes, other, &error);
	const struct encaptab *d = encap_attach(4, matches, takes, never, &error);
	CHECK(a != NULL && b != NULL && c != NULL && d != NULL && error == 0);
	CHECK(encap_input(4, &packet));
	CHECK(low->packets == 0 && high->packets == 1 && other->packets == 0 && never->packets == 0);
	CHECK_EQ(encap_detach(b), 0);
	CHECK_EQ(encap_detach(b), ENOENT);
	CHECK(encap_input(4, &packet) && encap_input(6, &packet));
	CHECK(low->packets == 1 && other->packets == 1);
	CHECK_EQ(encap_detach(a), 0);
	CHECK_EQ(encap_detach(c), 0);
	CHECK(!encap_input(4, &packet));
	CHECK_EQ(encap_detach(d), 0);
	encap_fini();
	tunnel_free(low), tunnel_free(high), tunnel_free(other), tunnel_free(never);
}

static unsigned long packets_come(unsigned who)
{
	unsigned long n = 0;
	for (unsigned packet = who; !over(); packet++, n++) {
		CHECK(encap_input(4, &packet));
		under_way();
	}
	return n;
}

static unsigned long tunnels_come_and_go(unsigned who)
{
	unsigned turns = test_turns(60);
	for (unsigned turn = 0; turn < turns; turn++) {
		struct tunnel *one = tunnel_new((int)(turn % 3) + 1), *two = tunnel_new((int)(turn + who) % 5 + 1);
		int error;
		const struct encaptab *first = encap_attach(4, matches, takes, one, &error);
		const struct encaptab *second = encap_attach(4, matches, takes, two, &error);
		CHECK(first != NULL && second != NULL);
		CHECK_EQ(encap_detach(first), 0);
		tunnel_free(one);
		CHECK_EQ(encap_detach(second), 0);
		tunnel_free(two);
	}
	return turns;
}

static void a_detached_tunnel_may_be_freed(void)
{
	struct tunnel *stays = tunnel_new(2);
	int error;
	encap_init();
	const struct encaptab *cookie = encap_attach(4, matches, takes, stays, &error);
	CHECK(meanwhile(packets_come, 4, tunnels_come_and_go, 2) > 0);
	CHECK_EQ(encap_detach(cookie), 0);
	encap_fini();
	tunnel_free(stays);
}

static int tid, answer = -1;

static void handled(int number)
{
	(void)number;
}

static void *waits_for_the_lock(void *unused)
{
	(void)unused;
	STORE(&tid, thread_id());
	STORE(&answer, encap_lock_enter());
	return NULL;
}

static void who_waits_for_its_turn_can_be_interrupted(void)
{
	encap_init();
	handle_with(handled, SIGUSR1, SA_RESTART);
	CHECK_EQ(encap_lock_enter(), 0);
	pthread_t thread = start(waits_for_the_lock, NULL);
	wait_until_set(&tid);
	// Until it has answered: a signal before it sleeps is a signal too early.
	while (LOAD(&answer) == -1) {
		pthread_kill(thread, SIGUSR1);
		nap(200);
	}
	join(thread);
	CHECK_EQ(answer, EINTR);
	encap_lock_exit();
	encap_fini();
}

TEST_MAIN(TEST(the_best_match_gets_the_packet), TEST(a_detached_tunnel_may_be_freed),
	  TEST(who_waits_for_its_turn_can_be_interrupted))
